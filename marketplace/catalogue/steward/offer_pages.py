"""The steward's pages of offers: datasets on sale and their prices; a price is shown before the offer is made."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers import offers, rules
from marketplace.catalogue.offers.actions import prices_now
from marketplace.catalogue.offers.queries import list_lengths, list_priced_releases
from marketplace.catalogue.steward import actions, queries
from marketplace.catalogue.steward.terms_pages import whole
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.local_time import local_day, midnight
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import read_cents
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, again, filled, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff
from pricing.quote import price_at_age

if TYPE_CHECKING:
    from marketplace.catalogue.offers.offers import Foreseen, PlannedChange
    from marketplace.catalogue.steward.queries import ShelfRow

AGES_SHOWN = (7, 30)
DAY_SECONDS = 86_400
MICRO_A_CENT = 10_000
WEEK_DAYS = "7"
MOST_AHEAD = dt.timedelta(days=731)
FIRST_DAY = dt.date(1970, 1, 1)

reader, steward = staff("steward", "auditor"), staff("steward")


class OfferForm(Struct):
    """An offer as a steward writes it, amounts in euros; `step` is look (show its price) or save.

    starts_on: the first day of a planned change, of the dataset's time zone; empty: now.
    """

    form_id: uuid.UUID
    terms: str
    full_worth: str
    worth_days: str
    floor: str
    cap: str
    starts_on: str = ""
    step: str = "look"
    seen: str = ""
    """The offer's fingerprint when the page was opened."""


class LengthsForm(Struct):
    """The other terms that a dataset is sold under: their codes, separated by commas."""

    form_id: uuid.UUID
    lengths: str = ""
    seen: str = ""
    """The fingerprint of the terms on the page."""


@get("/steward/offers", guards=[reader], opt=expect("steward", "auditor"))
async def list_offers(number: PageNumber = 1) -> Template:
    """Show every dataset: whether it is on sale, its terms, and its price of today."""
    shelf = await queries.list_shelf(number)
    latest = [row.release for row in shelf.rows if row.is_open and row.release]
    prices = await prices_now(await list_priced_releases(latest), now=clock.now())
    return page("steward/offers.html", shelf=shelf, prices=prices)


