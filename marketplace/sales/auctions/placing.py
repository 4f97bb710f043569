"""Placing open bids: bids that came together are decided one after another while their auction's row is locked.

A bid is accepted or refused once; its instant is the database's, read once the row is locked, so the log is in the
order of the instants. The kind decides what a bid is worth (`open_rules`); this module calls it in turn, and writes the
result.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from asyncpg.exceptions import UniqueViolationError
from msgspec import Struct

from marketplace.core.database import execute, fetch_row, fetch_rows, is_in_transaction, select, transaction
from marketplace.core.errors import NotFound, existing
from marketplace.people.spending.actions import Allowed, count_purchases, lock_limits
from marketplace.people.spending.rules import BeyondLimit, Purchase, Spender, find_beyond
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.queries import SQL
from marketplace.sales.auctions.receipts import BidReceipt
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rows import AuctionForBids, Bid
from marketplace.sales.auctions.tables import Bid as BidTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.sales.auctions.kind_rules import Bidding

FROZEN_AFTER: Final = "15s"
"""How long a silent process may keep an auction locked with a bid; then the database ends its session, and the bid."""

QUIET_FOR: Final = dt.timedelta(seconds=2)
"""How long a partner who was notified of being outbid is not notified again: a program would get a letter a bid."""
MOST_REMEMBERED: Final = 10_000
MICROSECOND: Final = dt.timedelta(microseconds=1)
"""Separates the instants of bids that were decided under one lock."""


class OpenBid(Struct, frozen=True):
    """A request to bid up to a maximum, in cents; its id is the bid's."""

    id: uuid.UUID
    by: Spender
    purchase: Purchase
    """What it may buy, for its maximum."""
    needed_minor: int = 0
    """The deposit that a bid of this size needs (`rules.needed_deposit`)."""

    @property
    def partner(self) -> uuid.UUID:
        """Whose bid it is."""
        return self.by.partner

    @property
    def maximum_minor(self) -> int:
        """The maximum, in cents before VAT."""
        return self.purchase.amount_minor


class PlacedBid(Struct):
    """The result of a request: the bid with its id, answered now or before; or why its partner may not bid.

    beyond: what its spending limit does not allow. receipt: that of a new bid, once it is signed with the bids that were decided with it.
    """

    bid: Bid | None = None
    refusal: str | None = None
    beyond: BeyondLimit | None = None
    is_repeated: bool = False
    receipt: BidReceipt | None = None


class _Overtaken(Exception):  # noqa: N818 (it is raised and caught here)
    """Another request has used an id in another auction."""


async def lock_for_bids(
    auction: uuid.UUID, partners: Sequence[uuid.UUID], deposits_minor: Sequence[int]
) -> AuctionForBids:
    """Lock an auction for bids, inside a transaction that ends if the process falls silent; raises NotFound.

    deposits_minor: the deposit that each partner's bid needs, in cents; 0 for none of its size.
    """
    return existing(
        await fetch_row(AuctionForBids, SQL["lock_for_bids"], auction, partners, FROZEN_AFTER, deposits_minor),
        NotFound("There is no such auction."),
    )


async def place_open_bids(auction: uuid.UUID, bids: Sequence[OpenBid]) -> list[PlacedBid] | None:
    """Accept or refuse open bids in the order given, in one transaction; None if the auction was cancelled.

    A bid that was answered before keeps its answer, even if its partner may no longer bid. Raises NotFound.
    """
    known: dict[uuid.UUID, Bid] = {}
    while True:
        try:
            async with transaction():
                deposits = [bid.needed_minor for bid in bids]
                locked = await lock_for_bids(auction, [bid.partner for bid in bids], deposits)
                if locked.state == "cancelled":
                    return None
                placed = await _place(locked, bids, known)
                outbid = await _write_outbid(locked, placed)
        except _Overtaken:
            known = await _known(bids)
        else:
            if not is_in_transaction():  # a caller's may still be rolled back, with the message
                _written_at.update(dict.fromkeys(outbid, locked.locked_at))
            return placed


