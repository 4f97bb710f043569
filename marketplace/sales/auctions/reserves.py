"""The reserve of an auction, computed by `pricing` at the announcement: never below the income that it forgoes.

The reserve of an exclusive window covers the ordinary sales that it prevents and the one ordinary licence in it. An
ordinary licence stays for sale at its posted price during its auction: the auction forgoes that price, as it will be at
the close, so neither it nor a lot of a bundle is sold for less. Promises to contributors count in their period, and a
planned change of the offer counts if it raises the price. The inputs are stored with the auction.

Source: R. Myerson, Optimal auction design, 1981, section 5: the reserve of a seller who loses nothing by selling is the
price for a single buyer.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rfc8785
from msgspec import Struct, structs, to_builtins

from marketplace.catalogue.offers.actions import prices_for
from marketplace.catalogue.offers.lengths import WORTH
from marketplace.catalogue.offers.offers import PlannedChange
from marketplace.catalogue.offers.queries import get_evidence, list_priced_offers, list_priced_releases
from marketplace.catalogue.offers.rules import price_inputs
from marketplace.catalogue.offers.tables import OfferChange
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, select
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import full_hour
from marketplace.core.settings import settings
from marketplace.datasets.releases.queries import get_release_interval
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS, History, LaterOffer, Window, licence_reserve, window_reserve
from pricing.quote import price_at_age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.rules import PricedRelease
    from pricing.quote import PriceInputs

HISTORY_DAYS: Final = 90
SHORTEST_HISTORY_DAYS: Final = 30
"""Sales of a more recently listed offer are averaged over this many days: one day says little about a month."""
PAST_AUCTIONS: Final = 20
DAY: Final = dt.timedelta(days=1)
SMALLEST_DEPOSIT_MINOR, LARGEST_DEPOSIT_MINOR = 1_000, 500_000
DEPOSIT_PARTS: Final = 10


class ComputedReserve(Struct, frozen=True):
    """The lowest price of an auction, the income it forgoes, and the canonical JSON that explains it."""

    reserve_minor: int
    forgone_minor: int
    document: str
    floors: Mapping[uuid.UUID, int]
    """The minimum for each release; the auction's is the lowest of them."""

    @property
    def waterfall(self) -> list[dict[str, Any]]:
        """Return the steps that sum to the reserve."""
        steps: list[dict[str, Any]] = json.loads(self.document)["waterfall"]
        return steps


