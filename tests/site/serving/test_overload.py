"""Beyond its connections the site lets some requests wait for a moment, and refuses the others: never 500, never late."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from litestar import get
from litestar.types import ASGIApp

from marketplace.core import database
from marketplace.core.database import DB, execute, fetch_scalar, transaction
from marketplace.core.errors import Busy
from marketplace.core.pools import LONGEST_WAIT_SECONDS, WAITING_A_CONNECTION
from marketplace.core.settings import settings
from marketplace.people.identity.sessions import create_session
from marketplace.site.app import create_app
from tests.people.builders import add_staff
from tests.support.owner import as_owner
from tests.support.tcp import over_tcp
from tests.support.waiting import until


@get("/api/three-statements")
async def three_statements() -> int:
    async with transaction():
        await execute("SELECT pg_sleep(0.05)")
        await execute("SELECT pg_sleep(0.05)")
    return await fetch_scalar(int, "SELECT 3") or 0


@get("/api/asleep")
async def asleep() -> str:
    await execute("SELECT pg_sleep(3)")
    return "awake"


@get("/api/changes")
async def changes() -> str:
    async with transaction():
        await execute("INSERT INTO job_run (job, slot, missed, started_at) VALUES ('slow', now(), 0, now())")
        await execute("SELECT pg_sleep(0.2)")
    return "done"


@pytest.fixture
async def session() -> str:
    """Return the secret of somebody's session, made before the pool is narrow."""
    return await create_session(await add_staff("steward@people.example", "Steward", "steward", "a long password 1"))


@pytest.fixture
async def narrow_pool(database_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Give a way to open the pool as a site does, with few connections."""
    await database.close_pool()

    async def open_narrow(size: int, url: str = database_url) -> None:
        await database.open_pool(url, size=size, is_bounded=True)

    yield open_narrow
    await database.close_pool()
    await database.open_pool(database_url)


def asked(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://site.example", timeout=60)


async def timed(client: httpx.AsyncClient, path: str, **named: Any) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = await client.get(path, **named)
    return answer, time.monotonic() - began


async def test_beyond_the_connections_some_wait_and_the_others_are_refused_at_once(
    session: str, narrow_pool: Callable[..., Any]
) -> None:
    await narrow_pool(2)
    async with asked(create_app(manages_pool=False, further_routes=[asleep, three_statements])) as client:
        blockers = [asyncio.create_task(timed(client, "/api/asleep")) for _ in range(2)]
        await until(lambda: DB.pool is not None and DB.pool.get_idle_size() == 0 and DB.pool.get_size() == 2)
        client.cookies.set("session", session)
        pages = [timed(client, "/fr/sessions") for _ in range(40)]
        answers = await asyncio.gather(*pages)
        assert {answer.status_code for answer, _ in answers} == {503}, "both connections are in use for three seconds"
        at_once = [seconds for _, seconds in answers if seconds < LONGEST_WAIT_SECONDS / 2]
        assert len(at_once) >= 40 - 2 * WAITING_A_CONNECTION, "the queue is bounded"
        assert max(seconds for _, seconds in answers) < LONGEST_WAIT_SECONDS + 1
        page, _ = answers[0]
        assert page.headers["retry-after"] == "5"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "content-security-policy" in page.headers
        for words in (
            "<h1>Un instant</h1>",
            "Trop de requêtes arrivent en ce moment\u202f; réessayez dans 5 secondes.",
            "</html>",
        ):
            assert words in page.text
        for answer, _ in await asyncio.gather(*blockers):
            assert answer.text == "awake", "what has begun ends"
        page, _ = await timed(client, "/fr/sessions")
        assert page.status_code == 200


async def test_a_request_that_has_had_a_connection_is_not_refused_for_the_queues_length(
    narrow_pool: Callable[..., Any],
) -> None:
    await narrow_pool(1)
    async with asked(create_app(manages_pool=False, further_routes=[three_statements])) as client:
        answers = [one for one, _ in await asyncio.gather(*(timed(client, "/api/three-statements") for _ in range(30)))]
    assert {one.status_code for one in answers} == {200, 503}
    for one in answers:
        assert one.text == "3" or one.json()["detail"].startswith("Too many requests come in just now"), one.text
        assert one.status_code == 200 or one.headers["retry-after"] == "5"


async def test_at_the_servers_limit_of_connections_requests_share_those_that_there_are(
    narrow_pool: Callable[..., Any], database_url: str
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    await as_owner(f"ALTER DATABASE {name} CONNECTION LIMIT 2")
    try:
        await narrow_pool(10)
        async with asked(create_app(manages_pool=False, further_routes=[three_statements])) as client:
            answers = await asyncio.gather(*(timed(client, "/api/three-statements") for _ in range(10)))
        assert {answer.status_code for answer, _ in answers} <= {200, 503}
        assert sum(answer.status_code == 200 for answer, _ in answers) >= 5
    finally:
        await as_owner(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


@pytest.mark.long
async def test_the_deadline_holds_while_the_database_is_silent(
    narrow_pool: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"host=([^&]+)", database_url)
    assert found
    monkeypatch.setenv("PARTAGE_REQUEST_SECONDS", "1")
    settings.cache_clear()
    async with over_tcp(found[1]) as (port, passes):
        await narrow_pool(4, database_url.replace("@/", f"@127.0.0.1:{port}/").replace(f"{found[0]}&", ""))
        async with asked(create_app(manages_pool=False, further_routes=[changes, three_statements])) as client:
            assert (await client.get("/api/changes")).text == "done"
            passes.clear()
            silent = await asyncio.gather(
                *(timed(client, path) for path in ("/api/changes", "/api/three-statements") * 8)
            )
            assert {answer.status_code for answer, _ in silent} == {503}
            assert max(seconds for _, seconds in silent) < 5, "one second, and two for what does not end"
            passes.set()

            async def is_served() -> bool:
                return (await client.get("/api/three-statements")).text == "3"

            await until(is_served, 20)
        await database.close_pool()


async def test_a_refusal_says_after_how_long_to_ask_again() -> None:
    assert Busy("Try again in {seconds} seconds.", seconds=5).headers == {"retry-after": "5"}
