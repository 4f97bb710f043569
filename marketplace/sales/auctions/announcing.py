"""Announcing an auction: its rule, its reserve and its lots are fixed and stated for the public log before any bid."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from marketplace.catalogue.offers.actions import reserve_window
from marketplace.catalogue.offers.queries import is_quoted_beyond
from marketplace.catalogue.offers.rules import check_length
from marketplace.catalogue.offers.uses import is_limited
from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.facts.actions import state_fact
from marketplace.core.instants import microseconds
from marketplace.core.locks import lock
from marketplace.datasets.releases.queries import get_dataset
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.queries import SQL, get_terms, list_reserves
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.reserves import compute_reserve, deposit_of
from marketplace.sales.auctions.tables import Auction, AuctionLead, AuctionLot
from marketplace.sales.auctions.transcript_rules import terms_digest
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.sales.auctions.kind_rules import AuctionKind
    from marketplace.sales.auctions.reserves import ComputedReserve

LONGEST_AUCTION: Final = dt.timedelta(days=90)
LONGEST_TO_PAY_HOURS: Final = 24 * 30


class Plan(Struct, frozen=True):
    """A steward's plan of an auction; nothing in it changes once the first bid is in."""

    kind: str
    offer: uuid.UUID
    releases: list[uuid.UUID]
    opens_at: dt.datetime
    closes_at: dt.datetime
    reserve_minor: int = 0
    """The lowest price of a licence; 0 for the reserve that `pricing` computes, which is the minimum for every lot."""
    licences: int = 1
    price_rule: str | None = None
    steps: tuple[tuple[int, int], ...] = rules.STEPS
    window_seconds: int = 120
    extension_seconds: int = 120
    most_extension_seconds: int = 7_200
    """Ascending: how much later than planned it may end."""
    exclusive_from: dt.datetime | None = None
    exclusive_to: dt.datetime | None = None
    pay_within_hours: int = 72
    months: int = 0
    """How long a licence lasts; 0 for the offer's own length."""
    unsecured_times: int = rules.UNSECURED_TIMES
    """A bid above this many times the sum of the lots' reserves needs a deposit of its size."""


class ReserveOutOfRange(Invalid):
    """A reserve is below that of `pricing`, or above what can be charged; `least` and `most` are cents."""


class LockedOffer(Struct, frozen=True):
    """An offer with its row locked, its licence terms, and how long a licence lasts."""

    id: uuid.UUID
    dataset: str
    terms: str
    months: int
    currency: str


async def announce(plan: Plan, *, by: str, auction: uuid.UUID | None = None) -> uuid.UUID:
    """Announce an auction of releases of an offer; with `auction` (a form's id), a second request changes nothing.

    The first release is of the plan's offer, the others of any offer. Raises Invalid, NotFound for the offer, and
    Conflict if it would sell inside an exclusive window.
    """
    auction, now, kind = auction or uuid.uuid4(), clock.now(), get_kind(plan.kind)
    _check_plan(plan, kind, now)
    async with transaction():
        await lock("offers")  # before an offer's row, in the same order as a listing: it draws the day's demand
        offers = await _lock_offers(plan)
        reserve_minor, computed = await _reserve(plan, now)
        await _refuse_overlap(plan, offers, auction)
        lots = [max(reserve_minor, computed.floors[release]) for release in plan.releases]
        row = _row_of(plan, kind, auction, offers[plan.offer])
        row.reserve_minor, row.forgone_minor = reserve_minor, computed.forgone_minor
        row.computation, row.deposit_minor = computed.document, deposit_of(lots)
        row.unsecured_minor = min(plan.unsecured_times * sum(lots), rules.LARGEST_BID_MINOR)
        row.announced_by, row.announced_at = by, now
        if await Auction.insert(row).on_conflict(action="DO NOTHING", target=Auction.id).returning(Auction.id):
            await AuctionLot.insert(
                *(
                    AuctionLot(id=uuid.uuid4(), auction=auction, position=at, release=release, reserve_minor=least)
                    for at, (release, least) in enumerate(zip(plan.releases, lots, strict=True))
                )
            )
            await AuctionLead.insert(AuctionLead(auction=auction, closes_at=plan.closes_at, bid_count=0))
            if (
                plan.exclusive_from and plan.exclusive_to
            ):  # Contributors are promised nothing in it until it is decided who has it.
                await reserve_window(auction, plan.offer, plan.exclusive_from, plan.exclusive_to)
            await _state_opened(auction)
    return auction