async def _place(auction: AuctionForBids, bids: Sequence[OpenBid], known: dict[uuid.UUID, Bid]) -> list[PlacedBid]:
    subjects = [bid.purchase.subject for bid in bids]
    limits = await lock_limits([bid.by for bid in bids], subjects, auction.locked_at)
    beyond = [find_beyond(limit, bid.purchase, auction.locked_at) for limit, bid in zip(limits, bids, strict=True)]
    if any(auction.refusals) or any(beyond):
        known = await _known(bids)
    bids_of_kind = get_kind(auction.kind).bids
    assert not bids_of_kind.is_sealed, "sealed bids are placed one by one"
    bidding, position = bids_of_kind.begin(auction), auction.bid_count
    placed: list[PlacedBid] = []
    written: dict[uuid.UUID, Bid] = {}
    counted: list[Allowed] = []
    received_at = auction.locked_at
    for bid, refusal, limit, too_much in zip(bids, auction.refusals, limits, beyond, strict=True):
        before = known.get(bid.id) or written.get(bid.id)
        if before is not None:
            placed.append(PlacedBid(before, is_repeated=True))
            continue
        if refusal is not None or too_much is not None:
            placed.append(PlacedBid(refusal=refusal, beyond=None if refusal else too_much))
            continue
        answer = bidding.place(bid.partner, bid.maximum_minor, received_at)
        accepted = not answer.startswith("refused")
        position += accepted
        counted.append(Allowed(bid.by, bid.purchase, limit))  # A refused one may win yet, if others do not pay.
        row = written[bid.id] = Bid(
            id=bid.id,
            auction=auction.id,
            partner=bid.partner,
            pseudonym=rules.pseudonym(auction.salt, bid.partner),
            position=position if accepted else None,
            received_at=received_at,
            maximum_minor=bid.maximum_minor,
            sealed=None,
            commitments=[],
            answer=str(answer),
            price_minor=bidding.price_minor,
            closes_at=bidding.closes_at,
        )
        placed.append(PlacedBid(row))
        received_at += MICROSECOND
    await _write(auction, list(written.values()), bidding, position)
    if counted:
        await count_purchases(counted, auction.locked_at, auction=auction.id)
    return placed


_written_at: dict[tuple[uuid.UUID, uuid.UUID], dt.datetime] = {}
"""Auction and partner → when this process last committed a message that the partner is outbid."""


async def _write_outbid(auction: AuctionForBids, placed: Sequence[PlacedBid]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Notify bidders who lost the lead by these bids; return the auction and these bidders."""
    leaders = [one.bid.partner for one in placed if one.bid and not one.is_repeated and one.bid.answer == "leading"]
    if not leaders:
        return []
    if len(_written_at) > MOST_REMEMBERED:
        _written_at.clear()
    led = {auction.leader, *leaders} - {None, leaders[-1]}
    latest = auction.locked_at - QUIET_FOR
    lost = [(auction.id, one) for one in led if one and _written_at.get((auction.id, one), latest) <= latest]
    if lost:
        await execute(SQL["write_outbid"], auction.id, [partner for _, partner in lost], auction.locked_at)
    return lost


async def _known(bids: Sequence[OpenBid]) -> dict[uuid.UUID, Bid]:
    rows = await fetch_rows(Bid, select(Bid, BidTable).where(BidTable.id.is_in([bid.id for bid in bids])))
    return {row.id: row for row in rows}


async def _write(auction: AuctionForBids, rows: Sequence[Bid], bidding: Bidding, position: int) -> None:
    """Write new bids and the lead; if one of their ids is known by now, write nothing and have all decided again."""
    if not rows:
        return
    try:
        await execute(
            SQL["write_open_bids"],
            auction.id,
            msgspec.json.encode(rows).decode(),  # arrays, one a column, would be searched value by value
            position,
            bidding.leader,
            bidding.leading_maximum_minor,
            bidding.price_minor,
            bidding.closes_at,
        )
    except UniqueViolationError as known:
        if getattr(known, "constraint_name", None) == "bid_pkey":
            raise _Overtaken from known
        raise
