"""Whose turn it is to work on a release: one at a time, in any process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from marketplace import database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WAIT_SECONDS = 0.1
"""How often a build asks whether another one of the same release has ended."""


@asynccontextmanager
async def alone(name: str, say: Callable[[str, float], None]) -> AsyncIterator[None]:
    """Let one build of a release run at a time; the lock ends with its connection, so a killed build holds nothing."""
    assert database.DB.pool, "open_pool() first"
    async with database.DB.pool.acquire() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name):
            say("waiting for another build of this release", 0.0)
            await asyncio.sleep(WAIT_SECONDS)
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)