def _row_of(plan: Plan, kind: AuctionKind, auction: uuid.UUID, offer: LockedOffer) -> Auction:
    """Return a plan's row without its reserve and the columns that the announcement adds."""
    has_steps = not kind.bids.is_sealed
    return Auction(
        id=auction,
        kind=plan.kind,
        offer=plan.offer,
        terms=offer.terms,
        months=offer.months,
        currency=offer.currency,
        licences=plan.licences,
        price_rule=plan.price_rule or kind.usual_price_rule,
        steps_from_minor=[start for start, _ in plan.steps] if has_steps else [],
        steps_minor=[step for _, step in plan.steps] if has_steps else [],
        window_seconds=plan.window_seconds if has_steps else 0,
        extension_seconds=plan.extension_seconds if has_steps else 0,
        most_extension_seconds=plan.most_extension_seconds if has_steps else 0,
        opens_at=plan.opens_at,
        scheduled_close_at=plan.closes_at,
        exclusive_from=plan.exclusive_from,
        exclusive_to=plan.exclusive_to,
        pay_within_hours=plan.pay_within_hours,
        salt=secrets.token_bytes(32),
        state="open",
    )


async def _state_opened(auction: uuid.UUID) -> None:
    """State for the public log the terms that every later transcript and receipt is bound to."""
    terms, lots = await get_terms(auction), await list_reserves(auction)
    await state_fact(
        "auction_opened",
        auction,
        {
            "kind": terms.kind,
            "price_rule": terms.price_rule,
            "terms_sha256": terms_digest(terms, lots),
            "releases": [str(lot.release) for lot in lots],
            "opens_at": microseconds(terms.opens_at),
            "closes_at": microseconds(terms.scheduled_close_at),
        },
    )


async def _reserve(plan: Plan, now: dt.datetime) -> tuple[int, ComputedReserve]:
    """Return a plan's reserve, and the one that `pricing` computes; refuse a lower one."""
    begins, ends = plan.exclusive_from, plan.exclusive_to
    window = (begins, ends) if begins and ends else None
    computed = await compute_reserve(
        plan.offer, plan.releases, months=plan.months, closes_at=plan.closes_at, window=window, now=now
    )
    reserve_minor = plan.reserve_minor or computed.reserve_minor
    if not computed.reserve_minor <= reserve_minor <= rules.LARGEST_BID_MINOR:
        raise ReserveOutOfRange(
            "The reserve is at least {least} and at most {most}: a steward may raise it, never lower it.",
            least=computed.reserve_minor,
            most=rules.LARGEST_BID_MINOR,
        )
    return reserve_minor, computed


async def _lock_offers(plan: Plan) -> dict[uuid.UUID, LockedOffer]:
    """Lock and return the offers of a plan's releases, the plan's own included.

    Refuse a combination that cannot be sold.
    """
    rows = await fetch_rows(LockedOffer, SQL["lock_offers"], plan.offer, plan.releases)
    if plan.months:
        rows = [replace(row, months=plan.months) for row in rows]
    offers = {row.id: row for row in rows}
    if plan.offer not in offers:
        raise NotFound("There is no such offer.")
    own, others = offers[plan.offer].dataset, [row.dataset for row in rows]
    on_sale = await fetch_scalar(int, SQL["count_on_sale"], plan.releases, own, others)
    if on_sale != len(plan.releases):
        raise Invalid("Only sealed releases of the offer that were not called back can be auctioned.")
    if any([(await get_dataset(code)).sectors for code in others]):
        raise Invalid("What may be sold to some sectors alone is not auctioned.")
    if any([await is_limited(row.terms) for row in rows]):
        raise Invalid("What may be used for some purposes, or in some countries, alone is not auctioned.")
    if len({(row.terms, row.months, row.currency) for row in rows}) > 1:
        raise Invalid("A bundle is sold under one licence’s terms and in one currency.")
    return offers


