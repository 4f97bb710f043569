"""The demo's auctions: a sealed one that is over, with its transcript; a live one for bids; a reverse auction.

They run in the present: the instants of bids are PostgreSQL's own, which our clock does not shift.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_scalar, transaction
from marketplace.datasets.population.subscriber_registry import Registry
from marketplace.demo.seed_datasets import BY_DAY, BY_HOUR
from marketplace.demo.seed_sales import pay_hosted_page
from marketplace.demo.synthetic_city import AGE_BANDS
from marketplace.sales.auctions import actions as auctions
from marketplace.sales.auctions import award, eligibility
from marketplace.sales.auctions import reverse_actions as reverse_auctions
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction, minimum_bid_minor
from marketplace.sales.auctions.reverse_rules import Stratum, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor

NAMESPACE: Final = uuid.UUID("4be14cb6-3f0f-4a43-9d55-4ab0c2b0a7a6")
SEALED, LIVE, REVERSE = (uuid.uuid5(NAMESPACE, name) for name in ("sealed", "live", "call"))
SEALED_DURATION: Final = dt.timedelta(seconds=3)
ASKS: Final = 120
DAY: Final = dt.timedelta(days=1)


class LotRow(Struct, frozen=True):
    """An offer and the latest sealed release of its dataset."""

    offer: uuid.UUID
    release: uuid.UUID


class BandsRow(Struct, frozen=True):
    """A dataset's age bands."""

    age_bands: list[str]


async def open_auctions(bidders: Sequence[Actor], *, by: str) -> None:
    """Open a sealed auction of some seconds, a live one of some days, and a reverse auction. bidders: people of partners.

    Each is opened once, in one transaction with its bids or asks, so that an interrupted start begins it again.
    """
    for bidder in bidders:
        await _save_card(bidder)
    if not await fetch_scalar(bool, "SELECT true FROM auction WHERE id = $1", SEALED):
        await _open_sealed_auction(bidders, by)
    if not await fetch_scalar(bool, "SELECT true FROM auction WHERE id = $1", LIVE):
        await _open_live_auction(bidders, by)
    if not await fetch_scalar(bool, "SELECT true FROM reverse_auction WHERE id = $1", REVERSE):
        await _open_reverse_auction(by)


async def _open_sealed_auction(bidders: Sequence[Actor], by: str) -> None:
    async with transaction():
        await _announce(SEALED, "limited", BY_HOUR, clock.now() + SEALED_DURATION, by)
        for bidder, extra in zip(bidders, (12_000, 7_500), strict=False):
            await auctions.place_sealed_bid(
                bidder,
                SEALED,
                bid=uuid.uuid4(),
                nonce=secrets.token_hex(32),
                packages=[([0], await _minimum_bid(SEALED) + extra)],
            )


async def _open_live_auction(bidders: Sequence[Actor], by: str) -> None:
    async with transaction():
        await _announce(LIVE, "ascending", BY_DAY, clock.now() + 3 * DAY, by)
        for bidder, extra in zip(bidders, (4_000, 2_000), strict=False):
            minimum = await _minimum_bid(LIVE)
            await auctions.place_bid(bidder, LIVE, bid=uuid.uuid4(), maximum_minor=minimum + extra)


async def is_sealed_auction_over() -> bool:
    """Return whether the sealed auction is awarded, the last step of the seed."""
    sql = "SELECT count(*) > 0 FROM auction WHERE id = $1 AND state <> 'open'"
    return bool(await fetch_scalar(bool, sql, SEALED))


async def finish_auctions() -> None:
    """Wait for the sealed auction's end and award it; the worker charges the winner."""
    row = await get_auction(SEALED)
    if row.state == "open":
        await asyncio.sleep(max(0.0, (row.closes_at - row.now).total_seconds() + 0.02))
    await award.close_auctions()


async def _announce(auction: uuid.UUID, kind: str, dataset: str, closes_at: dt.datetime, by: str) -> None:
    lot = await fetch_row(
        LotRow,
        """SELECT offer.id AS offer, release.id AS release FROM offer JOIN release ON release.dataset = offer.dataset
           WHERE offer.dataset = $1 AND release.state = 'sealed' ORDER BY release.period_to DESC LIMIT 1""",
        dataset,
    )
    assert lot is not None, "releases are sealed before anything is auctioned"
    plan = Plan(kind=kind, offer=lot.offer, releases=[lot.release], opens_at=clock.now(), closes_at=closes_at)
    await announce(plan, by=by, auction=auction)


async def _minimum_bid(auction: uuid.UUID) -> int:
    return minimum_bid_minor(await get_auction(auction))


async def _save_card(bidder: Actor) -> None:
    """Save a card for a partner on the hosted page, once."""
    assert bidder.partner
    saved = uuid.uuid5(NAMESPACE, f"card {bidder.partner}")
    if address := await eligibility.save_method(bidder, saved_id=saved, return_to="/auctions", locale="fr"):
        await pay_hosted_page(address)
        await eligibility.refresh_method(bidder.partner, saved)


async def _open_reverse_auction(by: str) -> None:
    """Open a reverse auction with two strata, and place the asks of some lines."""
    async with transaction():
        dataset = await fetch_row(BandsRow, "SELECT age_bands FROM dataset WHERE code = $1", BY_DAY)
        assert dataset is not None, "datasets are defined first"
        young, old = ([band for band in dataset.age_bands if band == one] for one in AGE_BANDS)
        now = clock.now()
        await reverse_auctions.announce(
            BY_DAY,
            [
                Stratum("Moins de 40 ans", "Under 40", 400, 12_000_000, 50_000, young),
                Stratum("40 ans et plus", "40 and over", 400, 12_000_000, 50_000, old),
            ],
            timing=Timing(now, now + 6 * DAY, now + 6 * DAY, now + 96 * DAY),
            by=by,
            auction=REVERSE,
        )
        await _place_asks(old)


async def _place_asks(old: list[str]) -> None:
    strata = await fetch_column(
        uuid.UUID, "SELECT id FROM reverse_auction_stratum WHERE auction = $1 ORDER BY position", REVERSE
    )
    references = await fetch_column(
        int, "SELECT reference FROM subscriber WHERE claimed_at IS NULL ORDER BY reference LIMIT $1", 2 * ASKS
    )
    if old:
        is_older = await asyncio.to_thread(_are_in_bands, references, old)
    else:
        is_older = [number % 2 == 1 for number in range(len(references))]
    for number, reference in enumerate(references):
        least_micro = 1_000 * (number * 7_919 % 51)
        await reverse_auctions.ask(reference, REVERSE, strata[is_older[number]], least_micro=least_micro)


def _are_in_bands(references: list[int], bands: list[str]) -> list[bool]:
    """Return, for each line, whether the operator has it in one of these age bands."""
    found: list[bool] = Registry().are_in(np.array(references, np.int64), bands).astype(bool).tolist()
    return found
