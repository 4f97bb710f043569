"""The end of an auction, by a job: close it and publish the root, then open the bids, award and publish the transcript.

Two transactions, so that the root is out before any bid is: whoever dies between or inside them, the next run goes on
where it stopped and comes to the same award. Both lock the auction's row and look at its state first, so any number of
workers award once.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from marketplace.auctions import rules, sealing
from marketplace.auctions.actions import tell
from marketplace.database import execute, fetch, fetch_one, fetch_value, transaction
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

log = structlog.get_logger(__name__)
AT_ONCE = 100
LAST_ROUND = 2
"""An award and one second chance."""


async def close_auctions() -> int:
    """Close every auction whose end has passed, publish its root, award it and publish its transcript; return how many."""
    for auction in await _due("state = 'standing' AND closes_at <= clock_timestamp()"):
        await close(auction)
    awarded = 0
    for auction in await _due("state = 'closed'"):
        try:
            awarded += await award(auction)
        except sealing.UnopenableError as problem:
            log.error("auction not awarded", auction=str(auction), why=str(problem))
    return awarded


async def _due(condition: str) -> list[uuid.UUID]:
    rows = await fetch(f"SELECT id FROM auction WHERE {condition} ORDER BY closes_at, id LIMIT {AT_ONCE}")
    return [row["id"] for row in rows]


async def _held(auction: uuid.UUID) -> asyncpg.Record:
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM auction WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        auction,
    )
    assert row, "an auction is never deleted"
    return row


async def close(auction: uuid.UUID) -> bool:
    """Take no more bids and publish the root over the commitments; tell whether this call did it."""
    async with transaction():
        row = await _held(auction)
        if row["state"] != "standing" or row["held_at"] < row["closes_at"]:
            return False
        await execute(
            "UPDATE auction SET state = 'closed', root = $2, closed_at = $3 WHERE id = $1",
            auction, rules.merkle_root([bid["commitment"] for bid in await _bids(auction)]), row["held_at"],
        )  # fmt: skip
        await tell(auction)
    return True


async def award(auction: uuid.UUID) -> bool:
    """Open a closed auction's bids, award it and publish the transcript; tell whether this call did it."""
    async with transaction():
        row = await _held(auction)
        if row["state"] != "closed":
            return False
        lots = await fetch("SELECT position, release FROM auction_lot WHERE auction = $1 ORDER BY position", auction)
        openings = [_opened(row, bid) for bid in await _bids(auction)]
        document = rules.transcript(row, [str(lot["release"]) for lot in lots], openings)
        if rules.merkle_root([rules.commitment(opening["opening"]) for opening in openings]) != row["root"]:
            raise sealing.UnopenableError(f"The bids of auction {auction} are not those its root commits to.")
        await _write_round(row, lots, openings, 1, document["award"])
        await execute(
            "INSERT INTO auction_transcript (auction, document, published_at) VALUES ($1, $2, $3)",
            auction, rules.signed_transcript(document, settings().signing_key), row["held_at"],
        )  # fmt: skip
        await execute("UPDATE auction SET state = 'awarded', awarded_at = $2 WHERE id = $1", auction, row["held_at"])
        await tell(auction)
    return True


async def _bids(auction: uuid.UUID) -> list[asyncpg.Record]:
    return await fetch("SELECT * FROM bid WHERE auction = $1 AND position IS NOT NULL ORDER BY position", auction)