async def _refuse_overlap(plan: Plan, offers: Mapping[uuid.UUID, LockedOffer], auction: uuid.UUID) -> None:
    """Refuse a plan that would sell inside another auction's exclusive window, or whose window overlaps another sale.

    Also refuse a window over prices that others hold. An auction sells from its end on, for its time to pay times its rounds. The offers' rows are locked.
    """
    ends_paying = plan.closes_at + rules.LAST_ROUND * dt.timedelta(hours=plan.pay_within_hours)
    if plan.exclusive_from and await is_quoted_beyond(plan.offer, plan.exclusive_from, clock.now()):
        raise Conflict("Somebody holds a price that is good until after the window begins: let it begin later.")
    window, sells = (plan.exclusive_from, plan.exclusive_to), (plan.closes_at, ends_paying)
    if await fetch_scalar(bool, SQL["overlaps_a_window"], list(offers), auction, *window, *sells, rules.LAST_ROUND):
        raise Conflict(
            "Another auction of this dataset would sell inside an exclusive window; cancel one, or choose other instants."
        )


def _check_plan(plan: Plan, kind: AuctionKind, now: dt.datetime) -> None:
    if plan.months:
        check_length(plan.months)
    if not max(plan.opens_at, now) < plan.closes_at <= now + LONGEST_AUCTION:
        raise Invalid("An auction closes after it opens, within 90 days.", field="closes_at")
    if not 1 <= len(plan.releases) <= kind.most_lots or len(set(plan.releases)) < len(plan.releases):
        raise Invalid("An auction of this kind sells up to {most} releases, each once.", most=kind.most_lots)
    if not 1 <= plan.licences <= kind.most_licences:
        raise Invalid("An auction of this kind sells up to {most} licences.", most=kind.most_licences, field="licences")
    if plan.price_rule is not None and plan.price_rule not in kind.price_rules:
        raise Invalid("An auction of this kind does not clear by that price rule.", field="price_rule")
    _check_window(plan, kind)
    starts, steps = [start for start, _ in plan.steps], [step for _, step in plan.steps]
    if starts[:1] != [0] or starts != sorted(set(starts)) or steps != sorted(steps) or steps[0] < 1:
        raise Invalid("Steps begin at a price of 0, and neither prices nor steps fall.")
    if (
        min(plan.window_seconds, plan.extension_seconds, plan.most_extension_seconds) < 0
        or not 1 <= plan.pay_within_hours <= LONGEST_TO_PAY_HOURS
    ):
        raise Invalid("Winners pay within 1 hour to 30 days, and a soft close moves the end forward.")


def _check_window(plan: Plan, kind: AuctionKind) -> None:
    begins, ends = plan.exclusive_from, plan.exclusive_to
    if not kind.has_window:
        if begins or ends:
            raise Invalid("An auction of this kind has no exclusive window.", field="exclusive_from")
        return
    if begins is None or ends is None or not plan.closes_at <= begins < ends:
        raise Invalid("The exclusive window begins once the auction is closed and ends later.", field="exclusive_from")
    if ends - begins > dt.timedelta(days=LONGEST_WINDOW_DAYS):
        raise Invalid("An exclusive window lasts at most {most} days.", most=LONGEST_WINDOW_DAYS, field="exclusive_to")
