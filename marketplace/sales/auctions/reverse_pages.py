"""Pages of reverse auctions: a subscriber answers one, privately; a steward announces one and sees noisy counts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.formats import money, read_cents, read_instant
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.datasets.releases.queries import get_dataset
from marketplace.people.identity.guards import ActorRequest, expect, staff, subscriber
from marketplace.sales.auctions import reverse_actions, reverse_queries
from marketplace.sales.auctions.reverse_rules import (
    COUNTS_EPSILON_MICRO,
    MICRO_PER_MINOR,
    AskAboveMost,
    Stratum,
    Timing,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

STRATA_A_FORM: Final = 6


class AskForm(Struct):
    """The lowest payment a subscriber would accept, in euros, for one stratum of a reverse auction."""

    form_id: uuid.UUID
    stratum: uuid.UUID
    amount: str


class AuctionForm(Struct):
    """A steward's announcement; instants are in the dataset's local time.

    The strata are separate fields, numbered from 0.
    """

    form_id: uuid.UUID
    dataset: str
    opens_at: str
    closes_at: str
    promise_from: str
    promise_to: str


@get("/calls", guards=[subscriber], opt=expect("subscriber"))
async def auctions_page(request: ActorRequest, page_number: PageNumber = 1) -> Template:
    """Show a subscriber the operator's calls for contributors and their own state in each."""
    assert request.user.subscriber is not None
    found = await reverse_queries.list_auctions(request.user.subscriber, page_number)
    return page("auctions/reverse_auctions.html", auctions=found)


@get("/calls/{auction:uuid}", guards=[subscriber], opt=expect("subscriber", stranger=200))
async def auction_page(request: ActorRequest, auction: FromPath[uuid.UUID]) -> Template:
    """Show one call: its rule, the subscriber's statement, and, once it is closed, about how many answered."""
    assert request.user.subscriber is not None
    shown = await reverse_queries.get_auction(request.user.subscriber, auction)
    return page(
        "auctions/reverse_auction.html",
        shown=shown,
        typed="",
        chosen=None,
        error="",
        epsilon_micro=COUNTS_EPSILON_MICRO,
    )


@post("/calls/{auction:uuid}/asks", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def ask_form(
    request: ActorRequest,
    auction: FromPath[uuid.UUID],
    data: Annotated[AskForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """State, privately, the lowest payment the subscriber would accept; a refusal is shown at the field."""
    assert request.user.subscriber is not None
    try:
        await _ask(request.user.subscriber, auction, data)
    except Invalid as mistake:
        shown = await reverse_queries.get_auction(request.user.subscriber, auction)
        return again(
            "auctions/reverse_auction.html",
            mistake,
            shown=shown,
            typed=data.amount,
            chosen=data.stratum,
            epsilon_micro=COUNTS_EPSILON_MICRO,
        )
    return see(f"/calls/{auction}")


async def _ask(subscriber: int, auction: uuid.UUID, data: AskForm) -> None:
    strata = (await reverse_queries.get_auction(subscriber, auction)).strata
    most_micro = next((one.reserve_micro for one in strata if one.id == data.stratum), strata[0].reserve_micro)
    try:
        least_micro = read_cents(data.amount) * MICRO_PER_MINOR
    except Invalid:
        example = money(most_micro // 2 // MICRO_PER_MINOR)
        raise Invalid("Write an amount in euros, such as {example}.", example=example, field="amount") from None
    try:
        await reverse_actions.ask(subscriber, auction, data.stratum, least_micro=least_micro)
    except AskAboveMost:
        sentence = "In this group nobody is paid more than {most}: state that or less, for more is never chosen."
        raise Invalid(sentence, most=money(most_micro // MICRO_PER_MINOR), field="amount") from None


@get("/calls/{auction:uuid}/asks", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def asks_page(auction: FromPath[uuid.UUID]) -> Redirect:
    """Redirect a person who requests the address of a mistaken answer again, for example in another language."""
    return see(f"/calls/{auction}")


@post("/calls/{auction:uuid}/withdraw", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=303)
async def withdraw_form(request: ActorRequest, auction: FromPath[uuid.UUID]) -> Redirect:
    """Withdraw the statement, without a reason or a consequence."""
    assert request.user.subscriber is not None
    await reverse_actions.withdraw(request.user.subscriber, auction)
    return see(f"/calls/{auction}")


# ------------------------------------------------------------------ the steward
@get("/steward/calls", guards=[staff("steward")], opt=expect("steward"))
async def all_auctions_page(page_number: PageNumber = 1) -> Template:
    """Show a steward every call, in noisy counts: no asks, no names, no small counts."""
    return page("auctions/all_auctions.html", auctions=await reverse_queries.list_auctions(None, page_number))


@get("/steward/calls/new", guards=[staff("steward")], opt=expect("steward"))
async def new_auction_page() -> Template:
    """Show a steward the form of a call."""
    return page("auctions/reverse_new.html", error="", typed={}, **await _form())


async def _form() -> dict[str, Any]:
    return {"datasets": await reverse_queries.list_datasets(), "groups": STRATA_A_FORM}


@post("/steward/calls/new", guards=[staff("steward")], opt=expect("steward"), status_code=303)
async def announce_form(
    request: ActorRequest, data: Annotated[AuctionForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect | Template:
    """Open a call, once a form; empty groups are skipped.

    A refusal is shown at its field, and the typed values stay.
    """
    fields = await request.form()
    try:
        strata = typed_strata(fields)
        zone = (await get_dataset(data.dataset)).time_zone
        timing = Timing(*(_instant(getattr(data, name), zone, name) for name in Timing.__struct_fields__))
        await reverse_actions.announce(data.dataset, strata, timing=timing, by=request.user.name, auction=data.form_id)
    except (Invalid, Conflict) as mistake:
        typed = {name: str(value) for name, value in fields.items()}
        return again("auctions/reverse_new.html", mistake, typed=typed, **await _form())
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
