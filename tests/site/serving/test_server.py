"""The server over real sockets: contradictory and half-sent requests, and connections by address."""

import asyncio
import contextlib
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import pytest
import uvicorn

from marketplace.core.settings import settings
from marketplace.site.app import create_app
from marketplace.site.serving.server import StrictProtocol, configured, keep_loaded
from tests.support.waiting import until

ONE = b"POST / HTTP/1.1\r\nhost: x\r\n"


async def answer_length(_scope: Any, receive: Any, send: Any) -> None:
    """Answer with how long the body was."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    text = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@contextlib.asynccontextmanager
async def serving_slowly(seconds: float = 30.0, app: Any = answer_length) -> AsyncIterator[int]:
    """Serve, waiting so long for the rest of a request; yields the port."""
    how: dict[str, Any] = {"head_seconds": seconds, "body_seconds": seconds}
    site = uvicorn.Server(configured(app, port=0, log_level="critical", lifespan="off", **how))
    running = asyncio.create_task(site.serve())
    await until(lambda: site.started)
    try:
        yield site.servers[0].sockets[0].getsockname()[1]
    finally:
        site.should_exit = True
        await running


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Send pieces on one connection and return all that comes until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def test_a_request_with_both_a_length_and_chunks_is_refused() -> None:
    smuggled = (
        ONE + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    async with serving_slowly() as port:
        answer = await exchange(port, smuggled)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1, "and what follows is not read as another request"
        chunks = ONE + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        assert (await exchange(port, chunks)).endswith(b"\r\n\r\n3")
        assert (await exchange(port, ONE + b"content-length: 2\r\nconnection: close\r\n\r\nab")).endswith(b"\r\n\r\n2")


@pytest.mark.parametrize("half", [ONE, ONE + b"content-length: 5\r\n\r\nab"])
async def test_half_a_request_is_given_up(half: bytes) -> None:
    async with serving_slowly(0.2) as port:
        assert (await exchange(port, half)).startswith(b"HTTP/1.1 408 ")


async def test_half_a_second_request_on_a_connection_is_given_up_too() -> None:
    async with serving_slowly(0.2) as port:
        answer = await exchange(port, ONE + b"content-length: 1\r\n\r\na", ONE)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answer


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving_slowly(0.2) as port:
        assert await exchange(port) == b""


async def test_a_sender_who_leaves_half_way_is_no_failure_of_ours(
    pool: None,  # noqa: ARG001 (a database)
    capsys: pytest.CaptureFixture[str],
) -> None:
    logged: list[dict[str, Any]] = []

    def has_a_line() -> bool:
        logged.extend(json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
        return bool(logged)

    async with serving_slowly(app=create_app(manages_pool=False, access_log=True)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        kind = b"content-type: application/x-www-form-urlencoded\r\n"
        writer.write(b"POST /en/sign-in HTTP/1.1\r\nhost: x\r\n" + kind + b"content-length: 30\r\n\r\nemail=")
        await writer.drain()
        writer.close()
        await until(has_a_line)
    assert [line["status"] for line in logged] == [400]


async def test_a_broken_chunk_fills_no_log(
    pool: None,  # noqa: ARG001 (a database)
    capfd: pytest.CaptureFixture[str],
) -> None:
    paths = (b"/", b"/en/sign-in", b"/healthz", b"/webhooks/stripe", b"/api/v1/orders")
    async with serving_slowly(app=create_app(manages_pool=False)) as port:
        for path in paths:
            head = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            await exchange(port, head + b"5\nabcdefgh\r\n")
    written = "".join(capfd.readouterr())
    assert "Traceback" not in written, written
    assert len(written.splitlines()) <= len(paths), written


async def test_a_head_that_never_ends_is_malformed() -> None:
    async with serving_slowly() as port:
        assert (await exchange(port, ONE + b"x: " + b"y" * 40_000)).startswith(b"HTTP/1.1 400 ")


async def test_a_long_head_that_comes_whole_is_malformed() -> None:
    async with serving_slowly() as port:
        assert (await exchange(port, ONE + b"x: " + b"y" * 40_000 + b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await exchange(port, ONE + b"x: " + b"y" * 30_000 + b"\r\nconnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 200 "
        )


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow an address two connections, this machine's own too."""
    monkeypatch.setenv("PARTAGE_PROXIES", "")
    monkeypatch.setenv("PARTAGE_CONNECTIONS_AN_ADDRESS", "2")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.usefixtures("two")
async def test_an_address_has_so_many_connections() -> None:
    async with serving_slowly() as port:
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await until(lambda: StrictProtocol.open_connections["127.0.0.1"] == 2)
        assert (await exchange(port)).startswith(b"HTTP/1.1 429 ")
        for _, writer in open_ones:
            writer.close()
        await until(lambda: not StrictProtocol.open_connections)
        assert (await exchange(port, ONE + b"content-length: 0\r\nconnection: close\r\n\r\n")).endswith(b"0")


@pytest.mark.long
def test_what_is_loaded_lasts_and_waste_does_not() -> None:
    class Loaded:
        itself: Self

    loaded, waste, later_waste = Loaded(), Loaded(), Loaded()
    waste.itself, later_waste.itself = waste, later_waste
    of_waste, of_later_waste = weakref.ref(waste), weakref.ref(later_waste)
    del waste
    keep_loaded()
    assert of_waste() is None
    assert not any(one is loaded for one in gc.get_objects()), "the collector goes through it no more"
    del later_waste
    keep_loaded()
    assert of_later_waste() is None
