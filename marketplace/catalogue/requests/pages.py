"""Pages of requests for data: a partner asks and reads the answer; a steward reads all requests, and answers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.requests import actions, queries
from marketplace.catalogue.requests.rules import RequestedData
from marketplace.catalogue.search.showing import indicator, label
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.formats import read_cents
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff, vetted_partner
from marketplace.privacy.product_registry import PRODUCTS

Place = Annotated[str, QueryParameter(name="place", max_length=200)]
steward, reader = staff("steward"), staff("steward", "auditor")


class AskForm(Struct):
    """A partner's request, as it writes it."""

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
async def list_own(request: ActorRequest, number: PageNumber = 1) -> Template:
    """List the partner's requests."""
    assert request.user.partner
    return page("requests/own.html", requests=await queries.list_own(request.user.partner, number), **_words())


@get("/requests/new", guards=[vetted_partner], opt=expect("vetted partner"))
async def new_request(place: Place = "") -> Template:
    """Ask which data is needed; the place of a search is filled in."""
    return page("requests/new.html", form={"place": place}, error="", **_words())


@post("/requests/new", guards=[vetted_partner], opt=expect("vetted partner"), status_code=200)
async def ask(
    request: ActorRequest, data: Annotated[AskForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Request data that is not for sale; a refusal is shown at its field, with everything that was written."""
    assert request.user.partner
    try:
        wanted = RequestedData(
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
async def show_own(request: ActorRequest, asked: FromPath[uuid.UUID]) -> Template:
    """Show the partner's own request and its answer."""
    assert request.user.partner
    return page("requests/request.html", asked=await queries.get_own(asked, request.user.partner), **_words())


@get("/steward/requests", guards=[reader], opt=expect("steward", "auditor"))
async def list_all(number: PageNumber = 1) -> Template:
    """List all requests, those without an answer first."""
    return page("requests/all.html", requests=await queries.list_requests(number), **_words())


@get("/steward/requests/{asked:uuid}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show(asked: FromPath[uuid.UUID]) -> Template:
    """Show a request, its partners, and a form for the answer."""
    return page("requests/steward.html", form={}, error="", **await _shown(asked))


@post("/steward/requests/{asked:uuid}", guards=[steward], opt=expect("steward", stranger=200), status_code=200)
async def answer(
    request: ActorRequest,
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