def _opened(auction: Mapping[str, Any], bid: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bid as the transcript shows it; one whose content is not what it committed to stops the award."""
    if bid["sealed"] is None:
        opening = rules.opening(auction, bid["id"], bid["partner"], {"maximum_minor": bid["maximum_minor"]}, None)
    else:
        opening = sealing.unseal(bid["sealed"], bid["id"], settings().bid_key)
    if rules.commitment(opening) != bid["commitment"]:
        raise sealing.UnopenableError(f"The bid {bid['id']} is not what it committed to.")
    return {"position": bid["position"], "received_at": rules.micros(bid["received_at"]), "opening": opening}


async def _write_round(
    auction: Mapping[str, Any], lots: Sequence[Mapping[str, Any]], openings: Sequence[Mapping[str, Any]], number: int,
    awarded: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write what every bidder got and why, and what each winner is to pay for each lot."""
    rows = await fetch("SELECT DISTINCT pseudonym, partner FROM bid WHERE auction = $1 AND position IS NOT NULL", auction["id"])
    partners = {row["pseudonym"]: row["partner"] for row in rows}
    due_at = auction["held_at"] + dt.timedelta(hours=auction["pay_within_hours"])
    for outcome in awarded["outcomes"]:
        made = await fetch_value(
            """INSERT INTO auction_outcome (id, auction, round, partner, pseudonym, lots, pays_minor, reason, decided_at)
               VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8) RETURNING id""",
            auction["id"], number, partners[outcome["bidder"]], outcome["bidder"], outcome["lots"], outcome["pays_minor"],
            outcome["reason"], auction["held_at"],
        )  # fmt: skip
        for position, amount in zip(outcome["lots"], rules.split_price(outcome["pays_minor"], len(outcome["lots"])), strict=True):
            await execute(
                """INSERT INTO auction_sale (id, outcome, release, net_minor, due_at, state)
                   VALUES (gen_random_uuid(), $1, $2, $3, $4, 'due')""",
                made, lots[position]["release"], amount, due_at,
            )  # fmt: skip


# ------------------------------------------------------------------ winners who do not pay
async def settle_sales() -> int:
    """Mark sales whose orders are paid, and give the lot of a winner who did not pay to the next; return how many moved."""
    moved = await execute(
        """UPDATE auction_sale SET state = 'paid' FROM purchase_order
           WHERE auction_sale.state = 'due' AND purchase_order.id = auction_sale.purchase_order
             AND purchase_order.state IN ('paid', 'refunded')"""
    )
    late = await fetch(
        """SELECT DISTINCT outcome.auction FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           WHERE sale.state = 'due' AND sale.due_at <= clock_timestamp() LIMIT 100"""
    )
    for row in late:
        moved += await _default(row["auction"])
    return moved


@dataclass(frozen=True, slots=True)
class Round:
    """How far an auction's rounds have come."""

    number: int
    defaulters: frozenset[str]
    standing: frozenset[str]
    """Winners who paid or still may."""


async def _default(auction: uuid.UUID) -> int:
    """Record who did not pay in time, and hold the second chance unless it was held: the same rule without the defaulters."""
    async with transaction():
        row = await _held(auction)
        defaulted = await execute(
            """UPDATE auction_sale SET state = 'defaulted' FROM auction_outcome AS outcome
               WHERE outcome.id = auction_sale.outcome AND outcome.auction = $1
                 AND auction_sale.state = 'due' AND auction_sale.due_at <= $2""",
            auction, row["held_at"],
        )  # fmt: skip
        if not defaulted:
            return 0
        stand = await _round(auction)
        if stand.number >= LAST_ROUND or row["kind"] == "bundle":
            return defaulted
        lots = await fetch("SELECT position, release FROM auction_lot WHERE auction = $1 ORDER BY position", auction)
        openings = [
            opening for opening in (_opened(row, bid) for bid in await _bids(auction))
            if opening["opening"]["bidder"] not in stand.defaulters
        ]  # fmt: skip
        again = rules.awarded(row, [str(lot["release"]) for lot in lots], openings)
        fresh = [outcome for outcome in again["outcomes"] if outcome["bidder"] not in stand.standing]
        await _write_round(row, lots, openings, stand.number + 1, {"outcomes": fresh})
        await tell(auction)
    return defaulted


async def _round(auction: uuid.UUID) -> Round:
    rows = await fetch(
        """SELECT outcome.round, outcome.pseudonym, sale.state FROM auction_outcome AS outcome
           LEFT JOIN auction_sale AS sale ON sale.outcome = outcome.id WHERE outcome.auction = $1""",
        auction,
    )
    return Round(
        max(row["round"] for row in rows),
        frozenset(row["pseudonym"] for row in rows if row["state"] == "defaulted"),
        frozenset(row["pseudonym"] for row in rows if row["state"] in ("due", "paid")),
    )
