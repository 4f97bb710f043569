"""The pool that one test hands on to the next: its connections have prepared what tests ask again and again."""

from typing import Any

import asyncpg

from marketplace.core import database

OF_TEST = "&application_name=test_"
"""What the addresses of one database end with, and a number: each test has its own."""


class KeptPool:
    """A pool of one loop, open from the first test on; one that a test leaves in a state of its own is closed."""

    def __init__(self) -> None:
        """Begin without one."""
        self._pool: Any = None
        self._url = ""

    async def attach(self, url: str) -> None:
        """Give the test the pool, or a new one where it is closed or of another address."""
        of_database = url.partition(OF_TEST)[0]
        if self._pool is not None and self._url != of_database:
            await self.close()
        if self._pool is None:
            await database.open_pool(url)
            self._pool, self._url = database.DB.pool, of_database
        database.DB.pool, database.DB.config = self._pool, {"dsn": url, "server_settings": database.SESSION}

    async def detach(self) -> None:
        """Take it from the test; keep it where every connection is idle, as new."""
        given, database.DB.pool = database.DB.pool, None
        if given is not self._pool:  # the test opened one of its own
            if given is not None:
                database.DB.pool = given
                await database.close_pool()
            self._forget()
            return
        connections = self._connections()
        if any(holder._in_use for holder in self._pool._holders) or any(one.is_in_transaction() for one in connections):
            self._forget()
            return
        try:
            for one in connections:
                await one.reset()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the test ended it
            self._forget()

    def _forget(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
        self._pool = None

    def _connections(self) -> list[Any]:
        return [holder._con for holder in self._pool._holders if holder.is_connected()] if self._pool else []

    def list_backends(self) -> list[int]:
        """Return the server's process of each connection."""
        return [one.get_server_pid() for one in self._connections()]

    async def close(self) -> None:
        """Close it."""
        database.DB.pool, self._pool = self._pool, None
        await database.close_pool()
