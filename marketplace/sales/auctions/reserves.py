"""The reserve of an auction, computed by `pricing` at the announcement: never below the income that it forgoes.

The reserve of an exclusive window covers the ordinary sales that it prevents and the one ordinary licence in it. An
ordinary licence stays for sale at its posted price during its auction: the auction forgoes that price, as it will be at
the close, so neither it nor a lot of a bundle is sold for less. A version of the sheet or a law of volume that is stated
for a later start counts as well, and the dearest is the reserve's. The price with its inputs is stored with the auction.

Source: R. Myerson, Optimal auction design, 1981, section 5: the reserve of a seller who loses nothing by selling is the
price for a single buyer.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from msgspec import Struct, to_builtins

from marketplace.catalogue.offers.actions import prices_for
from marketplace.catalogue.offers.queries import get_evidence, list_priced_releases, list_starts
from marketplace.core.database import fetch_column, fetch_row
from marketplace.core.errors import Conflict
from marketplace.core.instants import full_hour
from marketplace.datasets.releases.queries import get_release_interval
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS, History, Window, licence_reserve, window_reserve
from pricing.order import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.rules import PricedOffer, PricedRelease
    from pricing.order import Priced

HISTORY_DAYS: Final = 90
SHORTEST_HISTORY_DAYS: Final = 30
"""Sales of a more recently listed offer are averaged over this many days: one day says little about a month."""
PAST_AUCTIONS: Final = 20
DAY: Final = dt.timedelta(days=1)
HOUR: Final = dt.timedelta(hours=1)
DAY_HOURS: Final = 24
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

    months: of the licence, 0 for the offer's own. window: when
    `offer` is closed to others, half-open; None for no window.
    """
    rows = await list_priced_releases(releases)
    found = await _dearest(rows, months, now, max([closes_at, *(window or ())]))
    if len(found) < len(rows):
        raise Conflict("This release is not for sale.")
    priced = {release: one for release, (_, one) in found.items()}
    sheet, closes_in = next(terms.sheet for terms, _ in found.values()), _hours_until(closes_at, now)
    demand, history = to_builtins(await get_evidence(sheet, now)), await _history(offer, now)
    document: Any
    if window:
        [(release, one)] = priced.items()
        begins, ends = window
        shut = Window(
            _hours_until(begins, now),
            min(max(-(-(ends - begins) // DAY), 1), LONGEST_WINDOW_DAYS),
            await get_release_interval(rows[0].dataset),
            closes_in,
        )
        bids = await _past_bids(offer)
        least = {release: window_reserve(one, history, shut, bids)}
        document = {"window": asdict(shut), "past_bids_minor": bids}
    else:
        least = {release: licence_reserve(one, closes_in) for release, one in priced.items()}
        expected = -(-(history.sales + 1) * closes_in // (history.days * DAY_HOURS))
        document = {"closes_in_hours": closes_in, "expected_sales": expected}
    floors = {release: one.reserve_minor for release, one in least.items()}
    cheapest = min(floors, key=lambda release: floors[release])
    document |= {
        "demand": demand,
        "price": json.loads(canonical(priced[cheapest])),
        "history": asdict(history),
        "forgone_minor": least[cheapest].forgone_minor,
        "reserve_minor": floors[cheapest],
        "waterfall": [asdict(step) for step in least[cheapest].waterfall],
    }
    return ComputedReserve(floors[cheapest], least[cheapest].forgone_minor, rfc8785.dumps(document).decode(), floors)


async def _dearest(
    rows: Sequence[PricedRelease], months: int, now: dt.datetime, until: dt.datetime
) -> dict[uuid.UUID, tuple[PricedOffer, Priced]]:
    """Return the price of each release at today's age and demand, by the dearest of all that is stated until an instant."""
    found = await prices_for(rows, months=months, now=now)
    starts = {start for terms, _ in found.values() for start in await list_starts(terms.id, now, until)}
    for start in sorted(starts):
        for release, (terms, priced) in (await prices_for(rows, months=months, now=now, stated_at=start)).items():
            if release in found and priced.amount_minor > found[release][1].amount_minor:
                found[release] = terms, priced
    return found


def _hours_until(instant: dt.datetime, now: dt.datetime) -> int:
    """Return in how many hours an instant is, as prices count them; 0 for one that is over."""
    return max(0, (full_hour(instant) - full_hour(now)) // HOUR)


async def _history(offer: uuid.UUID, now: dt.datetime) -> History:
    """Return how many licences of an offer were sold at a posted price, in ninety days or since its listing."""
    row = await fetch_row(
        ListedRow,
        """SELECT offer.listed_at, count(licence.id) AS sales FROM offer
           LEFT JOIN quote ON quote.offer = offer.id AND quote.auction IS NULL
           LEFT JOIN licence ON licence.quote = quote.id AND sold_at > $2
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
