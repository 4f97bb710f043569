"""The end of an auction, by a job: close it and publish the root, then open the bids, award and publish the transcript.

Two transactions, so that the root is out before any bid is: a worker may die between or inside them; the next run goes
on where it stopped and comes to the same award. Both lock the auction's row and look at its state first, so any number
of workers award once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct

from marketplace import sealing
from marketplace.auction_kinds.registry import get_kind
from marketplace.auction_kinds.rules import highest_bids, split_price
from marketplace.auction_kinds.transcript_rules import awarded, bidders_outcomes, lots_of, root_of, transcript
from marketplace.auctions.actions import notify
from marketplace.auctions.charge import charge_sales
from marketplace.auctions.eligibility import end_deposits
from marketplace.auctions.queries import SQL, list_accepted, list_reserves, lock_auction
from marketplace.auctions.tables import Auction, AuctionOutcome, AuctionSale, AuctionTranscript
from marketplace.catalogue.actions import grant_window, record_observed_bids
from marketplace.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.log.actions import state_fact
from marketplace.settings import settings
from pricing.auctions.transcript import replay, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketplace.auction_kinds.rows import Bid, LockedAuction, Lot

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 100
LAST_ROUND: Final = 2
"""An award and one second chance."""


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
        root = root_of(locked, await list_reserves(auction), bids).hex()
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
        made = transcript(locked, locked.root, lots, bids, _reveals(locked, bids))
        if differences := replay(made, bytes.fromhex(locked.root)).differences:
            raise sealing.UnopenableError(
                f"The bids of auction {auction} are not those its root commits to: {differences}"
            )
        await _write_round(locked, lots, 1, bidders_outcomes(locked, lots, made.award))
        await _grant_window(locked)
        document = to_json(made).encode()
        await AuctionTranscript.insert(
            AuctionTranscript(auction=auction, document=document, published_at=locked.locked_at)
        )
        if get_kind(locked.kind).sells_ordinary_licences:
            partners = {bid.pseudonym: bid.partner for bid in bids}
            offered = {partners[name]: most for name, most in highest_bids(made.reveals).items()}
            await record_observed_bids(
                auction, offer=locked.offer, release=lots[0].release, reserve_minor=locked.reserve_minor, bids=offered
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


def _reveals(auction: LockedAuction, bids: Iterable[Bid]) -> list[dict[str, Any]]:
    """Return bids as the transcript shows them, opened with the key that this job alone holds."""
    shown, kind = [], get_kind(auction.kind)
    for bid in bids:
        content: dict[str, Any] = {}
        nonce = ""
        if bid.sealed is not None:
            opened = sealing.unseal(bid.sealed, bid.id, settings().bid_key)
            content, nonce = opened["content"], opened["nonce"]
        shown += kind.bids.reveals(bid, content, nonce)
    return shown


async def _write_round(
    auction: LockedAuction, lots: Sequence[Lot], number: int, outcomes: Sequence[Mapping[str, Any]]
) -> None:
    """Write what every bidder got and why, and what each winner is to pay for each lot."""
    partners = {bid.pseudonym: bid.partner for bid in await list_accepted(auction.id)}
    due_at = auction.locked_at + dt.timedelta(hours=auction.pay_within_hours)
    for outcome in outcomes:
        won, row = lots_of(outcome), uuid.uuid4()
        await AuctionOutcome.insert(
            AuctionOutcome(
                id=row,
                auction=auction.id,
                round=number,
                partner=partners[outcome["bidder"]],
                pseudonym=outcome["bidder"],
                lots=won,
                pays_minor=outcome["pays_minor"],
                reason=outcome["reason"],
                decided_at=auction.locked_at,
            )
        )
        prices = split_price(outcome["pays_minor"], [lots[position].reserve_minor for position in won])
        for position, amount in zip(won, prices, strict=True):
            await AuctionSale.insert(
                AuctionSale(
                    id=uuid.uuid4(),
                    outcome=row,
                    release=lots[position].release,
                    net_minor=amount,
                    due_at=due_at,
                    state="due",
                )
            )


async def _grant_window(auction: LockedAuction) -> None:
    """Write an exclusive window down to the catalogue's offer, for the partner who paid or still may."""
    if auction.exclusive_from is None or auction.exclusive_to is None:
        return
    holder = await fetch_scalar(uuid.UUID, SQL["find_window_holder"], auction.id)
    await grant_window(auction.id, auction.offer, holder, auction.exclusive_from, auction.exclusive_to)


# ------------------------------------------------------------------ winners who do not pay
async def settle_sales() -> int:
    """Mark awards that are paid or called back, charge new ones, give the lot of who did not pay to the next, end deposits.

    Return how many moved. A job.
    """
    moved = await execute(SQL["mark_paid"])
    for row in await fetch_rows(IdRow, SQL["list_called_back"], BATCH_SIZE):
        moved += await _free_called_back(row.id)
    moved += await charge_sales()
    for row in await fetch_rows(IdRow, SQL["list_defaulted"], BATCH_SIZE):
        moved += await _default(row.id)
    return moved + await end_deposits()


async def _lock_sales(auction: uuid.UUID) -> LockedAuction:
    """Lock an auction, and its sales in a statement before the one that judges them: a winner's click may be committing an order."""
    locked = await lock_auction(auction)
    await execute(SQL["lock_sales"], auction)
    return locked


async def _free_called_back(auction: uuid.UUID) -> int:
    """Free winners of what they would pay for a release that was called back: no debt, no fault, no second chance."""
    async with transaction():
        locked = await _lock_sales(auction)
        freed = await execute(SQL["mark_called_back"], auction)
        if freed:
            await _grant_window(locked)
    return freed


class Round(Struct, frozen=True):
    """An auction's rounds so far: the last one's number, who did not pay, and the winners who paid or still may."""

    number: int
    defaulters: frozenset[str]
    winners: frozenset[str]


class RoundRow(Struct, frozen=True):
    """One outcome, and the state of its sale, if it won."""

    round: int
    pseudonym: str
    state: str | None


async def _default(auction: uuid.UUID) -> int:
    """Record who did not pay in time, and hold the second chance unless it was held: the same rule without the defaulters."""
    async with transaction():
        locked = await _lock_sales(auction)
        defaulted = await execute(SQL["mark_defaulted"], auction, locked.locked_at)
        if not defaulted:
            return 0
        last = await _last_round(auction)
        if last.number >= LAST_ROUND or not get_kind(locked.kind).has_second_chance:
            await _grant_window(locked)
            return defaulted
        lots = await list_reserves(auction)
        bids = [bid for bid in await list_accepted(auction) if bid.pseudonym not in last.defaulters]
        again = bidders_outcomes(locked, lots, awarded(locked, lots, _reveals(locked, bids)))
        new = [outcome for outcome in again if outcome["bidder"] not in last.winners]
        await _write_round(locked, lots, last.number + 1, new)
        await _grant_window(locked)
        await notify(auction)
    return defaulted


async def _last_round(auction: uuid.UUID) -> Round:
    rows = await fetch_rows(
        RoundRow,
        """SELECT outcome.round, outcome.pseudonym, sale.state FROM auction_outcome AS outcome
           LEFT JOIN auction_sale AS sale ON sale.outcome = outcome.id WHERE outcome.auction = $1""",
        auction,
    )
    return Round(
        max(row.round for row in rows),
        frozenset(row.pseudonym for row in rows if row.state == "defaulted"),
        frozenset(row.pseudonym for row in rows if row.state in ("due", "paid")),
    )
