"""Second chances: what a winner did not pay goes to the next, by the same rule, as if the defaulter had never bid.

As if: a bid that was refused only because a defaulter's made the minimum too high counts again, at the instant it came,
and the auction ends when it ended. So a bid that nobody means to pay keeps no other out, and who made it owes the
difference and may not bid for a time. Lots that were won by others stay theirs.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from marketplace.auction_kinds.registry import get_kind
from marketplace.auction_kinds.rules import LAST_ROUND
from marketplace.auction_kinds.transcript_rules import awarded, bidders_outcomes, lots_of
from marketplace.auctions.actions import notify
from marketplace.auctions.queries import SQL, list_countable, list_reserves
from marketplace.auctions.rounds import grant_window_of, lock_sales, reveals_of, write_round
from marketplace.database import execute, fetch_rows, transaction

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.auction_kinds.rows import Bid, LockedAuction, Lot

BARRED_FOR: Final = dt.timedelta(days=180)


class Rounds(Struct, frozen=True):
    """An auction's rounds so far: the last one's number, who did not pay, who paid or still may, and the lots nobody has."""

    number: int
    defaulters: frozenset[str]
    winners: frozenset[str]
    free: frozenset[int]


class RoundRow(Struct, frozen=True):
    """One outcome, and the state of one of its sales and the place of its lot, if it won."""

    round: int
    pseudonym: str
    state: str | None
    lot: int | None


async def second_chance(auction: uuid.UUID) -> int:
    """Record who did not pay in time and what they owe, and award what they left, while there are rounds; return how many."""
    async with transaction():
        locked = await lock_sales(auction)
        defaulted = await execute(SQL["mark_defaulted"], auction, locked.locked_at)
        if not defaulted:
            return 0
        last = await _rounds(auction)
        if last.number < LAST_ROUND:
            lots, bids = await list_reserves(auction), await list_countable(auction, locked.kind)
            await write_round(locked, lots, last.number + 1, _again(locked, lots, bids, last), bids)
        barred_until = locked.locked_at + BARRED_FOR
        await execute(SQL["write_defaults"], auction, locked.locked_at, barred_until, last.number + 1)
        await grant_window_of(locked)
        await notify(auction)
    return defaulted


def _again(auction: LockedAuction, lots: Sequence[Lot], bids: Sequence[Bid], last: Rounds) -> list[Mapping[str, Any]]:
    """Return the outcomes of the same rule without the defaulters, for the lots they left and those who have none yet."""
    kind = get_kind(auction.kind)
    as_it_ended = structs.replace(
        auction,
        scheduled_close_at=auction.closes_at,
        window_seconds=0,
        extension_seconds=0,
        most_extension_seconds=None,
    )
    gone = last.defaulters | (last.winners if kind.most_lots > 1 else frozenset())
    shown = [*kind.seller_bids(lots), *reveals_of(auction, [bid for bid in bids if bid.pseudonym not in gone])]
    if kind.most_lots > 1:
        shown = [one for one in shown if set(lots_of(one | {"units": 1})) <= last.free]
    again = bidders_outcomes(as_it_ended, lots, awarded(as_it_ended, lots, shown))
    return [outcome for outcome in again if outcome["bidder"] not in last.winners]


async def _rounds(auction: uuid.UUID) -> Rounds:
    rows = await fetch_rows(
        RoundRow,
        """SELECT outcome.round, outcome.pseudonym, sale.state, lot.position AS lot FROM auction_outcome AS outcome
           LEFT JOIN auction_sale AS sale ON sale.outcome = outcome.id
           LEFT JOIN auction_lot AS lot ON lot.auction = outcome.auction AND lot.release = sale.release
           WHERE outcome.auction = $1""",
        auction,
    )
    unpaid = {row.lot for row in rows if row.state == "defaulted"}
    had = {row.lot for row in rows if row.state not in (None, "defaulted")}
    return Rounds(
        max(row.round for row in rows),
        frozenset(row.pseudonym for row in rows if row.state == "defaulted"),
        frozenset(row.pseudonym for row in rows if row.state in ("due", "paid")),
        frozenset(lot for lot in unpaid - had if lot is not None),
    )
