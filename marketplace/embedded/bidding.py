"""The demo's auctions: a sealed one that is over, with its transcript; a live one to bid in; a call to subscribers."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING

import numpy as np

from marketplace import clock
from marketplace.auctions import actions as auctions
from marketplace.auctions import award, contributors
from marketplace.auctions.contributors import Stratum
from marketplace.auctions.queries import get_auction, minimum_bid_minor
from marketplace.builds.subscriber_registry import Registry
from marketplace.database import fetch, fetch_one, fetch_value, transaction
from marketplace.embedded.city import AGE_BANDS
from marketplace.embedded.sales import pay
from marketplace.identity.actors import Actor
from marketplace.payments import actions as payments
from marketplace.payments.commands import run_command
from marketplace.payments.events import read_method_again

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = uuid.UUID("4be14cb6-3f0f-4a43-9d55-4ab0c2b0a7a6")
SEALED, LIVE, CALL = (uuid.uuid5(NAMESPACE, name) for name in ("sealed", "live", "call"))
SEALED_LASTS = dt.timedelta(seconds=3)
ANSWERS = 120
DAY = dt.timedelta(days=1)


async def open_auctions(bidders: Sequence[tuple[uuid.UUID, str]], *, by: str) -> None:
    """Open a sealed auction that ends in seconds, a live one of days, and a call; each once. bidders: partner, email.

    Each with its bids or answers in one transaction: whoever is stopped halfway begins it again.
    """
    for partner, email in bidders:
        await _save_card(partner, email)
    now = clock.now()
    if not await fetch_value("SELECT true FROM auction WHERE id = $1", SEALED):
        async with transaction():
            await _announce(SEALED, "limited", "lyon-presence-hour", now + SEALED_LASTS, by)
            for (partner, _), extra in zip(bidders, (12_000, 7_500), strict=False):
                await auctions.place_sealed_bid(
                    _actor(partner), SEALED, bid=uuid.uuid4(), nonce=secrets.token_hex(32),
                    packages=[([0], await _least(SEALED) + extra)],
                )  # fmt: skip
    if not await fetch_value("SELECT true FROM auction WHERE id = $1", LIVE):
        async with transaction():
            await _announce(LIVE, "ascending", "lyon-presence-day", now + 3 * DAY, by)
            for (partner, _), extra in zip(bidders, (4_000, 2_000), strict=False):
                least = await _least(LIVE)
                await auctions.place_bid(_actor(partner), LIVE, bid=uuid.uuid4(), maximum_minor=least + extra)
    if not await fetch_value("SELECT true FROM contributor_call WHERE id = $1", CALL):
        async with transaction():
            await _call(now, by)


async def finish_auctions() -> None:
    """Close and award what is over, waiting for its end; winners are charged by the worker, as ever."""
    row = await get_auction(SEALED)
    if row["state"] == "standing":
        await asyncio.sleep(max(0.0, (row["closes_at"] - row["now"]).total_seconds() + 0.02))
    await award.close_auctions()


async def _announce(auction: uuid.UUID, kind: str, dataset: str, closes_at: dt.datetime, by: str) -> None:
    row = await fetch_one(
        """SELECT offer.id AS offer, release.id AS release FROM offer JOIN release ON release.dataset = offer.dataset
           WHERE offer.dataset = $1 AND release.state = 'sealed' ORDER BY release.period_to DESC LIMIT 1""",
        dataset,
    )
    assert row, "the world's releases are sealed before anything is auctioned"
    plan = auctions.Plan(
        kind=kind, offer=row["offer"], releases=[row["release"]], opens_at=clock.now(), closes_at=closes_at
    )
    await auctions.announce(plan, by=by, auction=auction)


async def _least(auction: uuid.UUID) -> int:
    return minimum_bid_minor(await get_auction(auction))


def _actor(partner: uuid.UUID) -> Actor:
    return Actor(name="", partner=partner, vetted=True)


async def _save_card(partner: uuid.UUID, email: str) -> None:
    saved = uuid.uuid5(NAMESPACE, f"card {email}")
    await payments.request_saved_method(
        partner,
        saved_id=saved,
        email=email,
        success_url="http://localhost/",
        cancel_url="http://localhost/",
        locale="fr",
    )
    await run_command(saved)
    address = await fetch_value("SELECT url FROM saved_method WHERE id = $1 AND state = 'open'", saved)
    if address:
        await pay(address)
        await read_method_again(saved)


async def _call(now: dt.datetime, by: str) -> None:
    """Call for contributors, and have some lines answer, each its own least amount."""
    bands = await fetch_value("SELECT age_bands FROM dataset WHERE code = 'lyon-presence-day'")
    young, old = ([band for band in bands if band == one] for one in AGE_BANDS)
    strata = [
        Stratum("Moins de 40 ans", "Under 40", 400, 12_000_000, 50_000, young),
        Stratum("40 ans et plus", "40 and over", 400, 12_000_000, 50_000, old),
    ]
    await contributors.announce_call(
        "lyon-presence-day", strata, opens_at=now, closes_at=now + 6 * DAY, promise_from=now + 6 * DAY,
        promise_to=now + 96 * DAY, by=by, call=CALL,
    )  # fmt: skip
    groups = [
        row["id"] for row in await fetch("SELECT id FROM contributor_stratum WHERE call = $1 ORDER BY position", CALL)
    ]
    lines = await fetch(
        "SELECT reference FROM subscriber WHERE claimed_at IS NULL ORDER BY reference LIMIT $1", 2 * ANSWERS
    )
    references = [row["reference"] for row in lines]
    older = await asyncio.to_thread(_of_bands, references, old) if old else [number % 2 for number in range(len(lines))]
    for number, reference in enumerate(references):
        least_micro = 1_000 * (number * 7_919 % 60)
        await contributors.ask(reference, CALL, groups[older[number]], least_micro=least_micro)
    await contributors.tell_supply()


def _of_bands(references: list[int], bands: list[str]) -> list[int]:
    """Return 1 for each line that the operator has in these bands, as its holder would know; else 0."""
    found: list[int] = Registry().are_in(np.array(references, np.int64), bands).astype(int).tolist()
    return found
