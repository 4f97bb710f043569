"""The steward's pages of licence terms: allowed uses, and the five lines; a new version is a new code."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct, field

from marketplace.catalogue.licences.policies import read_policy
from marketplace.catalogue.offers.rules import next_version
from marketplace.catalogue.steward import actions, queries
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff

Copied = Annotated[str, QueryParameter(name="copy", max_length=63)]
reader, steward = staff("steward", "auditor"), staff("steward")
LONGEST_NUMBER = 4


class TermsForm(Struct):
    """Licence terms as a steward writes them."""

    form_id: uuid.UUID
    code: str
    months: str
    right: str
    countries: str = ""
    """Two letters each, separated by spaces or commas."""
    purposes: list[str] | str = field(default_factory=list)
    """The ticked purposes; a single one comes as text."""


@get("/steward/terms", guards=[reader], opt=expect("steward", "auditor"))
async def list_terms(copied: Copied = "") -> Template:
    """Show every version of licence terms, and let a steward state another one, new or from a copy."""
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
            "countries": ", ".join(copy.countries),
            "purposes": copy.purposes,
        }
    return page("steward/terms.html", rows=rows, form=form, error="", purposes=PURPOSES)


@post("/steward/terms", guards=[steward], opt=expect("steward"))
async def state(
    data: Annotated[TermsForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: ActorRequest
) -> Redirect | Template:
    """State licence terms; the same ones again change nothing."""
    try:
        months = whole(data.months, "months")
        chosen = [data.purposes] if isinstance(data.purposes, str) else data.purposes
        policy = read_policy(data.right, months, purposes=chosen, countries=data.countries)
        await actions.state_terms(request.user, data.code.strip(), policy)
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        rows = await queries.list_terms()
        return again("steward/terms.html", refusal, rows=rows, form=form, purposes=PURPOSES)
    return see("/steward/terms")


def whole(text: str, field: str, *, digits: int = LONGEST_NUMBER) -> int:
    """Return a whole number from a form's field, with at most so many digits; refuse others, and name the field."""
    typed = text.strip()
    if not typed.isdecimal() or len(typed) > digits:
        raise Invalid("Write a whole number, in digits alone.", field=field)
    return int(typed)


ROUTES = [list_terms, state]
