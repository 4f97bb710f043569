"""Queries for auctions' pages, the live stream and the closing job; no sealed content, no names."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.instants import microseconds
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rows import AuctionPage, AuctionTerms, Bid, LockedAuction, Lot
from marketplace.sales.auctions.tables import AuctionLot, AuctionRound, AuctionTranscript
from marketplace.sales.auctions.tables import Bid as BidTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.sales.auctions.rows import AuctionNow

SQL: Final = load_statements(__package__)
ROWS_A_MESSAGE: Final = 500
MOST_DRAWN: Final = 2000
MOST_OUTCOMES: Final = 1000


class LotRow(Struct, frozen=True):
    """A lot as shown: its release's period and dataset, and when it was called back, if it was."""

    position: int
    release: uuid.UUID
    reserve_minor: int
    period_from: dt.datetime
    period_to: dt.datetime
    dataset: str
    title_fr: str
    title_en: str
    time_zone: str
    revoked_at: dt.datetime | None


class LogLine(Struct, frozen=True):
    """An accepted bid as everybody sees it: pseudonym, instant, price after it; if sealed, the covered amount."""

    position: int
    pseudonym: str
    received_at: dt.datetime
    price_minor: int | None
    covered_minor: int | None


class PricePoint(Struct, frozen=True):
    """A price and the instant from which it led."""

    at: dt.datetime
    price_minor: int


class OwnBid(Struct, frozen=True):
    """A bid as its own bidder sees it in a list."""

    id: uuid.UUID
    received_at: dt.datetime
    answer: str
    maximum_minor: int | None


class OutcomeRow(Struct, frozen=True):
    """The result of one bidder in one round, and its reason."""

    partner: uuid.UUID
    pseudonym: str
    round: int
    lots: list[int]
    pays_minor: int
    reason: str


class LiveLine(Struct, frozen=True):
    """A bid of the live page's log; `at` in milliseconds since 1970."""

    position: int
    bidder: str
    price_minor: int | None
    at: int
    covered_minor: int | None


class Snapshot(Struct, frozen=True):
    """The data of the live page's script; instants in milliseconds since 1970."""

    phase: str
    now: int
    closes_at: int
    extended: bool
    price_minor: int | None
    minimum_minor: int
    bids: int
    leader: str | None
    root: str | None
    log: list[LiveLine]


async def lock_auction(auction: uuid.UUID) -> LockedAuction:
    """Lock an auction and its lead until the transaction ends; raises NotFound."""
    return existing(await fetch_row(LockedAuction, SQL["lock_auction"], auction), NotFound("There is no such auction."))


async def get_terms(auction: uuid.UUID) -> AuctionTerms:
    """Return the fixed part of an auction; raises NotFound."""
    return existing(await fetch_row(AuctionTerms, SQL["get_terms"], auction), NotFound("There is no such auction."))


async def get_auction(auction: uuid.UUID) -> AuctionPage:
    """Return an auction with its dataset's titles, the database's instant and its phase then; raises NotFound."""
    return existing(await fetch_row(AuctionPage, SQL["get_auction"], auction), NotFound("There is no such auction."))


async def list_auctions(page: int, after: uuid.UUID | None = None) -> Paged[AuctionPage]:
    """List auctions, those open for bids first, by their end: a page by number, or those after one."""
    return paged(await fetch_rows(AuctionPage, SQL["list_auctions"], PAGE_SIZE + 1, offset(page), after), page)


async def list_lots(auction: uuid.UUID) -> list[LotRow]:
    """List the lots of an auction, by position."""
    return await fetch_rows(LotRow, SQL["list_lots"], auction)


async def list_reserves(auction: uuid.UUID) -> list[Lot]:
    """List an auction's lots by position: each release with its reserve."""
    lots = select(Lot, AuctionLot).where(AuctionLot.auction == auction).order_by(AuctionLot.position)
    return await fetch_rows(Lot, lots)


class SoldData(Struct, frozen=True):
    """The datasets of an auction's releases, and their purposes, by codes."""

    datasets: list[str]
    purposes: list[str]


async def get_sold_data(auction: uuid.UUID) -> SoldData:
    """Return the datasets and purposes of an auction's lots."""
    row = await fetch_row(
        SoldData,
        """SELECT array_agg(DISTINCT dataset.code) AS datasets, array_agg(DISTINCT dataset.purpose) AS purposes
           FROM auction_lot AS lot JOIN release ON release.id = lot.release JOIN dataset ON dataset.code = release.dataset
           WHERE lot.auction = $1 HAVING count(*) > 0""",
        auction,
    )
    return existing(row, NotFound("There is no such auction."))


async def list_accepted(auction: uuid.UUID) -> list[Bid]:
    """List all accepted bids of an auction, in order."""
    accepted = (BidTable.auction == auction) & BidTable.position.is_not_null()
    return await fetch_rows(Bid, select(Bid, BidTable).where(accepted).order_by(BidTable.position))


async def list_refused(auction: uuid.UUID) -> list[Bid]:
    """List an auction's open bids that were below the minimum, in order: a defaulter's bid may have raised it."""
    refused = (BidTable.auction == auction) & (BidTable.answer == "refused_below_minimum")
    wanted = select(Bid, BidTable).where(refused & BidTable.maximum_minor.is_not_null())
    return await fetch_rows(Bid, wanted.order_by(BidTable.received_at).order_by(BidTable.id))


