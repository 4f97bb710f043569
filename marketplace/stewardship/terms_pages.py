"""The steward's pages of licence terms: five lines in each language, for so many months; a new version is a new code."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.rules import five_lines, next_version
from marketplace.errors import Invalid, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, staff
from marketplace.stewardship import actions, queries
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]
Copied = Annotated[str, QueryParameter(name="copy", max_length=63)]
reader, steward = staff("steward", "auditor"), staff("steward")
LONGEST_NUMBER = 4


class TermsForm(Struct):
    """Licence terms as a steward writes them."""

    form_id: uuid.UUID
    code: str
    months: str
    right: str
    lines_fr: str
    lines_en: str


@get("/steward/terms", guards=[reader], opt=expect("steward", "auditor"))
async def list_terms(copied: Copied = "") -> Template:
    """Show every version of licence terms, and let a steward state another one, from nothing or from one there is."""
    rows = await queries.list_terms()
    copy = next((row for row in rows if row.code == copied), None)
    form: dict[str, object] = {}
    if copy is not None:
        code = copy.code
        while any(row.code == code for row in rows):
            code = next_version(code)
        form = {
            "code": code,
            "months": copy.months,
            "right": copy.usage_right,
            "lines_fr": copy.lines_fr,
            "lines_en": copy.lines_en,
        }
    return page("stewardship/terms.html", rows=rows, form=form, error="")


@post("/steward/terms", guards=[steward], opt=expect("steward"))
async def state(
    data: Annotated[TermsForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: Asked
) -> Redirect | Template:
    """State licence terms; the same ones again change nothing."""
    try:
        await actions.state_terms(
            request.user,
            data.code.strip(),
            months=whole(data.months, "months"),
            lines_fr=five_lines(data.lines_fr),
            lines_en=five_lines(data.lines_en),
            right=data.right,
        )
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("stewardship/terms.html", refusal, rows=await queries.list_terms(), form=form)
    return see("/steward/terms")


def whole(text: str, field: str) -> int:
    """Return a whole number that someone typed into a field; refuses all else, and names the field."""
    typed = text.strip()
    if not typed.isdecimal() or len(typed) > LONGEST_NUMBER:
        raise Invalid("Write a whole number.", field=field)
    return int(typed)


ROUTES = [list_terms, state]
