"""Rounds of an auction, written by its award and its second chances: each bidder's result, and what winners pay."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from marketplace.catalogue.offers.actions import grant_window
from marketplace.core import sealing
from marketplace.core.database import execute, fetch_scalar
from marketplace.core.settings import settings
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions.queries import SQL, lock_auction
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rules import split_price
from marketplace.sales.auctions.tables import AuctionOutcome, AuctionSale
from marketplace.sales.auctions.transcript_rules import lots_of
from marketplace.sales.message_kinds import WON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketplace.sales.auctions.rows import Bid, LockedAuction, Lot


def reveals_of(auction: LockedAuction, bids: Iterable[Bid]) -> list[dict[str, Any]]:
    """Return bids as the transcript shows them, opened with the key that only this job has."""
    shown, kind = [], get_kind(auction.kind)
    for bid in bids:
        content: dict[str, Any] = {}
        nonce = ""
        if bid.sealed is not None:
            opened = sealing.unseal(bid.sealed, bid.id, settings().bid_key)
            content, nonce = opened["content"], opened["nonce"]
        shown += kind.bids.reveals(bid, content, nonce)
    return shown


async def write_round(
    auction: LockedAuction, lots: Sequence[Lot], number: int, outcomes: Sequence[Mapping[str, Any]], bids: Sequence[Bid]
) -> None:
    """Write every bidder's result, what each winner pays for each lot, and the messages. bids: those that counted."""
    partners = {bid.pseudonym: bid.partner for bid in bids}
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
        if won:
            to = [Recipient("partner", str(partners[outcome["bidder"]]))]
            await send(WON, row, to, auction=str(auction.id))


async def grant_window_of(auction: LockedAuction) -> None:
    """Write an exclusive window to the catalogue's offer, for the partner of the latest round who paid or still may."""
    if auction.exclusive_from is None or auction.exclusive_to is None:
        return
    holder = await fetch_scalar(
        uuid.UUID,
        """SELECT outcome.partner FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           WHERE outcome.auction = $1 AND sale.state IN ('due', 'paid') ORDER BY outcome.round DESC LIMIT 1""",
        auction.id,
    )
    await grant_window(auction.id, auction.offer, holder, auction.exclusive_from, auction.exclusive_to)


async def lock_sales(auction: uuid.UUID) -> LockedAuction:
    """Lock an auction, and its sales in an earlier statement than the judging one: a click may be ordering."""
    locked = await lock_auction(auction)
    await execute(SQL["lock_sales"], auction)
    return locked
