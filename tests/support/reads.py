"""What a test reads of the database to compare with what it expects: any statement, rows as they come.

The product's reads are typed; a test's are one of a kind, and what it compares them with states what they are.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, Final

import asyncpg

from marketplace.core.database import DB, _joined

ORDERED: Final = """(
    SELECT purchase_order.*, quote.id AS quote, quote.release, quote.months, quote.amount_minor
    FROM purchase_order
    JOIN order_lot ON order_lot.purchase_order = purchase_order.id
    JOIN quote ON quote.id = order_lot.quote
) AS ordered"""
"""Each lot of each order."""


async def fetch(sql: str, *values: object) -> list[asyncpg.Record]:
    """Return all rows of `sql`, whose parameters are $1, $2, …, inside the open transaction or on their own."""
    return list(await _joined().fetch(sql, *values))


async def fetch_one(sql: str, *values: object) -> asyncpg.Record | None:
    """Return the first row of `sql`, or None."""
    return await _joined().fetchrow(sql, *values)


async def fetch_value(sql: str, *values: object) -> Any:
    """Return the first column of the first row of `sql`, or None."""
    return await _joined().fetchval(sql, *values)


@asynccontextmanager
async def statements_sent() -> AsyncIterator[list[str]]:
    """Fill a list with the statements that the pool's connections send inside the block."""
    sent: list[str] = []

    def note(record: Any) -> None:
        sent.append(record.query)

    async def every_connection(stack: AsyncExitStack) -> list[Any]:
        assert DB.pool
        return [await stack.enter_async_context(DB.pool.acquire()) for _ in range(DB.pool.get_max_size())]

    async with AsyncExitStack() as stack:
        for connection in await every_connection(stack):
            connection.add_query_logger(note)
    yield sent
    async with AsyncExitStack() as stack:
        for connection in await every_connection(stack):
            connection.remove_query_logger(note)


async def list_facts(after: int = 0) -> list[SimpleNamespace]:
    """Return the facts for the public log with numbers greater than `after`, in their order."""
    rows = await fetch("SELECT id, kind, subject, statement, at FROM log_fact WHERE id > $1 ORDER BY id", after)
    return [SimpleNamespace(**row) for row in rows]
