"""Pages of private offers: a steward makes and withdraws them; the partner alone sees its own, and asks for a quote."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from contextlib import suppress
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.formats import PARIS
from marketplace.core.web.pages import PageNumber, again, localised, page, see
from marketplace.people.identity.guards import ActorRequest, expect, partner, staff, vetted_partner
from marketplace.sales.agreed import private_actions, private_queries

steward, reader = staff("steward"), staff("steward", "auditor")
NOBODYS = uuid.UUID(int=0)
MOST_DIGITS = 3
"""Of a length in months, or a percentage."""


class OfferForm(Struct):
    """A private offer as a steward writes it."""

    form_id: uuid.UUID
    partner: str = ""
    dataset: str = ""
    percent_off: str = ""
    months: str = ""
    ends_on: str = ""


class ChosenForm(Struct):
    """A button of one private offer."""

    form_id: uuid.UUID
    offer: uuid.UUID | None = None
    months: str = ""


Pressed = Annotated[ChosenForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/private-offers", guards=[partner], opt=expect("partner"))
async def list_own(request: ActorRequest) -> Template:
    """List what the partner is offered, with today's price and its own."""
    assert request.user.partner
    offers = []
    for row in await private_queries.list_open(request.user.partner, clock.now()):
        with suppress(Refusal):  # What is not on sale at the moment has no price.
            offers += [(row, price) for price in await private_actions.prices_of(row)]
    return page("agreed/own_private_offers.html", offers=offers)


@post("/private-offers/quotes", guards=[vetted_partner], opt=expect("vetted partner"))
async def quote(request: ActorRequest, data: Pressed) -> Redirect:
    """Sign the partner's own price of the latest release."""
    assert request.user.partner
    months = _lengths(data.months) or [0]
    await private_actions.quote(request.user.partner, data.offer or NOBODYS, quote_id=data.form_id, months=months[0])
    return see(f"/quotes/{data.form_id}")


@get("/steward/private-offers", guards=[reader], opt=expect("steward", "auditor"))
async def list_all(number: PageNumber = 1) -> Template:
    """List all private offers, and a form for another."""
    return page("agreed/private_offers.html", form={}, error="", **await _shown(number))


@post("/steward/private-offers", guards=[steward], opt=expect("steward"), status_code=200)
async def make(
    request: ActorRequest, data: Annotated[OfferForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Offer a dataset to one partner; what was wrong is said at its field, and nothing that was written is lost."""
    try:
        await private_actions.offer(
            request.user,
            _id(data.partner),
            data.dataset,
            percent_off=_percent(data.percent_off),
            ends_at=_end_of(data.ends_on),
            offer_id=data.form_id,
            months=_lengths(data.months),
        )
    except Refusal as refusal:
        written = {name: getattr(data, name)[:80] for name in OfferForm.__struct_fields__ if name != "form_id"}
        return again("agreed/private_offers.html", refusal, form=written, **await _shown(1))
    return see("/steward/private-offers")


@post("/steward/private-offers/withdraw", guards=[steward], opt=expect("steward"))
async def withdraw(request: ActorRequest, data: Pressed) -> Redirect:
    """Withdraw a private offer."""
    await private_actions.withdraw(request.user, data.offer or NOBODYS)
    return see("/steward/private-offers")


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid("Choose a vetted partner.", field="partner") from None


def _percent(text: str) -> int:
    """Return a whole number that was written; 0, which no offer is for, where it is none."""
    number = text.strip()
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= MOST_DIGITS else 0


def _lengths(text: str) -> list[int]:
    """Return the lengths that were written, in months, as numbers apart; none where nothing was."""
    words = re.split(r"[\s,;]+", text.strip())
    if not all(word.isascii() and word.isdecimal() and len(word) <= MOST_DIGITS for word in words if word):
        raise Invalid("Write months as numbers, separated by commas, such as 12, 36.", field="months")
    return [int(word) for word in words if word]


def _end_of(text: str) -> dt.datetime:
    """Return the end of a day in Paris."""
    try:
        day = dt.date.fromisoformat(text.strip())
        return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), PARIS)
    except (ValueError, OverflowError):
        raise Invalid("Write the day as year-month-day, such as 2026-03-28.", field="ends_on") from None


async def _shown(number: int) -> dict[str, Any]:
    return {
        "offers": await private_queries.list_all(number),
        "partners": [(str(one.id), one.company) for one in await private_queries.list_partners()],
        "datasets": [(one.code, localised(one, "title")) for one in await private_queries.list_datasets()],
        "most_percent_off": private_actions.most_percent_off(),
        "now": clock.now(),
    }


ROUTES = [list_own, quote, list_all, make, withdraw]
