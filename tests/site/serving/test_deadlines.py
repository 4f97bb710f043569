"""A request that takes too long is given up with 503 and its transaction with it; what has begun goes on."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import get
from litestar.response import Stream

from marketplace.core.database import execute, transaction
from marketplace.core.settings import settings
from marketplace.site.app import create_app
from tests.support.reads import fetch_value
from tests.support.waiting import until


@get("/api/slow")
async def slow() -> str:
    async with transaction():
        await execute("INSERT INTO job_run (job, slot, missed, started_at) VALUES ('slow', now(), 0, now())")
        await asyncio.Event().wait()
    return "never"


@get("/slow-page")
async def slow_page() -> str:
    await asyncio.Event().wait()
    return "never"


@get("/slow-file")
async def slow_file() -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        began = time.monotonic()
        for piece in range(4):
            await until(lambda number=piece: time.monotonic() > began + 0.4 * number)
            yield b"piece"

    return Stream(pieces())


@pytest.mark.long
async def test_a_request_that_takes_too_long_is_given_up(pool: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 (a database)
    monkeypatch.setenv("PARTAGE_REQUEST_SECONDS", "1")
    settings.cache_clear()
    app = create_app(manages_pool=False, further_routes=[slow, slow_page, slow_file])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as client:
        began = time.monotonic()
        problem, page, file = await asyncio.gather(
            client.get("/api/slow"), client.get("/fr/slow-page"), client.get("/en/slow-file")
        )
        assert time.monotonic() - began < 5
    assert problem.status_code == page.status_code == 503
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["request"] == problem.headers["x-request-id"]
    assert problem.headers["retry-after"] == "60"
    assert "<h1>Un instant</h1>" in page.text, "on the site's own page"
    assert "Cela prend trop de temps" in page.text
    assert file.text == "piece" * 4
    assert await fetch_value("SELECT count(*) FROM job_run") == 0
