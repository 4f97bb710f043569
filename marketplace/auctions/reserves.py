"""The reserve of an auction, reckoned by `pricing` when it is announced: never below what selling this way forgoes.

An exclusive window's covers the ordinary sales it shuts out and the one ordinary licence it contains; any other lot's is
its offer's floor, which covers what contributors were promised. What it was reckoned from is kept with the auction.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from marketplace.catalogue.actions import price_now
from marketplace.catalogue.queries import list_priced_releases
from marketplace.database import fetch, fetch_one
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS, History, Window, reckon

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from pricing.quote import PriceInputs

HISTORY_DAYS: Final = 90
SHORTEST_HISTORY_DAYS: Final = 30
"""An offer listed for less is reckoned over so many days: a first day's rush, or quiet, tells little of a month."""
PAST_AUCTIONS: Final = 20
DAY: Final = dt.timedelta(days=1)
SMALLEST_DEPOSIT_MINOR, LARGEST_DEPOSIT_MINOR = 1_000, 500_000
DEPOSIT_PARTS: Final = 10


@dataclass(frozen=True, slots=True)
class Reckoned:
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


async def reckon_reserve(
    kind: str, offer: uuid.UUID, releases: Sequence[uuid.UUID], *, opens_at: dt.datetime | None, ends_at: dt.datetime | None,
    now: dt.datetime,
) -> Reckoned:  # fmt: skip
    """Return the reserve of an auction of these releases; for an exclusive one its window of `offer` is [opens_at, ends_at).

    Refuses a release that is not for sale.
    """
    rows = await list_priced_releases(releases)
    priced = {row.id: (await price_now(row, now=now)).inputs for row in rows}
    if kind == "exclusive" and opens_at and ends_at:
        [(release, inputs)] = priced.items()
        return await _of_window(offer, release, inputs, rows[0].dataset, (opens_at, ends_at), now)
    floors = {release: inputs.floor_minor for release, inputs in priced.items()}
    floor = min(floors.values())
    document: Any = {"floor_minor": floor, "waterfall": [{"name": "floor", "amount_minor": floor}]}
    return Reckoned(floor, 0, rfc8785.dumps(document).decode(), floors)


async def _of_window(  # noqa: PLR0917 (a window's parts)
    offer: uuid.UUID, release: uuid.UUID, inputs: PriceInputs, dataset: str, lasts: tuple[dt.datetime, dt.datetime], now: dt.datetime,
) -> Reckoned:  # fmt: skip
    opens_at, ends_at = lasts
    days = -(-(ends_at - opens_at) // DAY)
    history = await _history(offer, now)
    window = Window(
        max(0, int((opens_at - now).total_seconds())), min(max(days, 1), LONGEST_WINDOW_DAYS), await _cadence(dataset)
    )
    bids = await _past_bids(offer)
    found = reckon(inputs, history, window, bids)
    document: Any = {
        "inputs": asdict(inputs), "history": asdict(history), "window": asdict(window), "past_bids_minor": bids,
        "forgone_minor": found.forgone_minor, "reserve_minor": found.reserve_minor,
        "waterfall": [asdict(step) for step in found.waterfall],
    }  # fmt: skip
    document = rfc8785.dumps(document).decode()
    return Reckoned(found.reserve_minor, found.forgone_minor, document, {release: found.reserve_minor})


async def _history(offer: uuid.UUID, now: dt.datetime) -> History:
    """Return how many licences of an offer were sold at a posted price, in the last ninety days, or since it was listed."""
    row = await fetch_one(
        """SELECT offer.listed_at, count(licence.id) AS sales FROM offer
           LEFT JOIN quote ON quote.offer = offer.id AND quote.auction IS NULL
           LEFT JOIN purchase_order ON purchase_order.quote = quote.id
           LEFT JOIN licence ON licence.purchase_order = purchase_order.id AND sold_at > $2
           WHERE offer.id = $1 GROUP BY offer.id""",
        offer, now - HISTORY_DAYS * DAY,
    )  # fmt: skip
    assert row
    return History(row["sales"], min(max(-(-(now - row["listed_at"]) // DAY), SHORTEST_HISTORY_DAYS), HISTORY_DAYS))


async def _cadence(dataset: str) -> int:
    """Return the days between the ends of a dataset's last two sealed releases; 0 where that tells nothing."""
    rows = await fetch(
        """SELECT DISTINCT period_to FROM release WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to DESC LIMIT 2""",
        dataset,
    )
    return (rows[0]["period_to"] - rows[1]["period_to"]) // DAY if len(rows) > 1 else 0


async def _past_bids(offer: uuid.UUID) -> list[int]:
    """Return what was truthfully bid for earlier windows of an offer, as their transcripts show."""
    rows = await fetch(
        """SELECT document FROM auction_transcript JOIN auction ON auction.id = auction_transcript.auction
           WHERE auction.offer = $1 AND kind = 'exclusive' ORDER BY published_at DESC LIMIT $2""",
        offer, PAST_AUCTIONS,
    )  # fmt: skip
    return [line["amount_minor"] for row in rows for line in json.loads(bytes(row["document"]))["reveals"]]
