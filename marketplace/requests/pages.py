"""Pages of requests for data: a partner asks and reads the answer; a steward reads who asks for what, and answers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.errors import Invalid, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, staff, vetted_partner
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.requests import actions, queries
from marketplace.requests.rules import Wanted
from marketplace.search.showing import indicator, label
from marketplace.web.formats import read_cents
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]
Place = Annotated[str, QueryParameter(name="place", max_length=200)]
steward, reader = staff("steward"), staff("steward", "auditor")


class AskForm(Struct):
    """What a partner asks for, as it writes it."""

    form_id: uuid.UUID
    place: str = ""
    product: str = ""
    grain: str = ""
    starts_on: str = ""
    ends_on: str = ""
    most: str = ""
    text: str = ""


class AnswerForm(Struct):
    """A steward's answer."""

    form_id: uuid.UUID
    answer: str = ""
    dataset: str = ""
    reason_fr: str = ""
    reason_en: str = ""


def _words() -> dict[str, Any]:
    return {"products": {code: indicator(code) for code in PRODUCTS}, "label": label}


@get("/requests", guards=[vetted_partner], opt=expect("vetted partner"))
async def list_own(request: Asked, number: Page = 1) -> Template:
    """List what the partner asked for."""
    assert request.user.partner
    return page("requests/own.html", requests=await queries.list_own(request.user.partner, number), **_words())


@get("/requests/new", guards=[vetted_partner], opt=expect("vetted partner"))
async def new_request(place: Place = "") -> Template:
    """Ask what data is needed, the place of a search already written."""
    return page("requests/new.html", form={"place": place}, error="", **_words())


@post("/requests/new", guards=[vetted_partner], opt=expect("vetted partner"), status_code=200)
async def ask(
    request: Asked, data: Annotated[AskForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Ask for data that is not for sale; what was wrong is said at its field, and nothing that was written is lost."""
    assert request.user.partner
    try:
        wanted = Wanted(
            data.place.strip(),
            data.product,
            data.grain,
            _day(data.starts_on, "starts_on"),
            _day(data.ends_on, "ends_on"),
        )
        made = await actions.ask(
            request.user.partner,
            wanted,
            most_minor=read_cents(data.most, field="most"),
            text=data.text.strip(),
            ask_id=data.form_id,
        )
    except Refusal as refusal:
        written = {name: getattr(data, name)[:4000] for name in AskForm.__struct_fields__ if name != "form_id"}
        return again("requests/new.html", refusal, form=written, **_words())
    return see(f"/requests/{made}")


def _day(text: str, field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("Write the day as year-month-day, such as 2026-03-28.", field=field) from None


@get("/requests/{asked:uuid}", guards=[vetted_partner], opt=expect("vetted partner", stranger=404))
async def show_own(request: Asked, asked: FromPath[uuid.UUID]) -> Template:
    """Show the partner's own request and its answer."""
    assert request.user.partner
    return page("requests/request.html", asked=await queries.get_own(asked, request.user.partner), **_words())


@get("/steward/requests", guards=[reader], opt=expect("steward", "auditor"))
async def list_all(number: Page = 1) -> Template:
    """List all requests, those without an answer first."""
    return page("requests/all.html", requests=await queries.list_requests(number), **_words())


@get("/steward/requests/{asked:uuid}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show(asked: FromPath[uuid.UUID]) -> Template:
    """Show a request, who makes it, and a form for the answer."""
    return page("requests/steward.html", form={}, error="", **await _shown(asked))


@post("/steward/requests/{asked:uuid}", guards=[steward], opt=expect("steward", stranger=200), status_code=200)
async def answer(
    request: Asked,
    asked: FromPath[uuid.UUID],
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Answer a request."""
    shown = await _shown(asked)
    try:
        await actions.answer(
            request.user,
            asked,
            data.answer,
            dataset=data.dataset.strip(),
            reason_fr=data.reason_fr,
            reason_en=data.reason_en,
        )
    except Refusal as refusal:
        written = {name: getattr(data, name)[:2000] for name in ("answer", "dataset", "reason_fr", "reason_en")}
        return again("requests/steward.html", refusal, form=written, **shown)
    return see(f"/steward/requests/{asked}")


async def _shown(asked: uuid.UUID) -> dict[str, Any]:
    return {"asked": await queries.get_request(asked), "parts": await queries.list_parts(asked)} | _words()


ROUTES = [list_own, new_request, ask, show_own, list_all, show, answer]
