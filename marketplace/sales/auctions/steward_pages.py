"""A steward's pages of auctions: announcing one, with its reserve first; the state of one; cancelling it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, existing
from marketplace.core.web import formats
from marketplace.core.web.buttons import Explained  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.actions import cancel
from marketplace.sales.auctions.announcing import Plan, ReserveOutOfRange, announce
from marketplace.sales.auctions.page_queries import get_activity, list_offers, list_requests
from marketplace.sales.auctions.queries import get_auction
from marketplace.sales.auctions.registry import KINDS, get_kind
from marketplace.sales.auctions.reserves import compute_reserve

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.sales.auctions.reserves import ComputedReserve

MOST_DIGITS: Final = 6


class PlanForm(Struct):
    """A steward's announcement; instants are in the dataset's local time, amounts in euros."""

    form_id: uuid.UUID
    kind: str
    offer: str
    opens_at: str
    closes_at: str
    reserve: str = ""
    months: str = ""
    licences: str = "1"
    price_rule: str = ""
    exclusive_from: str = ""
    exclusive_to: str = ""


Planned = Annotated[PlanForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


def reserve_steps(document: str, reserve_minor: int) -> dict[str, Any]:
    """Return the steps that compute a reserve, and the reserve."""
    steps: dict[str, Any] = json.loads(document)
    return steps | {"reserve_minor": reserve_minor}


@get("/steward/auctions/new", guards=[staff("steward")], opt=expect("steward"))
async def new_auction_page() -> Template:
    """Show a steward the form of an announcement."""
    return page("auctions/new.html", error="", **await _form(None, [], None))


async def _form(typed: PlanForm | None, chosen: Sequence[uuid.UUID], found: ComputedReserve | None) -> dict[str, Any]:
    return {
        "kinds": KINDS,
        "offers": await list_offers(),
        "typed": typed,
        "chosen": chosen,
        "computed": reserve_steps(found.document, found.reserve_minor) if found else None,
    }


@post("/steward/auctions/new", guards=[staff("steward")], opt=expect("steward"), status_code=303)
async def announce_form(request: ActorRequest, data: Planned) -> Redirect | Template:
    """Announce an auction of an offer's latest release, or of the chosen ones if the kind sells several, once a form.

    A refusal is shown at its field, and the typed values stay.
    """
    fields = await request.form()
    try:
        offer, releases, zone = await _typed_sale(data, fields)
        await announce(_plan_of(data, offer, releases, zone), by=request.user.name, auction=data.form_id)
    except ReserveOutOfRange as refusal:
        amounts = {name: formats.money(int(str(minor))) for name, minor in refusal.fields.items()}
        return await _again(Invalid(refusal.sentence, field="reserve", **amounts), data, fields)
    except (Invalid, Conflict) as refusal:
        return await _again(refusal, data, fields)
    return see(f"/auctions/{data.form_id}")


@post("/steward/auctions/reserve", guards=[staff("steward")], opt=expect("steward"), status_code=200)
async def compute_form(request: ActorRequest, data: Planned) -> Template:
    """Show the reserve that pricing computes for a plan, and why, before anything is announced."""
    fields = await request.form()
    try:
        kind = get_kind(data.kind)
        offer, releases, zone = await _typed_sale(data, fields)
        window = _typed_window(data, zone) if kind.has_window else None
        closes_at = _instant(data.closes_at, zone, "closes_at")
        found = await compute_reserve(
            offer, releases, months=_months(data.months), closes_at=closes_at, window=window, now=clock.now()
        )
    except (Invalid, Conflict) as refusal:
        return await _again(refusal, data, fields)
    chosen = releases if kind.most_lots > 1 else []
    return page("auctions/new.html", error="", **await _form(data, chosen, found))


def _typed_window(data: PlanForm, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the typed exclusive window; raises Invalid, naming the field."""
    typed = {"exclusive_from": data.exclusive_from, "exclusive_to": data.exclusive_to}
    begins, ends = (_instant(text, zone, name) for name, text in typed.items())
    if begins >= ends:
        raise Invalid("The exclusive window begins once the auction is closed and ends later.", field="exclusive_from")
    return begins, ends


@get("/steward/auctions/reserve", guards=[staff("steward")], opt=expect("steward"), status_code=303)
async def reserve_page() -> Redirect:
    """Redirect a steward to the form if its reserve's address is requested again, for example in another language."""
    return see("/steward/auctions/new")


