"""Whose turn it is to work on a release: one at a time, in any process.

The lock lives on a connection of its own, outside the pool, which the work may need to the last; whoever waits in the
same process waits without one.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from marketplace import database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WAIT_SECONDS = 0.1
"""How often it is asked whether another process has ended its turn."""
_here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Turns taken or awaited in this process, by name."""


@asynccontextmanager
async def alone(name: str, say: Callable[[str, float], None], share: float = 0.0) -> AsyncIterator[None]:
    """Let one of that name run at a time; the lock ends with its connection, so who is killed holds nothing.

    share: how far the work is that waits.
    """
    here = _here.setdefault(name, asyncio.Lock())
    if here.locked():
        say("waiting for its turn", share)
    async with here:
        connection = await database.DB.get_new_connection()
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name):
                say("waiting for its turn", share)
                await asyncio.sleep(WAIT_SECONDS)
            yield
        finally:
            await connection.close()
