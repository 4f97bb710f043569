"""Guessing passwords, codes and invitations: slow for who guesses, in every way; nobody else is kept out."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.people.identity import actions, rules
from marketplace.people.identity.guessing import (
    begin_attempt,
    begin_attempt_of_device,
    device_mark,
    fail,
    is_known_device,
)
from marketplace.people.sign_in import factor_actions as factors
from tests.people.builders import PASSWORD, Browser, browser_at, code_of, make_partner
from tests.support.reads import fetch_value

CLAIRE, GUESS = "claire@atelier.example", "guess guess guess"


async def guess(email: str, address: str) -> bool:
    """Fail to sign in, but for the time that a password takes; False when it is too early to try."""
    try:
        await fail(await begin_attempt(f"email:{email}", address), "sign_in")
    except rules.TooManyAttempts:
        return False
    return True


async def test_who_guesses_elsewhere_keeps_nobody_out() -> None:
    await make_partner()
    async with browser_at("203.0.113.7") as stranger, browser_at("198.51.100.9", stranger.app) as owner:
        for _ in range(6):
            await stranger.sign_in(CLAIRE, GUESS)
        assert (await stranger.sign_in(CLAIRE)).status_code == 429
        assert (await owner.sign_in(CLAIRE)).status_code == 303


async def test_the_right_password_in_a_known_browser_is_never_refused() -> None:
    """Not after the owner's own mistakes, not after strangers' at the same address, nor from everywhere at once."""
    await make_partner()
    async with browser_at("203.0.113.7") as owner:
        await owner.sign_in(CLAIRE)
        await owner.submit("/en/sign-out", {})
        for number in range(30):
            await guess(f"other{number}@atelier.example", "203.0.113.7")
        for _ in range(7):
            assert (await owner.sign_in(CLAIRE, GUESS)).status_code == 401
        assert (await owner.sign_in(CLAIRE)).status_code == 303


async def test_a_known_browser_that_guesses_on_is_known_no_more() -> None:
    mark = device_mark("claire")
    assert is_known_device("claire", mark)
    assert not is_known_device("eve", mark)
    tries = [await begin_attempt_of_device(mark) for _ in range(rules.FREE_ON_A_DEVICE + 5)]
    assert tries.count(None) == 5


async def test_a_password_sprayed_over_many_emails_is_slow() -> None:
    """An IPv6 customer's 2⁶⁴ addresses are one."""
    tried = [await guess(f"person{number}@atelier.example", f"2001:db8::{number:x}") for number in range(40)]
    assert sum(tried) == rules.FREE_FROM_AN_ADDRESS
    with pytest.raises(rules.TooManyAttempts):
        await actions.sign_in("another@atelier.example", GUESS, address="2001:db8::ffff")
    with pytest.raises(rules.WrongSecret):
        await actions.sign_in("another@atelier.example", GUESS, address="2001:db8:0:1::1")


async def test_one_right_password_does_not_clear_its_address() -> None:
    await make_partner("Eve", "eve@other.example")
    for number in range(rules.FREE_FROM_AN_ADDRESS - 1):
        assert await guess(f"person{number}@atelier.example", "203.0.113.7")
    await actions.sign_in("eve@other.example", PASSWORD, address="203.0.113.7")
    assert await guess("one-more@atelier.example", "203.0.113.7")
    assert not await guess("another@atelier.example", "203.0.113.7")


async def test_guessing_one_account_from_everywhere_is_slow() -> None:
    start = clock.now()
    tried = [await guess(CLAIRE, f"203.0.{number}.7") for number in range(rules.FREE_ON_AN_ACCOUNT + 20)]
    assert (
        rules.FREE_ON_AN_ACCOUNT <= sum(tried) <= rules.FREE_ON_AN_ACCOUNT + (clock.now() - start) // rules.FIRST_WAIT
    )


async def test_a_used_invitation_guesses_nothing() -> None:
    partner = await make_partner()
    code = await actions.invite_colleague(
        partner, email="paul@atelier.example", name="Paul", invitation_id=uuid.uuid4()
    )
    form = str(uuid.uuid4())
    async with Browser() as paul, Browser() as claire:
        first = await paul.submit(f"/en/join/{code}", {"password": PASSWORD}, form_id=form)
        again = await paul.submit(f"/en/join/{code}", {"password": PASSWORD}, form_id=form)
        assert first.headers["location"] == again.headers["location"] == "/en/company"
        assert (await claire.submit(f"/en/join/{code}", {"password": PASSWORD})).status_code == 410
        with clock.shifted(dt.timedelta(minutes=11)):
            late = await claire.submit(f"/en/join/{code}", {"password": PASSWORD}, form_id=form)
            assert late.status_code == 410
    assert await fetch_value("SELECT count(*) FROM person") == 2


async def test_the_right_code_of_a_letter_is_never_refused() -> None:
    await actions.add_subscribers([7])
    [(_, code)] = await actions.issue_activation_codes([7])
    form = {"email": "ana@example.org", "name": "Ana", "password": PASSWORD, "address": "203.0.113.7"}
    for _ in range(5):
        with pytest.raises(rules.WrongSecret):
            await actions.claim_line(7, "AAAA-AAAA-AAAA-AAAA", **form)
    with pytest.raises(rules.TooManyAttempts):
        await actions.claim_line(7, "AAAA-AAAA-AAAA-AAAA", **form)
    assert await actions.claim_line(7, code, **form)


async def test_who_knows_the_password_and_guesses_codes_keeps_its_owner_out_of_nothing() -> None:
    """Not at the same address, nor from everywhere; and the thief's browser, which the password lets no further, counts on."""
    await make_partner()
    claire = await fetch_value("SELECT id FROM person")
    async with browser_at("203.0.113.7") as owner, browser_at("203.0.113.7", owner.app) as thief:
        codes = await factors.confirm_authenticator(claire, code_of(await factors.start_authenticator(claire)))
        second = "/en/sign-in/second"
        await owner.sign_in(CLAIRE)
        assert (await owner.submit(second, {"code": codes[0]}, seen_at=second)).status_code == 303
        await owner.submit("/en/sign-out", {})
        await thief.sign_in(CLAIRE)
        guesses = [await thief.submit(second, {"code": f"{n:06}"}, seen_at=second) for n in range(7)]
        assert [one.status_code for one in guesses] == [401] * 5 + [429] * 2
        await owner.sign_in(CLAIRE)
        assert (await owner.submit(second, {"code": codes[1]}, seen_at=second)).status_code == 303
        assert (await owner.get("/en/profile")).status_code == 200
