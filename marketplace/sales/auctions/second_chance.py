"""Second chances: an unpaid lot goes to the next bidder, by the same rule, as if the defaulter had never bid.

A bid that was refused only because a defaulter's bid had raised the minimum counts again, at its instant, and the
auction ends when it ended. So a bid made without the intent to pay excludes no other, and its bidder owes the
difference and may not bid for a time. Lots that others won stay theirs. Each round is computed from the published
transcript, published with it, and stated in the public log: anyone can compute it again (`pricing.auctions.replay`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, transaction
from marketplace.core.facts.actions import state_fact
from marketplace.sales.auctions.actions import notify
from marketplace.sales.auctions.queries import SQL, get_transcript, list_accepted, list_refused, list_reserves
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rounds import grant_window_of, lock_sales, write_round
from marketplace.sales.auctions.rules import LAST_ROUND
from marketplace.sales.auctions.sealed_rules import good
from marketplace.sales.auctions.tables import AuctionRound
from marketplace.sales.auctions.transcript_rules import bidders_outcomes
from pricing.auctions.replay import again
from pricing.auctions.transcript import from_json, to_json

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import LockedAuction

BARRED_FOR: Final = dt.timedelta(days=180)


class Rounds(Struct, frozen=True):
    """An auction's rounds so far: the number of the last, who did not pay, who paid or may pay, and the free lots."""

    number: int
    defaulters: frozenset[str]
    winners: frozenset[str]
    free: frozenset[int]


class RoundRow(Struct, frozen=True):
    """One outcome, its round or the last published, and, if it won, one of its sales' state and its lot's place."""

    round: int
    pseudonym: str
    state: str | None
    lot: int | None


async def second_chance(auction: uuid.UUID) -> int:
    """Record the winners who did not pay in time and their debts, and award their lots, while rounds remain.

    Return how many.
    """
    async with transaction():
        locked = await lock_sales(auction)
        defaulted = await execute(SQL["mark_defaulted"], auction, locked.locked_at)
        if not defaulted:
            return 0
        last = await _rounds(auction)
        if last.number < LAST_ROUND:
            await _award_again(locked, last)
        barred_until = locked.locked_at + BARRED_FOR
        await execute(SQL["write_defaults"], auction, locked.locked_at, barred_until)
        await grant_window_of(locked)
        await notify(auction)
    return defaulted


async def bar_reversed() -> int:
    """Record winners whose banks reversed their payments as winners who did not pay; their lots are sold as usual.

    Nothing is awarded again, because the rounds are long over; each owes the amount by which a licence is sold for less
    at its reserve, in addition to its debt for other lots. Return how many.
    """
    now = clock.now()
    return await execute(SQL["write_defaults"], None, now, now + BARRED_FOR)


async def _award_again(auction: LockedAuction, last: Rounds) -> None:
    """Award the free lots by the same rule, from the published transcript, and publish the new round with it."""
    bids, refused = await list_accepted(auction.id), await list_refused(auction.id)
    made = from_json((await get_transcript(auction.id)).decode())
    several = get_kind(auction.kind).most_lots > 1
    free = [good(lot) for lot in last.free] if several else []
    made = again(made, without=sorted(last.defaulters), kept=sorted(last.winners), free=free)
    number, lots = last.number + 1, await list_reserves(auction.id)
    found = bidders_outcomes(auction, lots, made.rounds[-1]["award"])
    new = [outcome for outcome in found if outcome["bidder"] not in last.winners]
    await write_round(auction, lots, number, new, [*bids, *refused])
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
