"""The database that a worker's tests share is as new for each of them, to the server's planner too."""

import asyncio

import asyncpg

from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres
from tests.support.databases import SharedDatabase

KNOWN = "SELECT reltuples <> -1 OR EXISTS (SELECT FROM pg_statistic WHERE starelid = oid) FROM pg_class WHERE relname = 'subscriber'"


async def known_after(url: str, *statements: str) -> bool:
    """Return whether the planner knows of lines, after the statements."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
        return bool(await connection.fetchval(KNOWN))
    finally:
        await connection.close()


def test_what_a_test_had_analysed_is_forgotten(shared_database: SharedDatabase, postgres: EmbeddedPostgres) -> None:
    """An emptied table that was analysed counts as empty: two hundred thousand rows were once joined one by one."""
    url = postgres.url(shared_database.make(), SUPERUSER)
    fill = "INSERT INTO subscriber (reference) SELECT generate_series(1, 20000)"
    assert asyncio.run(known_after(url, fill, "ANALYZE subscriber"))
    shared_database.empty([])
    assert not asyncio.run(known_after(url))
