"""The end of an auction, by a job: close it and publish the root, then open the bids, award and publish the transcript.

Two transactions, so that the root is out before any bid is: whoever dies between or inside them, the next run goes on
where it stopped and comes to the same award. Both lock the auction's row and look at its state first, so any number of
workers award once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from marketplace import sealing
from marketplace.auctions import rules
from marketplace.auctions.actions import hold, tell
from marketplace.auctions.charge import charge_sales
from marketplace.auctions.eligibility import end_deposits
from marketplace.catalogue.actions import grant_window
from marketplace.database import execute, fetch, fetch_value, transaction
from marketplace.settings import settings
from pricing.auctions.transcript import replay, to_json

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    import asyncpg

    from marketplace.auctions.rules import Row

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
            log.error("auction not awarded", auction=str(auction), why=str(problem))  # noqa: TRY400 (the sentence says it all)
    return awarded


async def _due(condition: str) -> list[uuid.UUID]:
    rows = await fetch(
        f"""SELECT id FROM auction JOIN auction_lead AS lead ON lead.auction = auction.id
            WHERE {condition} ORDER BY closes_at, id LIMIT {AT_ONCE}"""
    )
    return [row["id"] for row in rows]


async def close(auction: uuid.UUID) -> bool:
    """Take no more bids and publish the root over the commitments; tell whether this call did it."""
    async with transaction():
        row = await hold(auction)
        if row["state"] != "standing" or row["held_at"] < row["closes_at"]:
            return False
        await execute(
            "UPDATE auction SET state = 'closed', root = $2, closed_at = $3 WHERE id = $1",
            auction, rules.root_of(row, await _lots(auction), await _bids(auction)).hex(), row["held_at"],
        )  # fmt: skip
        await tell(auction)
    return True


async def award(auction: uuid.UUID) -> bool:
    """Open a closed auction's bids, award it and publish the transcript; tell whether this call did it."""
    async with transaction():
        row = await hold(auction)
        if row["state"] != "closed":
            return False
        lots, bids = await _lots(auction), await _bids(auction)
        made = rules.transcript(row, lots, bids, [line for bid in bids for line in _opened(bid)])
        if differences := replay(made, bytes.fromhex(row["root"])).differences:
            raise sealing.UnopenableError(
                f"The bids of auction {auction} are not those its root commits to: {differences}"
            )
        await _write_round(row, lots, 1, made.award["outcomes"])
        await _grant_window(row)
        await execute(
            "INSERT INTO auction_transcript (auction, document, published_at) VALUES ($1, $2, $3)",
            auction, to_json(made).encode(), row["held_at"],
        )  # fmt: skip
        await execute("UPDATE auction SET state = 'awarded', awarded_at = $2 WHERE id = $1", auction, row["held_at"])
        await tell(auction)
    return True


async def _bids(auction: uuid.UUID) -> list[asyncpg.Record]:
    return await fetch("SELECT * FROM bid WHERE auction = $1 AND position IS NOT NULL ORDER BY position", auction)


async def _lots(auction: uuid.UUID) -> list[asyncpg.Record]:
    return await fetch("SELECT release, reserve_minor FROM auction_lot WHERE auction = $1 ORDER BY position", auction)


def _opened(bid: Row) -> list[dict[str, Any]]:
    """Return a bid as the transcript shows it, opened with the key that this job alone holds."""
    if bid["sealed"] is None:
        return rules.reveals_of(bid, {"maximum_minor": bid["maximum_minor"]}, "")
    opened = sealing.unseal(bid["sealed"], bid["id"], settings().bid_key)
    return rules.reveals_of(bid, opened["content"], opened["nonce"])


async def _write_round(auction: Row, lots: Sequence[Row], number: int, outcomes: Sequence[Row]) -> None:
    """Write what every bidder got and why, and what each winner is to pay for each lot."""
    rows = await fetch(
        "SELECT DISTINCT pseudonym, partner FROM bid WHERE auction = $1 AND position IS NOT NULL", auction["id"]
    )
    partners = {row["pseudonym"]: row["partner"] for row in rows}
    due_at = auction["held_at"] + dt.timedelta(hours=auction["pay_within_hours"])
    for outcome in (each for each in outcomes if not each["bidder"].startswith(rules.SELLER)):
        won = rules.lots_of(outcome)
        made = await fetch_value(
            """INSERT INTO auction_outcome (id, auction, round, partner, pseudonym, lots, pays_minor, reason, decided_at)
               VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8) RETURNING id""",
            auction["id"], number, partners[outcome["bidder"]], outcome["bidder"], won, outcome["pays_minor"],
            outcome["reason"], auction["held_at"],
        )  # fmt: skip
        prices = rules.split_price(outcome["pays_minor"], [lots[position]["reserve_minor"] for position in won])
        for position, amount in zip(won, prices, strict=True):
            await execute(
                """INSERT INTO auction_sale (id, outcome, release, net_minor, due_at, state)
                   VALUES (gen_random_uuid(), $1, $2, $3, $4, 'due')""",
                made, lots[position]["release"], amount, due_at,
            )  # fmt: skip


