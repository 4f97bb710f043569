"""What a test reads of the database to compare with what it expects: any statement, rows as they come.

The product's reads are typed; a test's are one of a kind, and what it compares them with states what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.database import _joined

if TYPE_CHECKING:
    import asyncpg


async def fetch(sql: str, *values: object) -> list[asyncpg.Record]:
    """Return all rows of `sql`, whose parameters are $1, $2, …, inside the open transaction or on their own."""
    return list(await _joined().fetch(sql, *values))


async def fetch_one(sql: str, *values: object) -> asyncpg.Record | None:
    """Return the first row of `sql`, or None."""
    return await _joined().fetchrow(sql, *values)


async def fetch_value(sql: str, *values: object) -> Any:
    """Return the first column of the first row of `sql`, or None."""
    return await _joined().fetchval(sql, *values)
