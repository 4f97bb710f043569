"""A pool of connections whose callers wait in a bounded queue: beyond it they are refused, and may ask again in seconds.

The rule this file keeps: a site with more to do than its connections can carry answers some in time and refuses the
others at once, and what it has begun it ends. A caller that has had a connection is not refused for the queue's length.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import Any, Final

import structlog
from asyncpg.exceptions import TooManyConnectionsError
from asyncpg.pool import Pool

from marketplace.core.errors import Busy

LONGEST_WAIT_SECONDS: Final = 0.9
"""So that who is refused has waited for less than a second."""
LONGEST_WAIT_ONCE_BEGUN_SECONDS: Final = 10.0
WAITING_A_CONNECTION: Final = 10
"""Callers that may wait for a first connection, for each connection of the pool."""
RETRY_SECONDS: Final = 0.05
"""Between two tries of a server that has no connection left: one of our own may be free by then."""
RELEASE_SECONDS: Final = 2.0
"""After so long a connection that does not come to rest, as on a server that is silent, is ended."""
AGAIN_SECONDS: Final = 5
SAY_AGAIN_SECONDS: Final = 10.0
BUSY: Final = "Too many requests come in just now; try again in {seconds} seconds."
log = structlog.get_logger(__name__)
has_begun: ContextVar[bool] = ContextVar("has_begun", default=False)
"""Whether this request has had a connection, or waits as one that has; each begins with its own value."""


class BoundedPool(Pool):
    """asyncpg's pool, which refuses as Busy who would wait too long for a connection, or behind too many."""

    __slots__ = ("_said_at", "_waiting")

    def __init__(self, **named: Any) -> None:  # noqa: ANN401 (asyncpg's own)
        """Wait for nobody yet."""
        super().__init__(**named)
        self._waiting, self._said_at = 0, float("-inf")

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ANN401, ASYNC109 (asyncpg's signature)
        """Return a connection, as `Pool.acquire` does in the end."""
        is_first = not has_begun.get()
        if is_first and self._waiting >= WAITING_A_CONNECTION * self.get_max_size():
            raise self._busy()
        longest = LONGEST_WAIT_SECONDS if is_first else LONGEST_WAIT_ONCE_BEGUN_SECONDS
        self._waiting += 1
        try:
            is_full = self._queue is not None and self._queue.empty()
            async with asyncio.timeout(longest if is_full else None):  # to connect is no wait in a queue
                connection = await self._acquire_when_free(time.monotonic() + longest)
        except TimeoutError as error:
            raise self._busy() from error
        finally:
            self._waiting -= 1
        connection._holder._timeout = timeout or RELEASE_SECONDS  # noqa: SLF001 (what `release` reads)
        has_begun.set(True)
        return connection

    async def _acquire_when_free(self, until: float) -> Any:  # noqa: ANN401 (asyncpg's proxy)
        while True:
            try:
                return await super()._acquire(None)
            except TooManyConnectionsError:
                if time.monotonic() > until:
                    raise TimeoutError from None
                await asyncio.sleep(RETRY_SECONDS)

    def _busy(self) -> Busy:
        """Return the refusal; a line of the log says so, at most one in ten seconds."""
        if (now := time.monotonic()) - self._said_at > SAY_AGAIN_SECONDS:
            self._said_at = now
            log.warning("too many requests for the connections", connections=self.get_size(), waiting=self._waiting)
        return Busy(BUSY, seconds=AGAIN_SECONDS)
