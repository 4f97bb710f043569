"""Files that the kernel sends, over real sockets: whole, in parts, to readers who are slow or leave, and to none once it has ended."""

import contextlib
from typing import Any

import httpx
import pytest

from marketplace.core import object_store
from marketplace.core.database import execute
from marketplace.core.errors import Expired
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.file_pages import ZERO_COPY
from marketplace.delivery.links.file_pages import ROUTE, WholeFiles
from tests.delivery.builders import LARGE, begin_download, customers, downloads, grow, path_of_link
from tests.support.clients import serving_site
from tests.support.reads import fetch_value
from tests.support.s3_server import serving_s3


def _lasting(answer: httpx.Response) -> dict[str, str]:
    """Return the headers of an answer that are the same in the next one."""
    return {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}


async def test_the_kernel_sends_the_sealed_bytes_and_they_are_recorded(stripe: Any) -> None:
    async for customer in customers(20_000):
        sealed = await object_store.get(object_store.cells_key(customer.bought["release"]))
        path = await path_of_link(customer)
        async with serving_site() as address, httpx.AsyncClient(base_url=address) as program:
            for _ in range(2):
                whole = await program.get(path)
                assert whole.content == sealed
            assert whole.headers["content-length"] == str(len(sealed))
            assert whole.headers["referrer-policy"] == "no-referrer"
            assert await downloads() == [("parquet", len(sealed))] * 2
            for wanted in (slice(0, 1), slice(5, 50_000), slice(len(sealed) - 3, len(sealed))):
                part = await program.get(path, headers={"range": f"bytes={wanted.start}-{wanted.stop - 1}"})
                assert (part.status_code, part.content) == (206, sealed[wanted])
            assert (await program.head(path)).headers["content-length"] == str(len(sealed))
            assert len(await downloads()) == 2, "parts of a file that was downloaded"
    assert stripe


async def test_a_whole_file_comes_alike_before_and_through_the_framework(stripe: Any) -> None:
    async for customer in customers(20_000):
        path = await path_of_link(customer)
        altered, nowhere = path[:-1] + ("A" if path[-1] != "A" else "B"), path.replace("cells.parquet", "cells.exe")
        async with serving_site() as address, httpx.AsyncClient(base_url=address) as program:
            for asked, status in ((path, 200), (altered, 404), (nowhere, 404), (path.replace("-", "", 1), 200)):
                before = await program.get(asked)
                through = await program.get(asked, headers={"cookie": "a=b"})
                assert (before.status_code, through.status_code) == (status, status)
                if status == 200:
                    assert before.content == through.content
                    assert _lasting(before) == _lasting(through)
            await execute("UPDATE personal_link SET revoked_at = now()")
            assert (await program.get(path)).status_code == 410
        assert ROUTE == "/files/{link}/{name}", "what the framework calls it"
        assert len(await downloads()) == 4
    assert stripe


async def test_what_lies_in_no_folder_is_looked_up_by_the_framework_alone(stripe: Any) -> None:
    used: list[object] = []

    async def framework(scope: Any, receive: Any, send: Any) -> None:
        used.append((await fetch_value("SELECT last_used_at FROM personal_link"), scope["path"], receive, send))

    with serving_s3() as server:
        server.choose()
        async for customer in customers():
            path, _, query = (await path_of_link(customer)).partition("?")
            asked = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
            nothing: Any = None
            await WholeFiles(framework)(asked | {"extensions": {ZERO_COPY: {}}}, nothing, nothing)
            assert used == [(None, path, None, None)]
    object_store.open_at.cache_clear()
    assert stripe


async def test_a_slow_reader_is_cut_off_when_the_link_ends_and_one_that_leaves_is_recorded(
    stripe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CHECK_SECONDS", 0.1)
    async for customer in customers(20_000):
        grow(customer)
        path = await path_of_link(customer)
        async with serving_site() as address:
            async with begin_download(address, path) as (_, writer):
                writer.transport.abort()
            async with begin_download(address, path) as (reader, _):
                await reader.readexactly(1 << 20)
                await execute("UPDATE personal_link SET revoked_at = now()")
                received = 1 << 20
                with contextlib.suppress(ConnectionError):
                    while piece := await reader.read(1 << 20):
                        received += len(piece)
                assert received < LARGE
        assert len(await downloads()) == 2
    assert stripe


async def test_no_last_byte_leaves_before_the_download_is_recorded(
    stripe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_given: Any, **_named: Any) -> None:
        raise Expired("This licence has ended; its data can no longer be downloaded.")

    async for customer in customers(20_000):
        path = await path_of_link(customer)
        monkeypatch.setattr(delivery, "record_download", refuse)
        async with serving_site() as address, httpx.AsyncClient(base_url=address) as program:
            with pytest.raises(httpx.RemoteProtocolError):
                await program.get(path)
        assert await downloads() == []
    assert stripe