async def _again(refusal: Invalid | Conflict, data: PlanForm, fields: Any) -> Template:  # noqa: ANN401 (Litestar's form)
    ticked = set(fields.getall("release", []))
    chosen = [one for row in await list_offers() for one in row.releases if str(one) in ticked]
    return again("auctions/new.html", refusal, **await _form(data, chosen, None))


def _plan_of(data: PlanForm, offer: uuid.UUID, releases: list[uuid.UUID], zone: str) -> Plan:
    """Return the typed plan; raises Invalid, naming the field."""
    if not (data.licences.isascii() and data.licences.isdecimal() and len(data.licences) <= MOST_DIGITS):
        raise Invalid(
            "An auction of this kind sells up to {most} licences.",
            most=get_kind(data.kind).most_licences,
            field="licences",
        )
    return Plan(
        kind=data.kind,
        offer=offer,
        releases=releases,
        opens_at=_instant(data.opens_at, zone, "opens_at"),
        closes_at=_instant(data.closes_at, zone, "closes_at"),
        reserve_minor=formats.read_cents(data.reserve, field="reserve") if data.reserve.strip() else 0,
        months=_months(data.months),
        licences=int(data.licences),
        price_rule=data.price_rule or None,
        exclusive_from=_instant(data.exclusive_from, zone, "exclusive_from") if data.exclusive_from else None,
        exclusive_to=_instant(data.exclusive_to, zone, "exclusive_to") if data.exclusive_to else None,
    )


def _months(text: str) -> int:
    """Return the typed length of licence; 0, for the offer's own, if it is empty."""
    typed = text.strip()
    if not typed:
        return 0
    if not (typed.isascii() and typed.isdecimal() and len(typed) <= MOST_DIGITS and int(typed)):
        raise Invalid("Write the length as a number of months, such as 36.", field="months")
    return int(typed)


def _instant(text: str, zone: str, field: str) -> dt.datetime:
    try:
        return formats.read_instant(text, zone)
    except Invalid as refusal:
        raise Invalid(refusal.sentence, field=field) from None


async def _typed_sale(data: PlanForm, fields: Any) -> tuple[uuid.UUID, list[uuid.UUID], str]:  # noqa: ANN401 (Litestar's form)
    """Return the offer that names a plan, its releases, and the time zone of the typed instants.

    It sells the offer's latest release, or several ticked ones; the time zone is that of the offer's dataset. If a kind
    sells several and none is ticked, they are the offer's latest ones.
    """
    most_lots = get_kind(data.kind).most_lots
    offers = {row.id: row for row in await list_offers()}
    if most_lots > 1 and (ticked := set(fields.getall("release", []))):
        chosen = [(offer, one) for offer, row in offers.items() for one in row.releases if str(one) in ticked]
        if len(chosen) < len(ticked):
            raise Invalid("Only sealed releases of the offer that were not called back can be auctioned.")
        return chosen[0][0], [one for _, one in chosen], offers[chosen[0][0]].time_zone
    offer = existing(
        next((row for row in offers.values() if str(row.id) == data.offer), None),
        Invalid("Choose an offer with a sealed release.", field="offer"),
    )
    return offer.id, offer.releases[:most_lots], offer.time_zone


@get("/steward/auctions/{auction:uuid}/activity", guards=[staff("steward")], opt=expect("steward", stranger=200))
async def activity_page(auction: FromPath[uuid.UUID]) -> Template:
    """Show a steward only the state of an auction, for the live page's script: no names, and no amounts of bids."""
    answer = page(
        "auctions/_activity.html",
        auction=await get_auction(auction),
        activity=await get_activity(auction),
        requests=await list_requests(auction),
        sentences=rules.SENTENCES,
    )
    answer.headers["cache-control"] = "no-store"
    return answer


@post(
    "/auctions/{auction:uuid}/cancel", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=303
)
async def cancel_form(request: ActorRequest, auction: FromPath[uuid.UUID], data: Explained) -> Redirect:
    """Cancel an auction without bids."""
    await cancel(auction, data.reason, by=request.user.name)
    return see(f"/auctions/{auction}")


ROUTES = [new_auction_page, announce_form, compute_form, reserve_page, activity_page, cancel_form]
