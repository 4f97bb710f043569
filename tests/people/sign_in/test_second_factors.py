"""Second factors over HTTP: staff cannot do without, each code and each answer counts once, and fresh proof is asked for."""

import asyncio
import datetime as dt
import html
import json
import os
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.errors import NotFound, Refusal
from marketplace.core.settings import settings
from marketplace.people.identity.rules import TooManyAttempts, WrongSecret
from marketplace.people.sign_in import factor_actions
from tests.people.builders import (
    PASSWORD,
    Browser,
    Device,
    add_staff,
    code_of,
    make_partner,
    make_staff,
    page_text,
    person_of,
)
from tests.support.reads import fetch_value

CLAIRE = "claire@atelier.example"
HALF_MINUTE = dt.timedelta(seconds=30)


def secrets_in(answer: httpx.Response) -> list[str]:
    return re.findall(r'class="secret">([^<]+)<', answer.text)


def options_in(answer: httpx.Response) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]+)"', answer.text)
    assert found, page_text(answer)
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


async def with_app(browser: Browser) -> tuple[str, list[str]]:
    """Add an authenticator app on the pages; return its secret and the recovery codes."""
    [secret] = secrets_in(await browser.submit("/en/profile/factors/authenticator", {}))
    done = await browser.submit("/en/profile/factors/authenticator/confirm", {"code": code_of(secret)})
    assert done.headers["cache-control"] == "no-store"
    return secret, secrets_in(done)


