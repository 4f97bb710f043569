"""What auctions' pages, the live stream and the closing job need to see; nobody's sealed content, nobody's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.auctions import rules
from marketplace.database import fetch, fetch_one, fetch_value
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    import asyncpg

    from marketplace.auctions.rules import Row

ROWS_A_MESSAGE = 500
MOST_DRAWN = 2000
AUCTION = """
    SELECT auction.*, lead.closes_at, lead.bid_count, lead.leader, lead.leading_maximum_minor, lead.price_minor,
           dataset.code AS dataset, dataset.title_fr, dataset.title_en, licence_terms.lines_fr, licence_terms.lines_en,
           licence_terms.months, clock_timestamp() AS now,
           CASE WHEN auction.state <> 'standing' THEN auction.state
                WHEN clock_timestamp() < auction.opens_at THEN 'announced'
                WHEN clock_timestamp() < lead.closes_at THEN 'open' ELSE 'closing' END AS phase
    FROM auction JOIN auction_lead AS lead ON lead.auction = auction.id JOIN offer ON offer.id = auction.offer JOIN dataset ON dataset.code = offer.dataset
    JOIN licence_terms ON licence_terms.code = auction.terms
"""


async def get_auction(auction: uuid.UUID) -> asyncpg.Record:
    """Return an auction with its dataset's titles, the database's instant and its phase then."""
    row = await fetch_one(f"{AUCTION} WHERE auction.id = $1", auction)
    if row is None:
        raise NotFound("There is no such auction.")
    return row


async def list_auctions(page: int) -> Paged[Any]:
    """List auctions, those that can still be bid in first, by their end."""
    rows = await fetch(
        f"""SELECT * FROM ({AUCTION}) AS auction
            ORDER BY phase NOT IN ('announced', 'open'),
                     CASE WHEN phase IN ('announced', 'open') THEN closes_at END, closes_at DESC, id
            LIMIT {PAGE_SIZE + 1} OFFSET $1""",
        offset(page),
    )
    return paged(rows, page)


async def list_lots(auction: uuid.UUID) -> list[asyncpg.Record]:
    """List what is on sale in an auction, by position."""
    return await fetch(
        """SELECT lot.position, lot.release, lot.reserve_minor, release.period_from, release.period_to, release.row_count, release.consenting,
                  dataset.code AS dataset, dataset.title_fr, dataset.title_en, dataset.area, revocation.revoked_at
           FROM auction_lot AS lot JOIN release ON release.id = lot.release JOIN dataset ON dataset.code = release.dataset
           LEFT JOIN revocation ON revocation.release = release.id
           WHERE lot.auction = $1 ORDER BY lot.position""",
        auction,
    )


async def list_log(auction: uuid.UUID, *, after: int = 0, upto: int | None = None) -> list[asyncpg.Record]:
    """List accepted bids in order, after position `after` and up to `upto`, five hundred at most: who by pseudonym, when, the price then.

    upto: the bids counted where a price was read, so that no later bid stands beside it.
    """
    return await fetch(
        f"""SELECT position, pseudonym, received_at, price_minor, answer FROM bid
            WHERE auction = $1 AND position > $2 AND ($3::bigint IS NULL OR position <= $3) ORDER BY position LIMIT {ROWS_A_MESSAGE}""",
        auction, after, upto,
    )  # fmt: skip


async def list_latest(auction: uuid.UUID, page: int) -> Paged[Any]:
    """List accepted bids, the latest first."""
    rows = await fetch(
        f"""SELECT position, pseudonym, received_at, price_minor, answer FROM bid
            WHERE auction = $1 AND position IS NOT NULL ORDER BY position DESC LIMIT {PAGE_SIZE + 1} OFFSET $2""",
        auction, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def list_prices(auction: Row, now: dt.datetime) -> list[tuple[dt.datetime, int]]:
    """Return how an ascending auction's price moved over its latest bids, up to `now` or its end."""
    rows = await fetch(
        """SELECT min(received_at) AS at, price_minor FROM bid
           WHERE auction = $1 AND position > $2 AND price_minor IS NOT NULL GROUP BY price_minor ORDER BY at""",
        auction["id"], auction["bid_count"] - MOST_DRAWN,
    )  # fmt: skip
    prices = [(row["at"], row["price_minor"]) for row in rows]
    return [*prices, (max(prices[-1][0], min(now, auction["closes_at"])), prices[-1][1])] if prices else []


async def list_own_bids(auction: uuid.UUID, partner: uuid.UUID, limit: int = PAGE_SIZE) -> list[asyncpg.Record]:
    """List a partner's own latest bids in an auction, refused ones too."""
    return await fetch(
        """SELECT id, position, received_at, answer, maximum_minor, price_minor, commitments FROM bid
           WHERE partner = $1 AND auction = $2 ORDER BY received_at DESC, id LIMIT $3""",
        partner, auction, limit,
    )  # fmt: skip


