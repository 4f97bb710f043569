"""The end of an auction, by a job: close it and publish the root, then open the bids, award and publish the transcript.

Two transactions, so that the root is out before any bid is: a worker may die between or inside them; the next run goes
on where it stopped and comes to the same award. Both lock the auction's row and look at its state first, so any number
of workers award once.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

import structlog
from msgspec import Struct

from marketplace import sealing
from marketplace.auction_kinds.registry import get_kind
from marketplace.auction_kinds.rules import highest_bids
from marketplace.auction_kinds.transcript_rules import bidders_outcomes, root_of, transcript
from marketplace.auctions.actions import notify
from marketplace.auctions.charge import charge_sales
from marketplace.auctions.debts import collect_owed, settle_debts
from marketplace.auctions.eligibility import end_deposits
from marketplace.auctions.queries import SQL, list_accepted, list_refused, list_reserves, lock_auction
from marketplace.auctions.rounds import grant_window_of, lock_sales, reveals_of, write_round
from marketplace.auctions.second_chance import bar_reversed, second_chance
from marketplace.auctions.tables import Auction, AuctionTranscript
from marketplace.catalogue.actions import record_observed_bids
from marketplace.database import execute, fetch_rows, transaction
from marketplace.log.actions import state_fact
from pricing.auctions.replay import replay
from pricing.auctions.transcript import to_json

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 100


class IdRow(Struct, frozen=True):
    """An auction's id."""

    id: uuid.UUID


async def close_auctions() -> int:
    """Close every auction whose end has passed, publish its root, award it and publish its transcript; return how many. A job."""
    for row in await _list_due("auction.state = 'open' AND closes_at <= clock_timestamp()"):
        await close(row.id)
    count = 0
    for row in await _list_due("auction.state = 'closed'"):
        try:
            count += await award(row.id)
        except sealing.UnopenableError as problem:
            log.error("auction not awarded", auction=str(row.id), why=str(problem))  # noqa: TRY400 (the sentence says it all)
    return count


async def _list_due(condition: str) -> list[IdRow]:
    return await fetch_rows(
        IdRow,
        f"""SELECT id FROM auction JOIN auction_lead AS lead ON lead.auction = auction.id
            WHERE {condition} ORDER BY closes_at, id LIMIT $1""",
        BATCH_SIZE,
    )


async def close(auction: uuid.UUID) -> bool:
    """Accept no more bids and publish the root over the commitments; return whether this call did it."""
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
    """Mark awards paid or called back, charge new ones, pass on what was not paid, end deposits, collect what is owed.

    A payment that its bank reversed is none: its winner owes and is barred as one who did not pay.

    Return how many moved. A job.
    """
    moved = await execute(SQL["mark_paid"])
    for row in await fetch_rows(IdRow, SQL["list_called_back"], BATCH_SIZE):
        moved += await _free_called_back(row.id)
    moved += await charge_sales()
    for row in await fetch_rows(IdRow, SQL["list_defaulted"], BATCH_SIZE):
        moved += await second_chance(row.id)
    moved += await bar_reversed()
    moved += await end_deposits()
    moved += await collect_owed()
    return moved + await settle_debts()


async def _free_called_back(auction: uuid.UUID) -> int:
    """Free winners of what they would pay for a release that was called back: no debt, no fault, no second chance."""
    async with transaction():
        locked = await lock_sales(auction)
        freed = await execute(SQL["mark_called_back"], auction)
        if freed:
            await grant_window_of(locked)
    return freed
