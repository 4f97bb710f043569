"""The entries behind a number of revenue: those that are kept, by the index of its side, and those that still wait."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.finance.bookkeeping.business_queries import SOLD, SQL, bounds_of
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS

KINDS: Final = ("sale", "refund", "dispute_lost", "sale_cancelled", "sale_reissued")
"""The kinds of entries that are behind revenue."""
SORTS: Final = {
    "": "at DESC, entry DESC",
    "oldest": "at, entry",
    "number": "number, entry",
    "net": "net_minor DESC, entry DESC",
    "vat": "vat_minor DESC, entry DESC",
}
"""What entries are sorted by → SQL."""
MOST_SORTED: Final = 10_000
"""How many orders a page sorts by another thing than the date, of which alone there is an index."""
KEYS: Final = {
    "dataset": "dataset = of.key",
    "partner": "partner = of.key::uuid",
    "sector": "partner = of.key::uuid",
    "way": "way = of.key",
    "vat": "vat = of.key",
}
"""Each side → how an entry has one of its keys."""


class Number(Struct, frozen=True):
    """A number of `list_revenue`: which side, which key of it, and its days, both included."""

    side: str
    key: str
    first: dt.date
    last: dt.date


class BehindRow(Struct, frozen=True):
    """An entry behind a number of revenue, with its order and its signed cents."""

    entry: int
    kind: str
    at: dt.datetime
    purchase_order: uuid.UUID
    number: str
    net_minor: int
    vat_minor: int


async def list_behind(number: Number, kind: str = "", sort: str = "", page: int = 1) -> Paged[BehindRow]:
    """Return the entries behind a number of `list_revenue`, of one kind unless it is empty, in an order of `SORTS`.

    Those of all kinds add up to it.
    """
    return paged(await _list_behind(number, kind, sort, PAGE_SIZE + 1, offset(page)), page)


async def list_all_behind(number: Number, kind: str = "", sort: str = "") -> list[BehindRow]:
    """Return the same in one list."""
    return await _list_behind(number, kind, sort, LARGEST_FILE_ROWS, 0)


async def _list_behind(number: Number, kind: str, sort: str, limit: int, skipped: int) -> list[BehindRow]:
    order = SORTS.get(sort, SORTS[""])
    kept = f"""
        SELECT kept.entry, kept.kind, kept.at, kept.purchase_order, kept.number, kept.net_minor, kept.vat_minor
        FROM unnest($6::text[]) AS asked (kind)
        CROSS JOIN unnest($7::text[]) AS of (key)
        CROSS JOIN LATERAL (
            SELECT * FROM revenue_entry
            WHERE revenue_entry.kind = asked.kind AND at >= $3 AND at < $4 AND {KEYS[number.side]}
            ORDER BY {order} LIMIT $8::bigint + $9::bigint
        ) AS kept"""
    found = (
        f"SELECT * FROM ({kept} UNION ALL {SQL['list_unsummed_behind']}) AS found ORDER BY {order} LIMIT $8 OFFSET $9"
    )
    given = number.side, [kind] if kind else KINDS, await _keys_of(number), limit, skipped
    return await fetch_rows(BehindRow, found, *SOLD, *bounds_of(number.first, number.last), *given)


async def _keys_of(number: Number) -> list[str]:
    """Return the keys that an entry behind a number has, of its side: a partner that there is, or those of a sector."""
    if number.side not in {"partner", "sector"}:
        return [number.key]
    return await fetch_scalar(list, SQL["list_partners_of"], number.side, number.key) or []