async def get_bid(bid: uuid.UUID, partner: uuid.UUID) -> asyncpg.Record:
    """Return a partner's own bid with its receipt; anybody else's does not exist."""
    row = await fetch_one("SELECT * FROM bid WHERE id = $1 AND partner = $2", bid, partner)
    if row is None:
        raise NotFound("There is no such bid.")
    return row


async def list_outcomes(auction: uuid.UUID, limit: int = 1000) -> list[asyncpg.Record]:
    """List what every bidder got and why, the latest round first."""
    return await fetch(
        """SELECT outcome.*, sale.state AS sale_state, sale.due_at, sale.purchase_order
           FROM auction_outcome AS outcome
           LEFT JOIN LATERAL (SELECT state, due_at, purchase_order FROM auction_sale WHERE outcome = outcome.id
                              ORDER BY release LIMIT 1) AS sale ON true
           WHERE outcome.auction = $1
           ORDER BY outcome.round DESC, cardinality(outcome.lots) = 0, outcome.pseudonym LIMIT $2""",
        auction, limit,
    )  # fmt: skip


async def get_transcript(auction: uuid.UUID) -> bytes:
    """Return the bytes of an awarded auction's transcript."""
    document: bytes | None = await fetch_value("SELECT document FROM auction_transcript WHERE auction = $1", auction)
    if document is None:
        raise NotFound("This auction has no transcript yet; it is published with the award.")
    return document


def minimum_bid_minor(auction: Row) -> int:
    """Return the least that the next bid must offer: an ascending auction's next step, else the reserve."""
    if auction["kind"] != "ascending":
        return int(auction["reserve_minor"])
    return rules.state_of(auction).minimum_bid.minor


def snapshot(auction: Row, log: Sequence[Row] = ()) -> dict[str, Any]:
    """Return what the live page's script needs: the price, the end, the server's instant, and the log since."""
    leader = auction["leader"]
    return {
        "phase": auction["phase"],
        "now": rules.micros(auction["now"]) // 1000,
        "closes_at": rules.micros(auction["closes_at"]) // 1000,
        "extended": auction["closes_at"] > auction["scheduled_close_at"],
        "price_minor": auction["price_minor"],
        "minimum_minor": minimum_bid_minor(auction),
        "bids": auction["bid_count"],
        "leader": rules.pseudonym(auction["salt"], leader) if leader else None,
        "root": auction["root"],
        "log": [
            {
                "position": row["position"], "bidder": row["pseudonym"], "price_minor": row["price_minor"],
                "at": rules.micros(row["received_at"]) // 1000,
            }
            for row in log
        ],
    }  # fmt: skip


async def get_own_state(auction: Row, partner: uuid.UUID) -> str:
    """Return a partner's state in an auction: none, leading, outbid or sealed."""
    if auction["leader"] == partner:
        return "leading"
    has_bid = await fetch_value(
        "SELECT true FROM bid WHERE partner = $1 AND auction = $2 AND position IS NOT NULL LIMIT 1",
        partner,
        auction["id"],
    )
    if not has_bid:
        return "none"
    return "outbid" if auction["kind"] == "ascending" else "sealed"


async def list_own_sales(auction: uuid.UUID, partner: uuid.UUID) -> list[asyncpg.Record]:
    """List what a partner won in an auction and is to pay."""
    return await fetch(
        """SELECT sale.*, purchase_order.state AS order_state, release.period_from, release.period_to
           FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           JOIN release ON release.id = sale.release LEFT JOIN purchase_order ON purchase_order.id = sale.purchase_order
           WHERE outcome.auction = $1 AND outcome.partner = $2 ORDER BY release.period_from, sale.id LIMIT 100""",
        auction, partner,
    )  # fmt: skip


async def list_offers() -> list[asyncpg.Record]:
    """List offers that can be auctioned, with their sealed releases, the latest first."""
    return await fetch(
        """SELECT offer.id, dataset.code, dataset.title_fr, dataset.title_en,
                  array_agg(release.id ORDER BY release.period_to DESC, release.id) AS releases,
                  array_agg(release.period_from ORDER BY release.period_to DESC, release.id) AS begin,
                  array_agg(release.period_to ORDER BY release.period_to DESC, release.id) AS end
           FROM offer JOIN dataset ON dataset.code = offer.dataset
           JOIN release ON release.dataset = dataset.code AND release.state = 'sealed'
                AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
           WHERE offer.withdrawn_at IS NULL GROUP BY offer.id, dataset.code ORDER BY dataset.code LIMIT 200"""
    )
