"""Exclusive work: one task of any process at a time under a name, by PostgreSQL's advisory locks.

`lock` and `try_lock` last until the open transaction ends. `exclusive` outlasts transactions: its lock belongs to a
session, on a connection outside the pool, because work may need the whole pool. A process that dies releases its locks
with its connection, once PostgreSQL notices. So a caller that finds a lock in use waits or tries again, and never
reports that there is nothing to do. Tasks of one process wait for each other without a connection.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from marketplace.core.database import DB, execute, fetch_scalar, is_in_transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import asyncpg

_KEY: Final = "hashtextextended($1, 0)"
"""The number of a name, in SQL; triggers that share a lock compute it too."""
RETRY_SECONDS = 0.1
"""How long a task waits before it asks again whether another process has released the lock."""
_in_this_process: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Locks that tasks of this process have or wait for, by name."""


async def lock(name: str) -> None:
    """Wait for the lock `name`, which lasts until the open transaction ends; refuse to be called outside one."""
    assert is_in_transaction(), "a lock lives as long as its transaction"
    await execute(f"SELECT pg_advisory_xact_lock({_KEY})", name)


async def try_lock(name: str) -> bool:
    """Acquire the lock `name` until the open transaction ends and return True, or return False if it is not free."""
    assert is_in_transaction(), "a lock lives as long as its transaction"
    return bool(await fetch_scalar(bool, f"SELECT pg_try_advisory_xact_lock({_KEY})", name))


class LockSession:
    """One connection outside the pool for locks; it opens at the first lock."""

    def __init__(self) -> None:
        """Do not connect yet."""
        self._connection: asyncpg.Connection | None = None
        self._one_statement = asyncio.Lock()

    async def try_lock(self, name: str) -> bool:
        """Acquire the lock `name` and return True, or return False when another session has it."""
        return await self._ask(f"SELECT pg_try_advisory_lock({_KEY})", name)

    async def unlock(self, name: str) -> None:
        """Release the lock `name`."""
        await self._ask(f"SELECT pg_advisory_unlock({_KEY})", name)

    async def _ask(self, sql: str, name: str) -> bool:
        async with self._one_statement:
            if self._connection is None or self._connection.is_closed():
                self._connection = await DB.get_new_connection()
            return bool(await self._connection.fetchval(sql, name))

    async def close(self) -> None:
        """Release every lock of this session."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


@asynccontextmanager
async def exclusive(
    name: str, *, wait: bool = True, session: LockSession | None = None, on_wait: Callable[[], None] | None = None
) -> AsyncIterator[bool]:
    """Lock `name` during the block; yields whether this task has it.

    wait: whether to wait until the lock is free; otherwise yields False at once if another task has it. session: a
    session that several locks share; by default the lock opens its own and closes it. on_wait: called each time another
    task has the lock.
    """
    here = _in_this_process.setdefault(name, asyncio.Lock())
    if here.locked():
        if not wait:
            yield False
            return
        if on_wait:
            on_wait()
    async with here:
        used = session or LockSession()
        try:
            while not (is_ours := await used.try_lock(name)) and wait:
                if on_wait:
                    on_wait()
                await asyncio.sleep(RETRY_SECONDS)
            try:
                yield is_ours
            finally:
                if is_ours and session is not None:
                    await session.unlock(name)
        finally:
            if session is None:
                await used.close()
