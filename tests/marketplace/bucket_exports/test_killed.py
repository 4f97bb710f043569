"""A process is killed while it puts a purchase into a bucket: the object is whole or absent, and in the end put there once."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.bucket_exports import actions, rules
from marketplace.database import execute
from marketplace.identity.actors import Actor
from marketplace.settings import settings
from tests.marketplace.bucket_exports.test_buckets import form_of, objects
from tests.marketplace.identity.site import Browser
from tests.marketplace.purchases.shop import make_buyer, make_sale, open_shop
from tests.support.reads import fetch_one, fetch_value
from tests.support.s3_server import serving_s3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

ROOT = Path(__file__).resolve().parents[3]
FILL = """
import asyncio
from marketplace import database
from marketplace.bucket_exports.actions import fill_buckets
from marketplace.settings import settings

async def main():
    await database.open_pool(settings().database_url, size=2)
    assert await fill_buckets() == 1

asyncio.run(main())
"""


class Wire:
    """Between the site and the bucket's server: stops a request after some bytes of it, or its answer."""

    def __init__(self, server: str) -> None:
        self.server = server.removeprefix("http://").split(":")
        self.bytes_let_through: int | None = None
        self.stops_answers = False
        self.stopped, self.cut = asyncio.Event(), asyncio.Event()

    def stop(self, *, after: int | None) -> None:
        """Stop the next request after so many bytes; None: stop its answer."""
        self.bytes_let_through, self.stops_answers = after, after is None
        self.stopped, self.cut = asyncio.Event(), asyncio.Event()

    def let_through(self) -> None:
        self.bytes_let_through, self.stops_answers = None, False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(*self.server)
        up = asyncio.create_task(self._pass(reader, here, self.bytes_let_through, is_stopped=False))
        down = asyncio.create_task(self._pass(there, writer, None, is_stopped=self.stops_answers))
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for end in (here, writer):
            end.close()
        await asyncio.gather(up, down, return_exceptions=True)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int | None, *, is_stopped: bool
    ) -> None:
        passed = 0
        while data := await source.read(1 << 16):
            if is_stopped or (most is not None and passed + len(data) > most):
                sink.write(b"" if is_stopped or most is None else data[: most - passed])
                await sink.drain()
                self.stopped.set()
                await self.cut.wait()
                return
            passed += len(data)
            sink.write(data)
            await sink.drain()


@contextlib.asynccontextmanager
async def wire_to(server: str) -> AsyncIterator[tuple[Wire, str]]:
    wire = Wire(server)
    listening = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    yield wire, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def killed(wire: Wire, *, after: int | None) -> None:
    """Kill a process of its own in the middle of a request, or before it hears the answer."""
    await execute("UPDATE bucket_delivery SET next_at = $1", clock.now())
    wire.stop(after=after)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", FILL, cwd=ROOT, env=os.environ.copy())
    try:
        await asyncio.wait_for(wire.stopped.wait(), 120)
    finally:
        process.kill()
        await process.wait()
        wire.cut.set()
        wire.let_through()
    assert await actions.fill_buckets() == 0, "it is the dead one's for a quarter of an hour"


async def test_the_object_is_whole_or_absent_and_put_there_once(stripe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_WEBHOOK_NETWORKS", "127.0.0.0/8")
    settings.cache_clear()
    release, partner = await open_shop(), await make_buyer()
    who = Actor("Claire", person=await fetch_value("SELECT id FROM person"), partner=partner)
    with serving_s3() as s3:
        async with wire_to(s3.url) as (wire, address), Browser() as buyer:
            written = rules.Written(**form_of(s3, endpoint=address, prefix="partage"))
            await actions.add_bucket(who, written, bucket_id=uuid.uuid4())
            await buyer.sign_in("atelier@partner.example")
            await make_sale(buyer, partner, release)
            sealed, before = await fetch_value("SELECT cells_sha256 FROM release"), objects(s3)
            for after in (2_000, None):
                await killed(wire, after=after)
                found = {name: body for name, body in objects(s3).items() if name not in before}
                assert [hashlib.sha256(body).hexdigest() for body in found.values()] == [sealed] * (after is None)
                left = await fetch_one("SELECT delivered_at, attempts FROM bucket_delivery")
                assert left
                assert left["delivered_at"] is None
            with clock.shifted(actions.CLAIMED_FOR + dt.timedelta(seconds=1)):
                assert await actions.fill_buckets() == 1
                assert await actions.fill_buckets() == 0
            assert await fetch_one("SELECT delivered_at IS NOT NULL, last_answer FROM bucket_delivery") == (True, "")
            assert objects(s3).keys() - before.keys() == found.keys()
            assert await fetch_value("SELECT count(*) FROM download") == 1
    assert stripe