@pytest.fixture
def compulsory(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 (settings of this test's database)
    """Ask staff for a second factor, as production does."""
    monkeypatch.setenv("STAFF_SECOND_FACTOR", "1")
    settings.cache_clear()


@pytest.mark.usefixtures("compulsory")
async def test_staff_add_a_factor_before_anything_else() -> None:
    await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
    async with Browser() as nora:
        await nora.sign_in("nora@partage.example", next="/finance")
        for path in ("/finance", "/profile", "/confirm", "/inbox"):
            assert (await nora.get(f"/en{path}")).headers["location"].startswith("/en/sign-in"), path
        led = await nora.get("/en/sign-in?next=/finance")
        assert led.headers["location"].startswith("/en/sign-in/second")
        assert "Add a second factor" in page_text(await nora.get("/en/sign-in/second"))
        before = nora.session()
        secret, codes = await with_app(nora)
        assert len(codes) == 10
        assert nora.session() != before
        assert (await nora.get("/en/finance")).status_code == 200
        refused = await nora.submit("/en/profile/factors/authenticator/remove", {})
        assert refused.status_code == 409
    async with Browser() as thief:
        await thief.sign_in("nora@partage.example")
        assert (await thief.get("/en/finance")).status_code == 303
        assert (await thief.get("/en/profile/factors")).status_code == 303
        assert (await thief.submit("/en/profile/factors/authenticator", {})).status_code == 401
        assert (await thief.submit("/en/sign-in/second", {"code": "000000"})).status_code == 401
        assert (await thief.get("/en/finance")).status_code == 303
        with clock.shifted(HALF_MINUTE):
            entered = await thief.submit("/en/sign-in/second", {"code": code_of(secret), "next": "/finance/bank"})
            assert entered.headers["location"] == "/en/finance/bank"
            assert (await thief.get("/en/finance")).status_code == 200


@pytest.mark.usefixtures("compulsory")
async def test_who_lost_factors_and_codes_is_let_in_by_the_operator_and_each_change_is_written_of() -> None:
    nora = await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
    letters = f"SELECT count(*) FROM message WHERE kind = 'factors_changed' AND recipient = '{nora}'"
    async with Browser() as browser:
        await browser.sign_in("nora@partage.example")
        await with_app(browser)
        assert await fetch_scalar(int, letters) == 1
        with pytest.raises(NotFound):
            await factor_actions.remove_all(email="nobody@partage.example")
        with pytest.raises(NotFound):
            await factor_actions.remove_all(line=4711)
        command = [sys.executable, "-m", "marketplace", "factors", "remove", "--email", "nora@partage.example"]
        there = os.environ | {"DATABASE_URL": settings().database_url}
        ended = await asyncio.to_thread(subprocess.run, command, env=there, capture_output=True, text=True, check=False)
        assert "are removed" in ended.stdout, ended.stderr
        assert await fetch_scalar(int, letters) == 2
        assert (await browser.get("/en/finance")).status_code == 303, "her sessions have ended"
        await browser.sign_in("nora@partage.example")
        assert "Add a second factor" in page_text(await browser.get("/en/sign-in/second")), "before anything else"
        assert len((await with_app(browser))[1]) == 10
        assert (await browser.get("/en/finance")).status_code == 200
        assert await fetch_scalar(int, letters) == 3


async def test_a_code_counts_once_also_when_it_is_sent_twice_at_once() -> None:
    await make_partner()
    person = await person_of(CLAIRE)
    secret = await factor_actions.start_authenticator(person)
    first = code_of(secret)
    codes = await factor_actions.confirm_authenticator(person, first)
    with pytest.raises(WrongSecret):
        await factor_actions.check_code(person, first)

    async def shown(code: str) -> bool:
        try:
            await factor_actions.check_code(person, code)
        except Refusal:
            return False
        return True

    with clock.shifted(2 * HALF_MINUTE):
        for code in (code_of(secret), codes[0]):
            assert sorted(await asyncio.gather(*(shown(code) for _ in range(3)))) == [False, False, True]
        assert await shown(codes[1].lower().replace("-", " "))


async def test_codes_are_guessed_slowly_and_nobody_elses_count() -> None:
    await make_partner()
    await make_partner("Other", "eve@other.example")
    claire, eve = await person_of(CLAIRE), await person_of("eve@other.example")
    for person in (claire, eve):
        secret = await factor_actions.start_authenticator(person)
        codes = await factor_actions.confirm_authenticator(person, code_of(secret))
    with pytest.raises(WrongSecret):
        await factor_actions.check_code(claire, codes[0])
    for number in range(4):
        with pytest.raises(WrongSecret):
            await factor_actions.check_code(claire, f"00000{number}")
    with pytest.raises(TooManyAttempts):
        await factor_actions.check_code(claire, "000009")


async def test_who_knows_a_staff_password_guesses_few_codes_and_its_owner_gets_a_letter() -> None:
    """Of twelve addresses, for a day: 9,643 codes were judged on the old code, and nobody was written to."""
    nora = (await make_staff("Nora")).person
    assert nora
    secret = await factor_actions.start_authenticator(nora)
    await factor_actions.confirm_authenticator(nora, code_of(secret))
    judged, start = 0, clock.now()
    for minute in range(0, 1440, 5):
        with clock.shifted(dt.timedelta(minutes=minute)):
            for place in range(12):
                wrong = next(f"{n:06}" for n in range(9) if f"{n:06}" != code_of(secret))
                try:
                    await factor_actions.check_code(nora, wrong, f"203.0.{place}.7")
                except WrongSecret:
                    judged += 1
                except TooManyAttempts:
                    break
    assert judged <= 25
    assert (
        await fetch_value("SELECT count(*) FROM message WHERE kind = 'codes_guessed' AND recipient = $1", str(nora))
        == 1
    )
    with clock.shifted(dt.timedelta(days=2, minutes=1)):
        await factor_actions.check_code(nora, code_of(secret), "198.51.100.4")
    assert await fetch_value("SELECT tried_codes FROM authenticator") == 0
    assert clock.now() - start < dt.timedelta(hours=1)


async def test_a_passkey_signs_in_once_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_URL", "http://testserver.example")
    settings.cache_clear()
    await make_partner()
    device = Device("testserver.example", "http://testserver.example")
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        asked = options_in(await claire.get("/en/profile/factors"))
        foreign = Device("testserver.example", "http://evil.example").make(asked)
        wrong = await claire.submit(
            "/en/profile/factors/passkeys", {"label": "phone", "answer": foreign}, seen_at="/en/docs"
        )
        assert wrong.status_code == 422
        for endless in (False, True):
            asked = options_in(await claire.get("/en/profile/factors"))
            broken = '{"a":' * 50_000 if endless else device.make(asked, without=-1)
            sent = {"label": "phone", "answer": broken}
            refused = await claire.submit("/en/profile/factors/passkeys", sent, seen_at="/en/docs")
            assert refused.status_code == 422
        spent = await claire.submit(
            "/en/profile/factors/passkeys", {"label": "phone", "answer": device.make(asked)}, seen_at="/en/docs"
        )
        assert spent.status_code == 422, "a challenge is good for one answer"
        asked = options_in(await claire.get("/en/profile/factors"))
        added = await claire.submit(
            "/en/profile/factors/passkeys", {"label": "phone", "answer": device.make(asked)}, seen_at="/en/docs"
        )
        assert len(secrets_in(added)) == 10
    async with Browser() as claire, Browser() as thief:
        for browser in (claire, thief):
            await browser.sign_in(CLAIRE)
        answer = device.sign(options_in(await claire.get("/en/sign-in/second")))
        await thief.get("/en/sign-in/second")
        stolen = await thief.submit("/en/sign-in/second", {"answer": answer}, seen_at="/en/docs")
        assert stolen.status_code == 401, "an answer is the session's that asked"
        other = Device("testserver.example", "http://testserver.example").sign(
            options_in(await thief.get("/en/sign-in/second"))
        )
        assert (await thief.submit("/en/sign-in/second", {"answer": other}, seen_at="/en/docs")).status_code == 401
        entered = await claire.submit("/en/sign-in/second", {"answer": answer}, seen_at="/en/docs")
        assert entered.headers["location"] == "/en/catalogue"
        assert (await claire.get("/en/keys")).status_code == 200
        for nonsense in ("{}", "[]", "no json", '{"rawId": 7}', '{"a":' * 50_000):
            await thief.get("/en/sign-in/second")
            refused = await thief.submit("/en/sign-in/second", {"answer": nonsense}, seen_at="/en/docs")
            assert refused.status_code in (401, 429)


async def test_money_keys_and_erasure_ask_again_after_ten_minutes() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        with clock.shifted(dt.timedelta(minutes=11)):
            form = {"label": "import"}
            for path, written in (("/en/keys", form), ("/en/profile/erase", {"sure": "yes"})):
                asked = await claire.submit(path, written)
                assert asked.status_code == 403
                assert 'action="/en/confirm"' in asked.text
            assert "No keys yet." in page_text(await claire.get("/en/keys"))
            assert (await claire.submit("/en/confirm", {"password": "not hers at all"})).status_code == 401
            proved = await claire.submit("/en/confirm", {"password": PASSWORD, "next": "/keys"})
            assert proved.headers["location"] == "/en/keys"
            assert len(secrets_in(await claire.submit("/en/keys", form))) == 1
            secret, _ = await with_app(claire)
        with clock.shifted(dt.timedelta(minutes=30)):
            assert (await claire.submit("/en/keys", form)).status_code == 403
            refused = await claire.submit("/en/confirm", {"password": PASSWORD})
            assert refused.status_code == 422, "who has a second factor shows it"
            await claire.submit("/en/confirm", {"code": code_of(secret)})
            assert (await claire.submit("/en/keys", form)).status_code == 200


async def test_removing_the_last_factor_and_making_new_codes() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        assert (await claire.submit("/en/profile/factors/codes", {})).status_code == 409
        _, old = await with_app(claire)
        new = secrets_in(await claire.submit("/en/profile/factors/codes", {}))
        assert not set(old) & set(new)
        with pytest.raises(WrongSecret):
            await factor_actions.check_code(await person_of(CLAIRE), old[0])
        assert "10 recovery codes are left" in page_text(await claire.get("/en/profile/factors"))
        assert (await claire.submit("/en/profile/factors/authenticator", {})).status_code == 409
        assert (await claire.submit("/en/profile/factors/authenticator/remove", {})).status_code == 303
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        assert (await claire.get("/en/keys")).status_code == 200
