"""The reserve of an auction, reckoned by `pricing` when it is announced: never below what selling this way forgoes.

An exclusive window's covers the ordinary sales it shuts out and the one ordinary licence it contains. An ordinary licence
stays for sale at its posted price while it is auctioned: it forgoes that price, as it will be at the close, and goes for
no less, nor does any lot of a bundle. What it was reckoned from is kept with the auction.

Source: R. Myerson, Optimal auction design, 1981, section 5: the reserve of who loses nothing by selling is the price of
who sells to one buyer.
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

from marketplace.catalogue.actions import prices_for
from marketplace.catalogue.queries import get_evidence, list_priced_releases
from marketplace.database import fetch_row, fetch_rows
from marketplace.datasets.queries import get_release_interval
from marketplace.errors import Conflict, Invalid
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS, History, Window, reckon, reckon_licence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.quote import Inputs

HISTORY_DAYS: Final = 90
SHORTEST_HISTORY_DAYS: Final = 30
"""An offer listed for less is reckoned over so many days: a first day's rush, or quiet, says little of a month."""
PAST_AUCTIONS: Final = 20
DAY: Final = dt.timedelta(days=1)
SMALLEST_DEPOSIT_MINOR, LARGEST_DEPOSIT_MINOR = 1_000, 500_000
DEPOSIT_PARTS: Final = 10


class Reckoned(Struct, frozen=True):
    """The least an auction may sell for, what it forgoes, and the canonical JSON that explains it."""

    reserve_minor: int
    forgone_minor: int
    document: str
    floors: Mapping[uuid.UUID, int]
    """The least for each release; the auction's is the lowest of them."""

    @property
    def waterfall(self) -> list[dict[str, Any]]:
        """Return the steps that sum to the reserve."""
        steps: list[dict[str, Any]] = json.loads(self.document)["waterfall"]
        return steps


def deposit_of(reserves_minor: Sequence[int]) -> int:
    """Return what a bidder without a saved method has held back: a tenth of all lots' reserves, between 10 and 5,000 euros.

    All, for one bidder may win them all, and owes their sum at least.
    """
    return min(max(sum(reserves_minor) // DEPOSIT_PARTS, SMALLEST_DEPOSIT_MINOR), LARGEST_DEPOSIT_MINOR)


class ListedRow(Struct, frozen=True):
    """When an offer was listed, and how many licences of it were sold at a posted price."""

    listed_at: dt.datetime
    sales: int


class TranscriptRow(Struct, frozen=True):
    """A transcript, as JSON."""

    document: bytes


async def reckon_reserve(
    offer: uuid.UUID,
    releases: Sequence[uuid.UUID],
    *,
    months: int = 0,
    closes_at: dt.datetime,
    window: tuple[dt.datetime, dt.datetime] | None = None,
    now: dt.datetime,
) -> Reckoned:
    """Return the reserve of an auction of these releases that closes at `closes_at`; refuses one that is not for sale.

    months: of the licence, 0 for the offer's own; refuses a length that a release is not sold for. window: when `offer` is
    closed to others, half-open; None where nobody is shut out.
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
            max(0, int((begins - now).total_seconds())),
            min(max(-(-(ends - begins) // DAY), 1), LONGEST_WINDOW_DAYS),
            await get_release_interval(rows[0].dataset),
        )
        return await _of_window(offer, release, inputs, shut, now)
    closes_in = max(0, int((closes_at - now).total_seconds()))
    least = {release: reckon_licence(inputs, closes_in) for release, inputs in priced.items()}
    floors = {release: one.reserve_minor for release, one in least.items()}
    cheapest = min(floors, key=lambda release: floors[release])
    history = await _history(offer, now)
    document: Any = {
        "demand": to_builtins(await get_evidence(offer, now)),
        "inputs": asdict(priced[cheapest]),
        "closes_in_seconds": closes_in,
        "history": asdict(history),
        "expected_sales": -(-(history.sales + 1) * closes_in // (history.days * int(DAY.total_seconds()))),
        "forgone_minor": least[cheapest].forgone_minor,
        "reserve_minor": least[cheapest].reserve_minor,
        "waterfall": [asdict(step) for step in least[cheapest].waterfall],
    }
    lowest = floors[cheapest]
    return Reckoned(lowest, lowest, rfc8785.dumps(document).decode(), floors)


async def _of_window(
    offer: uuid.UUID, release: uuid.UUID, inputs: Inputs, window: Window, now: dt.datetime
) -> Reckoned:
    history, bids = await _history(offer, now), await _past_bids(offer)
    found = reckon(inputs, history, window, bids)
    document: Any = {
        "demand": to_builtins(await get_evidence(offer, now)),
        "inputs": asdict(inputs),
        "history": asdict(history),
        "window": asdict(window),
        "past_bids_minor": bids,
        "forgone_minor": found.forgone_minor,
        "reserve_minor": found.reserve_minor,
        "waterfall": [asdict(step) for step in found.waterfall],
    }
    document = rfc8785.dumps(document).decode()
    return Reckoned(found.reserve_minor, found.forgone_minor, document, {release: found.reserve_minor})


async def _history(offer: uuid.UUID, now: dt.datetime) -> History:
    """Return how many licences of an offer were sold at a posted price, in the last ninety days, or since it was listed."""
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
    """Return what was truthfully bid for earlier windows of an offer, as their transcripts show."""
    rows = await fetch_rows(
        TranscriptRow,
        """SELECT document FROM auction_transcript JOIN auction ON auction.id = auction_transcript.auction
           WHERE auction.offer = $1 AND exclusive_from IS NOT NULL ORDER BY published_at DESC LIMIT $2""",
        offer,
        PAST_AUCTIONS,
    )
    return [line["amount_minor"] for row in rows for line in json.loads(row.document)["reveals"]]
