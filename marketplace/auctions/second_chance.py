"""Second chances: what a winner did not pay goes to the next, by the same rule, as if the defaulter had never bid.

As if: a bid that was refused only because a defaulter's made the minimum too high counts again, at the instant it came,
and the auction ends when it ended. So a bid that nobody means to pay keeps no other out, and who made it owes the
difference and may not bid for a time. Lots that were won by others stay theirs. Each round is computed from the published
transcript, published with it, and stated in the public log: anyone computes it again (`pricing.auctions.replay`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.auction_kinds.registry import get_kind
from marketplace.auction_kinds.rules import LAST_ROUND
from marketplace.auction_kinds.sealed_rules import good
from marketplace.auction_kinds.transcript_rules import bidders_outcomes, shown_refused
from marketplace.auctions.actions import notify
from marketplace.auctions.queries import SQL, get_transcript, list_accepted, list_refused, list_reserves
from marketplace.auctions.rounds import grant_window_of, lock_sales, write_round
from marketplace.auctions.tables import AuctionRound
from marketplace.database import execute, fetch_rows, transaction
from marketplace.log.actions import state_fact
from pricing.auctions.replay import BINDS_REFUSED, again
from pricing.auctions.transcript import from_json, to_json

if TYPE_CHECKING:
    from marketplace.auction_kinds.rows import LockedAuction

BARRED_FOR: Final = dt.timedelta(days=180)
BARS_REVERSED: Final = dt.timedelta(days=7)
"""How long ago a reversal may be recorded that bars: who was reversed before there was this bar is not barred by it now."""


class Rounds(Struct, frozen=True):
    """An auction's rounds so far: the last one's number, who did not pay, who paid or still may, and the lots nobody has."""

    number: int
    defaulters: frozenset[str]
    winners: frozenset[str]
    free: frozenset[int]


class RoundRow(Struct, frozen=True):
    """One outcome, its round or the last published, and the state of one of its sales and the place of its lot, if it won."""

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
            await _award_again(locked, last)
        barred_until = locked.locked_at + BARRED_FOR
        await execute(SQL["write_defaults"], auction, locked.locked_at, barred_until, locked.locked_at)
        await grant_window_of(locked)
        await notify(auction)
    return defaulted


async def bar_reversed() -> int:
    """Record winners whose banks reversed what they had paid as ones who did not pay: what was left unpaid is sold as usual.

    Nothing is awarded again, for the rounds are long over; each owes by how much a licence is sold for less at its reserve,
    beside what it owes for other lots. Who did not know of this rule, reversed long ago, is not barred. Return how many.
    """
    now = clock.now()
    return await execute(SQL["write_defaults"], None, now, now + BARRED_FOR, now - BARS_REVERSED)


async def _award_again(auction: LockedAuction, last: Rounds) -> None:
    """Award what was left by the same rule, from the published transcript, and publish that with the new round."""
    bids, refused = await list_accepted(auction.id), await list_refused(auction.id)
    made = from_json((await get_transcript(auction.id)).decode())
    is_bound = auction.terms_version >= BINDS_REFUSED
    if not is_bound:  # announced by a version whose transcripts list no refused bids: they count all the same
        made = replace(made, refused=tuple(shown_refused(auction, refused)))
    several = get_kind(auction.kind).most_lots > 1
    free = [good(lot) for lot in last.free] if several else []
    made = again(made, without=sorted(last.defaulters), kept=sorted(last.winners), free=free)
    number, lots = last.number + 1, await list_reserves(auction.id)
    found = bidders_outcomes(auction, lots, made.rounds[-1]["award"])
    new = [outcome for outcome in found if outcome["bidder"] not in last.winners]
    await write_round(auction, lots, number, new, [*bids, *refused])
    if not is_bound:
        return
    document = to_json(made).encode()
    await AuctionRound.insert(
        AuctionRound(
            id=uuid.uuid4(), auction=auction.id, round=number, document=document, published_at=auction.locked_at
        )
    )
    digest = hashlib.sha256(document).hexdigest()
    await state_fact("auction_awarded_again", f"{auction.id} {number}", {"transcript_sha256": digest})


async def _rounds(auction: uuid.UUID) -> Rounds:
    rows = await fetch_rows(
        RoundRow,
        """SELECT greatest(outcome.round, (SELECT max(round) FROM auction_round WHERE auction = $1)) AS round, outcome.pseudonym, sale.state, lot.position AS lot FROM auction_outcome AS outcome
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
