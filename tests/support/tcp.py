"""A port of this machine that leads to the tests' server, which listens in a folder, and that can fall silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            await passes.wait()
            writer.write(piece)
    writer.close()


@contextlib.asynccontextmanager
async def over_tcp(folder: str) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Lead a port of this machine to the server that listens in a folder, and nothing further while the event is cleared."""
    passes = asyncio.Event()
    passes.set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near, far = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await asyncio.gather(_pass_on(reader, far, passes), _pass_on(near, writer, passes))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], passes
    finally:
        server.close()