@get("/steward/offers/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_offer(code: FromPath[str]) -> Template:
    """Show a dataset's offer with its price of today, and let a steward try another one."""
    row = await queries.get_shelf(code)
    return page("steward/offer.html", error="", form=_typed(row), looked=None, **await _shown(row))


@post("/steward/offers/{code:str}", guards=[steward], opt=expect("steward", stranger=200))
async def make_offer(
    code: FromPath[str],
    data: Annotated[OfferForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Show an offer's price of today, or make the offer, now or from its stated day."""
    row = await queries.get_shelf(code)
    form = {name: getattr(data, name) for name in data.__struct_fields__}
    try:
        stated, starts_at = _stated(data), _starts_at(data, row)
        if data.step == "save" and starts_at is None:
            await actions.make_offer(request.user, code, stated, seen=data.seen)
            return see(f"/steward/offers/{code}")
        if data.step == "save" and starts_at is not None:
            await actions.plan_offer(request.user, code, stated, starts_at, change=data.form_id)
            return see(f"/steward/offers/{code}")
        foreseen = await offers.foresee(code, stated)
    except Refusal as refusal:
        row = await queries.get_shelf(code)  # the present state: the refusal may be because somebody changed it
        return again("steward/offer.html", refusal, form=form, looked=None, **await _shown(row))
    looked = {
        "foreseen": foreseen,
        "refusals": [filled(refusal) for refusal in foreseen.refusals],
        "later": _later(foreseen),
        "cell_day_micro": _cell_day_micro(stated, foreseen),
        "starts_at": starts_at,
        "evidence": rules.NOTHING_LEARNT,
    }
    return page("steward/offer.html", error="", form=form, looked=looked, **await _shown(row))


@post("/steward/offers/{code:str}/lengths", guards=[steward], opt=expect("steward", stranger=200))
async def set_lengths(
    code: FromPath[str],
    data: Annotated[LengthsForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Sell a dataset for other lengths too."""
    row = await queries.get_shelf(code)
    try:
        chosen = [one for one in re.split(r"[\s,;]+", data.lengths) if one]
        await actions.set_lengths(request.user, code, chosen, seen=data.seen)
    except Refusal as refusal:
        form = _typed(row) | {"lengths": data.lengths}
        return again("steward/offer.html", refusal, form=form, looked=None, **await _shown(row))
    return see(f"/steward/offers/{code}")


@get("/steward/offers/{code:str}/withdraw", guards=[steward], opt=expect("steward", stranger=200))
async def ask_to_withdraw(code: FromPath[str]) -> Template:
    """Explain the effect of withdrawing an offer, before it is withdrawn."""
    return page("steward/withdraw.html", row=await queries.get_shelf(code))


@post("/steward/offers/{code:str}/withdraw", guards=[steward], opt=expect("steward", stranger=200))
async def withdraw(code: FromPath[str], data: Pressed, request: ActorRequest) -> Redirect:
    """Withdraw an offer; repeating it changes nothing."""
    del data
    await actions.withdraw(request.user, code)
    return see(f"/steward/offers/{code}")


@post("/steward/offer-changes/{change:uuid}/cancel", guards=[steward], opt=expect("steward", stranger=200))
async def cancel_change(
    change: FromPath[uuid.UUID],
    data: Pressed,
    request: ActorRequest,
) -> Redirect:
    """Cancel a planned change of an offer."""
    del data
    return see(f"/steward/offers/{await actions.cancel_planned(request.user, change)}")


def _stated(data: OfferForm) -> rules.StatedOffer:
    """Return the offer of a form; refuse an unreadable one, and name its field."""
    if not data.terms:
        raise Invalid("Choose the licence terms first.", field="terms")
    return rules.StatedOffer(
        data.terms,
        read_cents(data.full_worth, field="full_worth"),
        whole(data.worth_days, "worth_days"),
        read_cents(data.floor, field="floor"),
        read_cents(data.cap, field="cap"),
    )


def _starts_at(data: OfferForm, row: ShelfRow) -> dt.datetime | None:
    """Return the midnight in the dataset's time zone at which a planned change begins; None for a change made now."""
    if not data.starts_on.strip():
        return None
    try:
        day = dt.date.fromisoformat(data.starts_on.strip())
    except ValueError:
        raise Invalid("A day is written as 2026-03-28.", field="starts_on") from None
    if day > local_day(clock.now(), row.time_zone) + MOST_AHEAD:
        raise Invalid("A change is planned at most {days} days ahead.", days=MOST_AHEAD.days, field="starts_on")
    starts_at = midnight(max(day, FIRST_DAY), row.time_zone)
    if starts_at <= clock.now():
        raise Invalid("A planned change begins later than now.", field="starts_on")
    if not row.is_open:
        raise Invalid("Put it on sale first; then changes can be planned.", field="starts_on")
    return starts_at


def _typed(row: ShelfRow) -> dict[str, object]:
    """Return the form of the present offer, or of a new one: a release's days, or a week."""
    stated = row.stated
    if stated is None:
        days = row.period_to - row.period_from if row.period_to and row.period_from else None
        return {"worth_days": str(max(round(days / rules.DAY), 1)) if days else WEEK_DAYS}
    return {
        "terms": stated.terms,
        "full_worth": _euros(stated.full_worth_minor),
        "worth_days": str(stated.worth_days),
        "floor": _euros(stated.floor_minor),
        "cap": _euros(stated.cap_minor),
    }


def _euros(amount_minor: int) -> str:
    """Return cents as an amount in euros for a form."""
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


async def _shown(row: ShelfRow) -> dict[str, Any]:
    releases = await list_priced_releases([row.release] if row.release else [])
    lengths = await list_lengths([row.code])
    prices = await prices_now(releases, now=clock.now()) if row.is_open else {}
    changes = await offers.list_changes(row.code)
    return {
        "row": row,
        "priced": prices.get(row.release) if row.release else None,
        "term_choices": [(one.code, one.code) for one in await queries.list_terms()],
        "lengths": lengths if row.is_open else [],
        "lengths_seen": actions.fingerprint_of([one.terms for one in lengths]),
        "changes": changes,
        "why": {change.id: _why(change) for change in changes},
    }


def _why(change: PlannedChange) -> str:
    """Return why a planned change was refused, in the reader's language."""
    if change.refusal is None:
        return ""
    stated = json.loads(change.refusal)
    return gettext(stated["sentence"]).format(**stated["fields"])


def _later(foreseen: Foreseen) -> list[tuple[int, int]]:
    """Return the finest level's price after some days, all else equal: (days, cents)."""
    if not foreseen.prices:
        return []
    inputs = foreseen.prices[0][1].inputs
    return [(days, price_at_age(inputs, inputs.age_seconds + days * DAY_SECONDS).amount_minor) for days in AGES_SHOWN]


def _cell_day_micro(stated: rules.StatedOffer, foreseen: Foreseen) -> int | None:
    """Return the full worth of one figure of one day, in millionths; None if no release has their number."""
    if not foreseen.prices:
        return None
    inputs = foreseen.prices[0][1].inputs
    figures_a_day = inputs.declared_cells * 24 / inputs.period_hours
    return round(stated.full_worth_minor * MICRO_A_CENT / stated.worth_days / max(figures_a_day, 1))


ROUTES = [list_offers, show_offer, make_offer, set_lengths, ask_to_withdraw, withdraw, cancel_change]