async def _grant_window(auction: Row) -> None:
    """Write an exclusive window down to the catalogue's offer, for whoever paid or still may."""
    if auction["kind"] != "exclusive":
        return
    holder = await fetch_value(
        """SELECT outcome.partner FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           WHERE outcome.auction = $1 AND sale.state IN ('due', 'paid') ORDER BY outcome.round DESC LIMIT 1""",
        auction["id"],
    )
    await grant_window(auction["id"], auction["offer"], holder, auction["exclusive_from"], auction["exclusive_to"])


# ------------------------------------------------------------------ winners who do not pay
UNPAID = """sale.state = 'due' AND NOT EXISTS (
    SELECT FROM purchase_order WHERE id = sale.purchase_order AND state IN ('awaiting_payment', 'paid', 'refunded', 'charged_back'))"""
"""No order of it is paid or still may be."""
CALLED_BACK = "EXISTS (SELECT FROM revocation WHERE revocation.release = sale.release)"


async def settle_sales() -> int:
    """Mark awards that are paid or called back, charge fresh ones, give the lot of who did not pay to the next, end deposits.

    Return how many moved.
    """
    moved = await execute(
        """UPDATE auction_sale SET state = 'paid' FROM purchase_order
           WHERE auction_sale.state = 'due' AND purchase_order.id = auction_sale.purchase_order
             AND purchase_order.state IN ('paid', 'refunded', 'charged_back')"""
    )
    for auction in await _unpaid(CALLED_BACK):
        moved += await _let_off(auction)
    moved += await charge_sales()
    # A sale that was never ordered is the job's delay, not the winner's fault: it is charged first, however late.
    for auction in await _unpaid(
        f"sale.due_at <= clock_timestamp() AND sale.purchase_order IS NOT NULL AND NOT {CALLED_BACK}"
    ):
        moved += await _default(auction)
    return moved + await end_deposits()


async def _unpaid(condition: str) -> list[uuid.UUID]:
    """Return up to a hundred auctions with an unpaid sale of which `condition` holds."""
    rows = await fetch(
        f"""SELECT DISTINCT outcome.auction FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
            WHERE {UNPAID} AND {condition} LIMIT 100"""
    )
    return [row["auction"] for row in rows]


async def _hold_sales(auction: uuid.UUID) -> dict[str, Any]:
    """Hold an auction, and its sales in a statement before the one that judges them: a winner's click may be committing an order."""
    row = await hold(auction)
    await fetch(
        """SELECT sale.id FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           WHERE outcome.auction = $1 ORDER BY sale.id FOR UPDATE OF sale""",
        auction,
    )
    return row


async def _let_off(auction: uuid.UUID) -> int:
    """Free winners of what they would pay for a release that was called back: no debt, no fault, no second chance."""
    async with transaction():
        row = await _hold_sales(auction)
        freed = await execute(
            f"""UPDATE auction_sale AS sale SET state = 'called_back' FROM auction_outcome AS outcome
                WHERE outcome.id = sale.outcome AND outcome.auction = $1 AND {UNPAID} AND {CALLED_BACK}""",
            auction,
        )
        if freed:
            await _grant_window(row)
    return freed


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
        row = await _hold_sales(auction)
        defaulted = await execute(
            f"""UPDATE auction_sale AS sale SET state = 'defaulted' FROM auction_outcome AS outcome
                WHERE outcome.id = sale.outcome AND outcome.auction = $1 AND {UNPAID} AND sale.due_at <= $2
                  AND sale.purchase_order IS NOT NULL AND NOT {CALLED_BACK}""",
            auction, row["held_at"],
        )  # fmt: skip
        if not defaulted:
            return 0
        stand = await _round(auction)
        if stand.number >= LAST_ROUND or row["kind"] == "bundle":
            await _grant_window(row)
            return defaulted
        lots = await _lots(auction)
        reveals = [
            line for bid in await _bids(auction) if bid["pseudonym"] not in stand.defaulters for line in _opened(bid)
        ]
        again = rules.awarded(row, lots, reveals)["outcomes"]
        fresh = [outcome for outcome in again if outcome["bidder"] not in stand.standing]
        await _write_round(row, lots, stand.number + 1, fresh)
        await _grant_window(row)
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