async def list_log(auction: uuid.UUID, *, after: int = 0, upto: int | None = None) -> list[LogLine]:
    """List accepted bids in order, after position `after` and up to `upto`, ROWS_A_MESSAGE at most.

    upto: the number of bids when a price was read, so that no later bid is shown with it.
    """
    wanted = (BidTable.auction == auction) & (BidTable.position > after)
    if upto is not None:
        wanted &= BidTable.position <= upto
    return await fetch_rows(
        LogLine, select(LogLine, BidTable).where(wanted).order_by(BidTable.position).limit(ROWS_A_MESSAGE)
    )


async def list_latest(auction: uuid.UUID, page: int) -> Paged[LogLine]:
    """List accepted bids, the latest first."""
    accepted = (BidTable.auction == auction) & BidTable.position.is_not_null()
    query = select(LogLine, BidTable).where(accepted).order_by(BidTable.position, ascending=False)
    return paged(await fetch_rows(LogLine, query.limit(PAGE_SIZE + 1).offset(offset(page))), page)


async def list_prices(auction: AuctionNow, now: dt.datetime) -> list[tuple[dt.datetime, int]]:
    """Return how an open auction's price moved over its latest bids, up to `now` or its end; empty for sealed bids."""
    rows = await fetch_rows(
        PricePoint,
        """SELECT min(received_at) AS at, price_minor FROM bid
           WHERE auction = $1 AND position > $2 AND price_minor IS NOT NULL GROUP BY price_minor ORDER BY at""",
        auction.id,
        auction.bid_count - MOST_DRAWN,
    )
    prices = [(row.at, row.price_minor) for row in rows]
    return [*prices, (max(prices[-1][0], min(now, auction.closes_at)), prices[-1][1])] if prices else []


async def list_own_bids(auction: uuid.UUID, partner: uuid.UUID, limit: int = PAGE_SIZE) -> list[OwnBid]:
    """List a partner's own latest bids in an auction, refused ones too."""
    own = (BidTable.partner == partner) & (BidTable.auction == auction)
    latest = select(OwnBid, BidTable).where(own).order_by(BidTable.received_at, ascending=False).order_by(BidTable.id)
    return await fetch_rows(OwnBid, latest.limit(limit))


async def get_bid(bid: uuid.UUID, partner: uuid.UUID) -> Bid:
    """Return a partner's own bid; raises NotFound for any other."""
    return existing(
        await fetch_row(Bid, select(Bid, BidTable).where((BidTable.id == bid) & (BidTable.partner == partner))),
        NotFound("There is no such bid."),
    )


async def list_outcomes(auction: uuid.UUID) -> list[OutcomeRow]:
    """List every bidder's result and its reason, the latest round first; MOST_OUTCOMES at most."""
    return await fetch_rows(OutcomeRow, SQL["list_outcomes"], auction, MOST_OUTCOMES)


async def get_transcript(auction: uuid.UUID) -> bytes:
    """Return the bytes of an awarded auction's latest transcript; raises NotFound before the award."""
    latest = AuctionRound.select(AuctionRound.document).where(AuctionRound.auction == auction)
    first = AuctionTranscript.select(AuctionTranscript.document).where(AuctionTranscript.auction == auction)
    document = await fetch_scalar(bytes, latest.order_by(AuctionRound.round, ascending=False).limit(1))
    if document is None:
        document = await fetch_scalar(bytes, first)
    if document is None:
        raise NotFound("This auction has no transcript yet; it is published with the award.")
    return document


def minimum_bid_minor(auction: AuctionNow) -> int:
    """Return the minimum of the next bid: an open auction's next step, otherwise the reserve."""
    return get_kind(auction.kind).bids.minimum_minor(auction)


def snapshot(auction: AuctionPage, log: Sequence[LogLine] = ()) -> Snapshot:
    """Return the data of the live page's script: the price, the end, the server's instant, and the log since."""
    return Snapshot(
        phase=auction.phase,
        now=microseconds(auction.now) // 1000,
        closes_at=microseconds(auction.closes_at) // 1000,
        extended=auction.closes_at > auction.scheduled_close_at,
        price_minor=auction.price_minor,
        minimum_minor=minimum_bid_minor(auction),
        bids=auction.bid_count,
        leader=rules.pseudonym(auction.salt, auction.leader) if auction.leader else None,
        root=auction.root,
        log=[
            LiveLine(
                row.position,
                row.pseudonym,
                row.price_minor,
                microseconds(row.received_at) // 1000,
                row.covered_minor,
            )
            for row in log
        ],
    )


async def get_own_state(auction: AuctionNow, partner: uuid.UUID) -> str:
    """Return a partner's state in an auction: none, leading, outbid or sealed."""
    if auction.leader == partner:
        return "leading"
    own = (BidTable.partner == partner) & (BidTable.auction == auction.id) & BidTable.position.is_not_null()
    if not await BidTable.exists().where(own):
        return "none"
    return "sealed" if get_kind(auction.kind).bids.is_sealed else "outbid"
