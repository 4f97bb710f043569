"""Signing in and out over HTTP: sessions rotate and expire, guessing is slow and locks nobody out, nothing leads elsewhere."""

import asyncio
import datetime as dt

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.people.identity import actions, passwords, rules
from tests.people.builders import PASSWORD, Browser, make_partner, page_text
from tests.support.reads import fetch_value

CLAIRE = "claire@atelier.example"


async def test_a_sign_in_rotates_the_session_and_ends_the_old_one() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in(CLAIRE)
        first = browser.session()
        assert (await browser.sign_in(CLAIRE)).status_code == 303
        assert browser.session() != first
        async with Browser(browser.app) as thief:
            thief.client.cookies.set("session", first)
            assert (await thief.get("/en/keys")).status_code == 303


async def test_a_planted_session_is_never_adopted() -> None:
    await make_partner()
    async with Browser() as browser:
        browser.client.cookies.set("session", "planted")
        answer = await browser.sign_in(CLAIRE)
        fresh = answer.headers["set-cookie"]
        assert "session=planted" not in fresh
        assert "HttpOnly" in fresh
        assert "SameSite=lax" in fresh
        assert not await fetch_value("SELECT 1 FROM session WHERE token_hash = $1", actions.digest("planted"))


async def test_a_session_expires_and_leads_back_to_where_one_was() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in(CLAIRE)
        assert (await browser.get("/en/keys")).status_code == 200
        with clock.shifted(dt.timedelta(days=8)):
            answer = await browser.get("/en/keys?page=2")
            assert answer.headers["location"] == "/en/sign-in?next=%2Fkeys%3Fpage%3D2"
            answer = await browser.sign_in(CLAIRE, next="/keys?page=2")
            assert answer.headers["location"] == "/en/keys?page=2"


async def test_signing_out_ends_the_session_on_the_server() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in(CLAIRE)
        secret = browser.session()
        assert (await browser.get("/en/keys")).headers["cache-control"] == "private, no-store", "nor on the way back"
        gone = await browser.submit("/en/sign-out", {})
        assert gone.headers["clear-site-data"] == '"cache", "storage"'
        browser.client.cookies.set("session", secret)
        assert (await browser.get("/en/keys")).status_code == 303


async def test_a_new_password_signs_every_other_browser_out() -> None:
    await make_partner()
    async with Browser() as browser, Browser() as other:
        await browser.sign_in(CLAIRE)
        await other.sign_in(CLAIRE)
        wrong = await browser.submit(
            "/en/profile/password", {"current": "wrong wrong wrong", "password": "another long sentence"}
        )
        assert wrong.status_code == 401
        done = await browser.submit("/en/profile/password", {"current": PASSWORD, "password": "another long sentence"})
        assert done.status_code == 303
        assert (await browser.get("/en/keys")).status_code == 200
        assert (await other.get("/en/keys")).status_code == 303
        assert (await other.sign_in(CLAIRE)).status_code == 401
        assert (await other.sign_in(CLAIRE, "another long sentence")).status_code == 303


async def test_guessing_is_refused_after_five_failures_and_the_wait_passes() -> None:
    await make_partner()
    async with Browser() as guesser:
        for _ in range(5):
            assert (await guesser.sign_in(CLAIRE, "guess guess guess")).status_code == 401
        answer = await guesser.sign_in(CLAIRE)
        assert answer.status_code == 429
        assert "wait" in page_text(answer)
        with clock.shifted(rules.FIRST_WAIT):
            assert (await guesser.sign_in(CLAIRE)).status_code == 303


async def test_a_stranger_cannot_lock_out_a_browser_that_signed_in_before() -> None:
    await make_partner()
    async with Browser() as owner, Browser() as stranger:
        await owner.sign_in(CLAIRE)
        await owner.submit("/en/sign-out", {})
        for _ in range(6):
            await stranger.sign_in(CLAIRE, "guess guess guess")
        assert (await stranger.sign_in(CLAIRE)).status_code == 429
        assert (await owner.sign_in(CLAIRE)).status_code == 303
        stranger.client.cookies.set("device", "made-up.0000")
        assert (await stranger.sign_in(CLAIRE)).status_code == 429


async def test_guesses_at_once_cannot_slip_past_the_limit() -> None:
    await make_partner()

    async def guess() -> int:
        try:
            await actions.sign_in(CLAIRE, "guess guess guess")
        except rules.TooManyAttempts:
            return 429
        except rules.WrongSecret:
            return 401
        return 200

    answers = await asyncio.gather(*(guess() for _ in range(12)))
    assert sorted(answers) == [401] * 5 + [429] * 7


async def test_strangers_and_people_look_the_same() -> None:
    await make_partner()
    async with Browser() as browser:
        known = await browser.sign_in(CLAIRE, "guess guess guess")
        unknown = await browser.sign_in("nobody@atelier.example", "guess guess guess")
        assert known.status_code == unknown.status_code == 401
        assert "The email or the password is wrong." in page_text(known)
        assert "The email or the password is wrong." in page_text(unknown)


async def test_a_hash_of_other_parameters_is_remade() -> None:
    await make_partner()
    await execute("UPDATE person SET password_hash = $1", PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD))
    await actions.sign_in(CLAIRE, PASSWORD)
    assert not passwords.is_outdated(await fetch_value("SELECT password_hash FROM person"))


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/fr//evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "evil",
    ],
)
async def test_a_sign_in_never_leads_elsewhere(elsewhere: str) -> None:
    async def story() -> str:
        await make_partner()
        async with Browser() as browser:
            return (await browser.sign_in(CLAIRE, next=elsewhere)).headers["location"]

    assert await story() == "/en/catalogue"


@given(st.text() | st.text(alphabet="/\\.:fren@evil?#\t\r\n %", max_size=12))
def test_own_paths_stay_on_this_site(text: str) -> None:
    from urllib.parse import urljoin, urlsplit  # noqa: PLC0415

    path = rules.own_path(text)
    if path is not None:
        assert path.startswith("/")
        assert urlsplit(urljoin("http://here.example/", path)).netloc == "here.example"
        assert "\\" not in path
        assert not path.startswith("//")


@given(st.lists(st.integers(0, 1000), max_size=12), st.integers(0, 2000))
def test_a_wait_is_never_longer_than_a_minute_and_five_attempts_are_free(ages: list[int], now: int) -> None:
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    failures = sorted(start + dt.timedelta(seconds=age) for age in ages if age <= now)
    left = rules.wait_left(failures, start + dt.timedelta(seconds=now))
    assert dt.timedelta(0) <= left <= rules.LONGEST_WAIT
    if len(failures) < rules.FREE_ATTEMPTS:
        assert not left


async def test_one_click_opens_only_in_the_demo_and_only_for_its_people(monkeypatch: pytest.MonkeyPatch) -> None:
    from marketplace.core.settings import settings  # noqa: PLC0415

    async def story(*, opened: bool) -> None:
        await make_partner("Demo", f"demo{opened:d}{rules.ONE_CLICK_DOMAIN}".lower())
        await make_partner("Real", f"real{opened:d}@atelier.example")
        async with Browser() as browser:
            demo = await browser.submit(f"/en/demo/sign-in/demo{opened:d}{rules.ONE_CLICK_DOMAIN}", {})
            assert demo.status_code == (303 if opened else 404)
            real = await browser.submit(f"/en/demo/sign-in/real{opened:d}@atelier.example", {})
            assert real.status_code == 404

    await story(opened=False)
    monkeypatch.setenv("PARTAGE_ONE_CLICK", "1")
    settings.cache_clear()
    await story(opened=True)
