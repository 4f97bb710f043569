"""Pages of reverse auctions: a subscriber answers one, privately; a steward announces one and sees noisy counts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.datasets.queries import get_dataset
from marketplace.errors import Conflict, Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, staff, subscriber
from marketplace.reverse_auctions import actions, queries
from marketplace.reverse_auctions.rules import COUNTS_EPSILON_MICRO, MICRO_PER_MINOR, AskAboveMost, Stratum, Timing
from marketplace.web.formats import money, read_cents, read_instant
from marketplace.web.pages import again, page, see

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

Visitor = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
STRATA_A_FORM: Final = 6


class AskForm(Struct):
    """The least a subscriber would accept, in euros, for one stratum of a reverse auction."""

    form_id: uuid.UUID
    stratum: uuid.UUID
    amount: str


class AuctionForm(Struct):
    """What a steward announces; instants are of the dataset's local clock. The strata are fields apart, numbered from 0."""

    form_id: uuid.UUID
    dataset: str
    opens_at: str
    closes_at: str
    promise_from: str
    promise_to: str


@get("/calls", guards=[subscriber], opt=expect("subscriber"))
async def auctions_page(request: Visitor, page_number: Page = 1) -> Template:
    """Show a subscriber the operator's calls for contributors and their own state in each."""
    assert request.user.subscriber is not None
    found = await queries.list_auctions(request.user.subscriber, page_number)
    return page("reverse_auctions/auctions.html", auctions=found)


@get("/calls/{auction:uuid}", guards=[subscriber], opt=expect("subscriber", stranger=200))
async def auction_page(request: Visitor, auction: FromPath[uuid.UUID]) -> Template:
    """Show one call: its rule, what the subscriber stated, and, once it is closed, about how many did."""
    assert request.user.subscriber is not None
    shown = await queries.get_auction(request.user.subscriber, auction)
    return page(
        "reverse_auctions/auction.html",
        shown=shown,
        typed="",
        chosen=None,
        error="",
        epsilon_micro=COUNTS_EPSILON_MICRO,
    )


@post("/calls/{auction:uuid}/asks", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def ask_form(
    request: Visitor,
    auction: FromPath[uuid.UUID],
    data: Annotated[AskForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """State, privately, the least the subscriber would accept; what cannot be is said at the field."""
    assert request.user.subscriber is not None
    try:
        await _ask(request.user.subscriber, auction, data)
    except Invalid as mistake:
        shown = await queries.get_auction(request.user.subscriber, auction)
        return again(
            "reverse_auctions/auction.html",
            mistake,
            shown=shown,
            typed=data.amount,
            chosen=data.stratum,
            epsilon_micro=COUNTS_EPSILON_MICRO,
        )
    return see(f"/calls/{auction}")


async def _ask(subscriber: int, auction: uuid.UUID, data: AskForm) -> None:
    strata = (await queries.get_auction(subscriber, auction)).strata
    most_micro = next((one.reserve_micro for one in strata if one.id == data.stratum), strata[0].reserve_micro)
    try:
        least_micro = read_cents(data.amount) * MICRO_PER_MINOR
    except Invalid:
        example = money(most_micro // 2 // MICRO_PER_MINOR)
        raise Invalid("Write an amount in euros, such as {example}.", example=example, field="amount") from None
    try:
        await actions.ask(subscriber, auction, data.stratum, least_micro=least_micro)
    except AskAboveMost:
        sentence = "In this group nobody is paid more than {most}: state that or less, for more is never chosen."
        raise Invalid(sentence, most=money(most_micro // MICRO_PER_MINOR), field="amount") from None


@get("/calls/{auction:uuid}/asks", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def asks_page(auction: FromPath[uuid.UUID]) -> Redirect:
    """Lead a person to the call who asks for a mistaken answer's address again, in another language say."""
    return see(f"/calls/{auction}")


@post("/calls/{auction:uuid}/withdraw", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def withdraw_form(request: Visitor, auction: FromPath[uuid.UUID]) -> Redirect:
    """Withdraw what was stated, without a reason or a consequence."""
    assert request.user.subscriber is not None
    await actions.withdraw(request.user.subscriber, auction)
    return see(f"/calls/{auction}")


# ------------------------------------------------------------------ the steward
@get("/steward/calls", guards=[staff("steward")], opt=expect("steward"))
async def all_auctions_page(page_number: Page = 1) -> Template:
    """Show a steward every call, in noisy counts: no ask, no name, no small count."""
    return page("reverse_auctions/all_auctions.html", auctions=await queries.list_auctions(None, page_number))


@get("/steward/calls/new", guards=[staff("steward")], opt=expect("steward"))
async def new_auction_page() -> Template:
    """Ask a steward which contributors to call for."""
    return page("reverse_auctions/new.html", error="", typed={}, **await _form())


async def _form() -> dict[str, Any]:
    return {"datasets": await queries.list_datasets(), "groups": STRATA_A_FORM}


@post("/steward/calls/new", guards=[staff("steward")], opt=expect("steward"), status_code=303)
async def announce_form(
    request: Visitor, data: Annotated[AuctionForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect | Template:
    """Open a call, once a form; groups left empty are skipped. What cannot be is said at its field, and what was typed stays."""
    fields = await request.form()
    try:
        strata = typed_strata(fields)
        zone = (await get_dataset(data.dataset)).time_zone
        timing = Timing(*(_instant(getattr(data, name), zone, name) for name in Timing.__struct_fields__))
        await actions.announce(data.dataset, strata, timing=timing, by=request.user.name, auction=data.form_id)
    except (Invalid, Conflict) as mistake:
        typed = {name: str(value) for name, value in fields.items()}
        return again("reverse_auctions/new.html", mistake, typed=typed, **await _form())
    return see("/steward/calls")


def _instant(text: str, zone: str, field: str) -> dt.datetime:
    try:
        return read_instant(text, zone)
    except Invalid as mistake:
        raise Invalid(mistake.sentence, field=field) from None


def typed_strata(fields: Mapping[str, Any]) -> list[Stratum]:
    """Return the strata a steward typed: `title_fr-N`, `title_en-N`, `wanted-N`, `budget-N`, `most-N`, `bands-N`."""
    typed = []
    for number in range(STRATA_A_FORM):
        names = ("title_fr", "title_en", "wanted", "budget", "most", "bands")
        french, english, wanted, budget, most, bands = (
            str(fields.get(f"{name}-{number}", "")).strip() for name in names
        )
        if any((french, english, wanted, budget, most)):
            budget_micro = read_cents(budget, field=f"budget-{number}") * MICRO_PER_MINOR
            most_micro = read_cents(most, field=f"most-{number}") * MICRO_PER_MINOR
            count = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else 0  # noqa: PLR2004 (nobody has so many)
            checked = tuple(band.strip() for band in bands.split(",") if band.strip())
            typed.append(Stratum(french, english, count, budget_micro, most_micro, checked))
    return typed


ROUTES = [
    auctions_page,
    auction_page,
    ask_form,
    asks_page,
    withdraw_form,
    all_auctions_page,
    new_auction_page,
    announce_form,
]
