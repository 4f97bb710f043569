"""Limits: the arithmetic of a window, what callers read of it, and that one caller's flood is not another's."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.settings import settings
from marketplace.site.serving.limits import Limits
from marketplace.site.serving.rules import WINDOW_SECONDS, Limiter, address_of
from tests.support.sites import the_site
from tests.support.waiting import until


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Allow three requests a minute by address, two by key, one live page."""
    monkeypatch.setenv("PARTAGE_ADDRESS_LIMIT", "3")
    monkeypatch.setenv("PARTAGE_KEY_LIMIT", "2")
    monkeypatch.setenv("PARTAGE_STREAMS_AN_ADDRESS", "1")
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


@given(st.integers(1, 200), st.lists(st.floats(0, 20), max_size=400))
def test_no_window_has_more_than_twice_the_quota_and_no_even_caller_waits(quota: int, gaps: list[float]) -> None:
    limiter, now, granted = Limiter(quota), 1000.0, list[float]()
    for gap in gaps:
        now += gap
        if not limiter.ask("flood", now).wait_seconds:
            granted.append(now)
    for first in granted:
        assert sum(first <= at < first + WINDOW_SECONDS for at in granted) <= 2 * quota
    even = Limiter(quota)
    assert not any(even.ask("even", n * WINDOW_SECONDS / quota).wait_seconds for n in range(3 * quota))


@given(st.integers(1, 50))
def test_a_caller_spends_its_quota_at_once_then_waits_as_long_as_the_answer_states(quota: int) -> None:
    limiter = Limiter(quota)
    left = [limiter.ask("one", 0.0).remaining for _ in range(quota)]
    assert left == list(range(quota - 1, -1, -1))
    refused = limiter.ask("one", 0.0)
    assert refused.wait_seconds > 0
    assert not limiter.ask("one", float(refused.wait_seconds)).wait_seconds
    assert not limiter.ask("another", 0.0).wait_seconds


def test_memory_is_bounded_and_the_oldest_caller_is_forgotten() -> None:
    limiter = Limiter(1, most_callers=100)
    for caller in range(10_000):
        limiter.ask(caller, 0.0)
    assert len(limiter.callers) == 100
    assert limiter.ask(9_999, 0.0).wait_seconds
    assert not limiter.ask(0, 0.0).wait_seconds


def test_a_line_has_its_whole_network_of_ipv6() -> None:
    assert address_of("192.0.2.7") == "192.0.2.7"
    assert address_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert address_of("2001:db8:1:2:3::4") == address_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert address_of("2001:db8:1:3::4") != address_of("2001:db8:1:2::4")
    assert address_of("testclient") == "testclient"


async def get_from_address(app: Any, address: str, path: str, key: str = "") -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://site.example"
    ) as client:
        return await client.get(path, headers={"authorization": f"Bearer {key}"} if key else {})


async def test_an_address_beyond_its_limit_is_refused_and_others_are_not(few: pytest.MonkeyPatch) -> None:
    del few
    app = the_site()
    answers = [await get_from_address(app, "192.0.2.1", "/en/sign-in") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "<h1>A little slower</h1>" in answers[-1].text, "on the site's own page"
    assert "Too many requests; wait 20 seconds and try again." in answers[-1].text
    assert answers[-1].headers["retry-after"] == "20"
    assert "content-security-policy" in answers[-1].headers
    assert (await get_from_address(app, "192.0.2.2", "/fr/sign-in")).status_code == 200
    assert (await get_from_address(app, "192.0.2.1", "/healthz")).status_code == 200
    assert "attendez" in (await get_from_address(app, "192.0.2.1", "/fr/sign-in")).text


async def test_programs_read_what_they_have_left(few: pytest.MonkeyPatch) -> None:
    del few
    app = the_site()
    first = await get_from_address(app, "192.0.2.1", "/api/v1/keys")
    assert first.headers["ratelimit-policy"] == '"address";q=3;w=60'
    assert first.headers["ratelimit"] == '"address";r=2;t=20'
    answers = [await get_from_address(app, "127.0.0.1", "/api/v1/keys", "secret") for _ in range(3)]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        '"key";r=1',
        '"key";r=0',
        '"key";r=0',
    ]
    problem = answers[-1]
    assert problem.status_code == 429
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many requests; wait 30 seconds and try again.",
        "request": problem.headers["x-request-id"],
    }
    assert (await get_from_address(app, "127.0.0.1", "/api/v1/keys", "another")).status_code == 200


async def test_many_keys_of_one_address_share_its_limit(few: pytest.MonkeyPatch) -> None:
    del few
    app = the_site()
    statuses = [(await get_from_address(app, "192.0.2.1", "/api/v1/me", f"guess {n}")).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


async def test_an_address_has_so_many_live_pages_and_a_closed_one_counts_no_more(few: pytest.MonkeyPatch) -> None:
    del few
    closing, answered = asyncio.Event(), list[int]()

    async def live(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await closing.wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    app: Any = Limits(live)
    scope = {"type": "http", "path": "/auctions/1/stream", "client": ("192.0.2.1", 1), "headers": []}
    first = asyncio.create_task(app(scope, None, send))
    await until(lambda: answered)
    await app(scope, None, send)
    assert answered == [200, 429]
    closing.set()
    await first
    await app(scope, None, send)
    assert answered == [200, 429, 200]
    assert not app.streams


async def test_no_limit_is_asked_of_a_proxy_that_forwards_nobody(few: pytest.MonkeyPatch) -> None:
    few.setenv("PARTAGE_PROXIES", "10.0.0.0/8")
    settings.cache_clear()
    app = the_site()
    assert {(await get_from_address(app, "10.1.2.3", "/api/v1/keys")).status_code for _ in range(6)} == {200}
    assert json.loads((await get_from_address(app, "10.1.2.3", "/api/v1/me")).text)["request"]