def deposit_of(reserves_minor: Sequence[int]) -> int:
    """Return the deposit of a bidder without a saved method: a tenth of all lots' reserves, between 10 and 5,000 euros.

    It is of all lots, because one bidder may win them all, and then owes at least their sum.
    """
    return min(max(sum(reserves_minor) // DEPOSIT_PARTS, SMALLEST_DEPOSIT_MINOR), LARGEST_DEPOSIT_MINOR)


class ListedRow(Struct, frozen=True):
    """When an offer was listed, and how many licences of it were sold at a posted price."""

    listed_at: dt.datetime
    sales: int


class _Known(NamedTuple):
    """The offer's statements for each day of a window, and at its auction's close."""

    by_day: Sequence[LaterOffer]
    at_close: LaterOffer


async def compute_reserve(
    offer: uuid.UUID,
    releases: Sequence[uuid.UUID],
    *,
    months: int = 0,
    closes_at: dt.datetime,
    window: tuple[dt.datetime, dt.datetime] | None = None,
    now: dt.datetime,
) -> ComputedReserve:
    """Return the reserve of an auction of these releases that closes at `closes_at`; refuses a release not for sale.

    months: of the licence, 0 for the offer's own; refuses a length for which a release is not sold. window: when
    `offer` is closed to others, half-open; None for no window.
    """
    rows = await list_priced_releases(releases)
    found = await prices_for(rows, months=months, now=now)
    if len(found) < len(rows):
        raise Conflict("This release is not for sale.")
    if any(months not in {0, terms.months} for terms, _ in found.values()):
        raise Invalid("This dataset is not sold for so long; choose one of the lengths shown.", field="months")
    priced = {release: one.inputs for release, (_, one) in found.items()}
    if window:
        [(release, inputs)] = priced.items()
        begins, ends = window
        shut = Window(
            _ages_by(begins, now),
            min(max(-(-(ends - begins) // DAY), 1), LONGEST_WINDOW_DAYS),
            await get_release_interval(rows[0].dataset),
            _ages_by(closes_at, now),
        )
        days = [begins + day * DAY for day in range(shut.days)]
        stated = _Known(await _stated_by_day(rows[0], days, now), (await _stated_at(closes_at, rows, now))[release])
        return await _of_window(offer, release, inputs, shut, stated, now=now)
    closes_in = _ages_by(closes_at, now)
    at_close = await _stated_at(closes_at, rows, now)
    least = {release: licence_reserve(inputs, closes_in, at_close[release]) for release, inputs in priced.items()}
    floors = {release: one.reserve_minor for release, one in least.items()}
    cheapest = min(floors, key=lambda release: floors[release])
    history = await _history(offer, now)
    document: Any = {
        "demand": to_builtins(await get_evidence(offer, now)),
        "inputs": asdict(priced[cheapest]),
        "closes_in_seconds": closes_in,
        "at_close": asdict(at_close[cheapest]),
        "history": asdict(history),
        "expected_sales": -(-(history.sales + 1) * closes_in // (history.days * int(DAY.total_seconds()))),
        "forgone_minor": least[cheapest].forgone_minor,
        "reserve_minor": least[cheapest].reserve_minor,
        "waterfall": [asdict(step) for step in least[cheapest].waterfall],
    }
    lowest = floors[cheapest]
    return ComputedReserve(lowest, lowest, rfc8785.dumps(document).decode(), floors)


def _ages_by(instant: dt.datetime, now: dt.datetime) -> int:
    """Return how much older data are at an instant, in seconds, by the rule of their age."""
    return max(0, int((full_hour(instant) - full_hour(now)).total_seconds()))


async def _stated_at(
    instant: dt.datetime, rows: Sequence[PricedRelease], now: dt.datetime
) -> dict[uuid.UUID, LaterOffer]:
    """Return what the offer of each release states at an instant, by the recorded promises and changes.

    A planned change may be cancelled, so it can only raise the price.
    """
    codes, operator = [row.dataset for row in rows], settings().operator_basis_points
    offer_of = {one.dataset: one for one in await list_priced_offers(codes, now, promised_at=instant)}
    planned = {one.dataset: one for one in await _list_planned(codes, instant)}
    found = {}
    for row in rows:
        offer = offer_of[row.dataset]
        offers = [offer]
        if change := planned.get(row.dataset):
            offers.append(structs.replace(offer, **{name: getattr(change, name) for name in WORTH}))
        try:
            priced = [price_inputs(row, one, operator_basis_points=operator, now=now) for one in offers]
        except Conflict:
            raise Conflict(
                "This release is not for sale when the auction closes, or on a day of its window: what contributors were promised is above the highest price."
            ) from None
        dearest = max(priced, key=lambda one: price_at_age(one, one.age_seconds + _ages_by(instant, now)).amount_minor)
        found[row.id] = LaterOffer(*(getattr(dearest, name) for name in WORTH))
    return found


async def _list_planned(datasets: Sequence[str], until: dt.datetime) -> list[PlannedChange]:
    """Return the changes of some datasets' offers that are planned to begin by an instant."""
    is_due = (OfferChange.outcome == "") & (OfferChange.starts_at <= until) & OfferChange.dataset.is_in(list(datasets))
    return await fetch_rows(PlannedChange, select(PlannedChange, OfferChange).where(is_due))


async def _stated_by_day(row: PricedRelease, days: Sequence[dt.datetime], now: dt.datetime) -> list[LaterOffer]:
    """Return what the offer of a release states on each day of a window."""
    bounds = await fetch_column(
        dt.datetime,
        """SELECT DISTINCT at FROM contributor_term CROSS JOIN LATERAL (VALUES (starts_at), (ends_at)) AS bound (at)
           WHERE at > $1 AND at <= $2""",
        days[0],
        days[-1],
    )
    changes = bounds + [one.starts_at for one in await _list_planned([row.dataset], days[-1])]
    stated = [(await _stated_at(days[0], [row], now))[row.id]]
    for before, day in pairwise(days):
        is_new = any(before < change <= day for change in changes)
        stated.append((await _stated_at(day, [row], now))[row.id] if is_new else stated[-1])
    return stated


async def _of_window(
    offer: uuid.UUID,
    release: uuid.UUID,
    inputs: PriceInputs,
    window: Window,
    stated: _Known,
    *,
    now: dt.datetime,
) -> ComputedReserve:
    history, bids = await _history(offer, now), await _past_bids(offer)
    found = window_reserve(inputs, history, window, bids, stated.by_day, at_close=stated.at_close)
    document: Any = {
        "demand": to_builtins(await get_evidence(offer, now)),
        "inputs": asdict(inputs),
        "history": asdict(history),
        "window": asdict(window),
        "by_day": [asdict(one) for one in stated.by_day],
        "at_close": asdict(stated.at_close),
        "past_bids_minor": bids,
        "forgone_minor": found.forgone_minor,
        "reserve_minor": found.reserve_minor,
        "waterfall": [asdict(step) for step in found.waterfall],
    }
    document = rfc8785.dumps(document).decode()
    return ComputedReserve(found.reserve_minor, found.forgone_minor, document, {release: found.reserve_minor})


async def _history(offer: uuid.UUID, now: dt.datetime) -> History:
    """Return how many licences of an offer were sold at a posted price, in ninety days or since its listing."""
    row = await fetch_row(
        ListedRow,
        """SELECT offer.listed_at, count(licence.id) AS sales FROM offer
           LEFT JOIN quote ON quote.offer = offer.id AND quote.auction IS NULL
           LEFT JOIN purchase_order ON purchase_order.quote = quote.id
           LEFT JOIN licence ON licence.purchase_order = purchase_order.id AND sold_at > $2
           WHERE offer.id = $1 GROUP BY offer.id""",
        offer,
        now - HISTORY_DAYS * DAY,
    )
    assert row, "the offer's row is locked, or its releases were priced just now"
    return History(row.sales, min(max(-(-(now - row.listed_at) // DAY), SHORTEST_HISTORY_DAYS), HISTORY_DAYS))


async def _past_bids(offer: uuid.UUID) -> list[int]:
    """Return the truthful bids for earlier windows of an offer, from their transcripts."""
    rows = await fetch_column(
        bytes,
        """SELECT document FROM auction_transcript JOIN auction ON auction.id = auction_transcript.auction
           WHERE auction.offer = $1 AND exclusive_from IS NOT NULL ORDER BY published_at DESC LIMIT $2""",
        offer,
        PAST_AUCTIONS,
    )
    return [line["amount_minor"] for document in rows for line in json.loads(document)["reveals"]]
