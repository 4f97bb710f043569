"""Kill -9 at a chosen statement: a proxy to PostgreSQL that counts a process's statements and kills it at one of them.

The process under test is given this proxy's address and knows nothing else of it. `before`: the statement never arrives.
`after`: it was carried out, and the process dies before it hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOCKET = ".s.PGSQL.5432"
STATEMENTS = (b"Q", b"E")
"""A simple query, and the execution of a prepared one, in PostgreSQL's protocol."""


class Proxy:
    """Relays between a process and PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.upstream = parse_qs(urlsplit(url).query)["host"][0]
        self.folder = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
        self.url = url.replace(self.upstream, str(self.folder))
        self.victim: Any = None
        self.seen = 0
        self.at: int | None = None
        self.after = False
        self.struck = asyncio.Event()

    def arm(self, victim: Any, at: int | None, *, after: bool) -> None:
        """Count from now; kill `victim` at its statement number `at`, from 1; None: only count."""
        self.victim, self.seen, self.at, self.after = victim, 0, at, after
        self.struck = asyncio.Event()

    def strike(self) -> None:
        self.victim.process.kill() if hasattr(self.victim, "process") else self.victim.kill()
        self.struck.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(f"{self.upstream}/{SOCKET}")
        is_sent = asyncio.Event()  # the fatal statement is on its way
        try:
            tasks = [
                asyncio.create_task(self._ask(reader, here, is_sent)),
                asyncio.create_task(self._answer(there, writer, is_sent)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            here.close()
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, here: asyncio.StreamWriter, is_sent: asyncio.Event) -> None:
        size = await reader.readexactly(4)
        here.write(size + await reader.readexactly(int.from_bytes(size) - 4))
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            if self.victim is not None and head[:1] in STATEMENTS:
                self.seen += 1
                if self.seen == self.at:
                    if not self.after:
                        self.strike()
                        return
                    is_sent.set()
            here.write(head + body)
            await here.drain()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, is_sent: asyncio.Event) -> None:
        while True:
            head = await there.readexactly(5)
            body = await there.readexactly(int.from_bytes(head[1:]) - 4)
            if is_sent.is_set() and head[:1] == b"Z":
                self.strike()
                return
            writer.write(head + body)
            await writer.drain()


@contextlib.asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Open a proxy to the database at `url`."""
    made = Proxy(url)
    server = await asyncio.start_unix_server(made._serve, path=str(made.folder / SOCKET))
    try:
        yield made
    finally:
        server.close()
        shutil.rmtree(made.folder, ignore_errors=True)
