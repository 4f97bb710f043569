"""The job that ends an auction: close it and publish the root, then open the bids, award, and publish the transcript.

It uses two transactions, so that the root is published before any bid: a worker may die between or inside them; the
next run continues where it stopped and computes the same award. Both lock the auction's row and read its state first,
so any number of workers award once.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

import structlog

from marketplace.catalogue.offers.actions import record_observed_bids
from marketplace.core import sealing
from marketplace.core.database import execute, fetch_column, transaction
from marketplace.core.facts.actions import state_fact
from marketplace.people.spending.actions import close_bids
from marketplace.sales.auctions.actions import notify
from marketplace.sales.auctions.charge import charge_sales
from marketplace.sales.auctions.debts import collect_owed, settle_debts
from marketplace.sales.auctions.eligibility import end_deposits
from marketplace.sales.auctions.queries import SQL, list_accepted, list_refused, list_reserves, lock_auction
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rounds import grant_window_of, lock_sales, reveals_of, write_round
from marketplace.sales.auctions.rules import highest_bids
from marketplace.sales.auctions.second_chance import bar_reversed, second_chance
from marketplace.sales.auctions.tables import Auction, AuctionTranscript
from marketplace.sales.auctions.transcript_rules import bidders_outcomes, root_of, transcript
from pricing.auctions.replay import replay
from pricing.auctions.transcript import to_json

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 100
BIDS_OVER: Final = """
    SELECT spending.subject
    FROM spending JOIN auction ON auction.id = spending.auction
    WHERE spending.closed_at IS NULL AND (auction.state = 'cancelled' OR auction.state = 'awarded' AND NOT EXISTS (
        SELECT FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
        WHERE outcome.auction = auction.id AND sale.state = 'due'))
    ORDER BY spending.subject LIMIT $1"""
"""Bids that count against spending limits and whose auction is over, with nothing left to pay; $1 at most."""


async def close_auctions() -> int:
    """Close every auction whose end has passed, publish its root, award it and publish its transcript. Return how many.

    A job.
    """
    for auction in await _list_due("auction.state = 'open' AND closes_at <= clock_timestamp()"):
        await close(auction)
    count = 0
    for auction in await _list_due("auction.state = 'closed'"):
        try:
            count += await award(auction)
        except sealing.UnopenableError as problem:
            log.error("auction not awarded", auction=str(auction), why=str(problem))  # noqa: TRY400 (the sentence says it all)
    return count


async def _list_due(condition: str) -> list[uuid.UUID]:
    return await fetch_column(
        uuid.UUID,
        f"""SELECT id FROM auction JOIN auction_lead AS lead ON lead.auction = auction.id
            WHERE {condition} ORDER BY closes_at, id LIMIT $1""",
        BATCH_SIZE,
    )


async def close(auction: uuid.UUID) -> bool:
    """Stop accepting bids and publish the root over the commitments; return whether this call did it."""
    async with transaction():
        locked = await lock_auction(auction)
        if locked.state != "open" or locked.locked_at < locked.closes_at:
            return False
        bids = await list_accepted(auction)
        refused = await list_refused(auction)
        root = root_of(locked, await list_reserves(auction), bids, refused).hex()
        await Auction.update(
            {Auction.state: "closed", Auction.root: root, Auction.closed_at: locked.locked_at}, force=True
        ).where(Auction.id == auction)
        await state_fact("auction_closed", auction, {"root": root, "bids": len(bids)})
        await notify(auction)
    return True


async def award(auction: uuid.UUID) -> bool:
    """Open a closed auction's bids, award it and publish the transcript; return whether this call did it."""
    async with transaction():
        locked = await lock_auction(auction)
        if locked.state != "closed":
            return False
        assert locked.root, "a closed auction has a root"
        lots, bids = await list_reserves(auction), await list_accepted(auction)
        refused = await list_refused(auction)
        made = transcript(locked, locked.root, lots, bids, reveals_of(locked, bids), refused=refused)
        if differences := replay(made, bytes.fromhex(locked.root)).differences:
            raise sealing.UnopenableError(
                f"The bids of auction {auction} are not those its root commits to: {differences}"
            )
        await write_round(locked, lots, 1, bidders_outcomes(locked, lots, made.award), bids)
        await grant_window_of(locked)
        document = to_json(made).encode()
        await AuctionTranscript.insert(
            AuctionTranscript(auction=auction, document=document, published_at=locked.locked_at)
        )
        if get_kind(locked.kind).sells_ordinary_licences:
            partners = {bid.pseudonym: bid.partner for bid in bids}
            offered = {partners[name]: most for name, most in highest_bids(made.reveals).items()}
            await record_observed_bids(
                auction,
                offer=locked.offer,
                release=lots[0].release,
                terms=locked.licence_terms,
                months=locked.months,
                reserve_minor=locked.reserve_minor,
                bids=offered,
            )
        await Auction.update({Auction.state: "awarded", Auction.awarded_at: locked.locked_at}, force=True).where(
            Auction.id == auction
        )
        await state_fact(
            "auction_awarded",
            auction,
            {"root": locked.root, "transcript_sha256": hashlib.sha256(document).hexdigest()},
        )
        await notify(auction)
    return True


# ------------------------------------------------------------------ winners who do not pay
async def settle_sales() -> int:
    """Mark awards as paid or called back, charge new ones, pass on unpaid ones, end deposits and bids, collect debts.

    A payment that its bank reversed does not count: its winner owes and is barred like a winner who did not pay.

    Return how many changed. A job.
    """
    moved = await execute(SQL["mark_paid"])
    for sale in await fetch_column(uuid.UUID, SQL["list_called_back"], BATCH_SIZE):
        moved += await _free_called_back(sale)
    moved += await charge_sales()
    for sale in await fetch_column(uuid.UUID, SQL["list_defaulted"], BATCH_SIZE):
        moved += await second_chance(sale)
    moved += await bar_reversed()
    moved += await end_deposits()
    await close_bids(await fetch_column(uuid.UUID, BIDS_OVER, BATCH_SIZE))
    moved += await collect_owed()
    return moved + await settle_debts()


async def _free_called_back(auction: uuid.UUID) -> int:
    """Cancel what winners owe for a release that was called back: no debt, no fault, no second chance."""
    async with transaction():
        locked = await lock_sales(auction)
        freed = await execute(SQL["mark_called_back"], auction)
        if freed:
            await grant_window_of(locked)
    return freed
