"""The attack: a stranger who knows an email has the site write to it again and again, by every form that causes a letter."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.people.identity import rules
from marketplace.people.identity.guessing import begin_letter
from marketplace.people.sign_in import recovery_actions as recovery
from marketplace.subscribers.legal.actions import ask
from tests.people.builders import PASSWORD, browser_at, make_partner
from tests.support.reads import fetch_value

VICTIM = "victim@elsewhere.example"
LETTERS = "SELECT count(*) FROM message WHERE kind = $1"
COMPANY = {"country": "US", "vat_number": "", "name": "Eve", "password": "a stranger's long sentence"}


async def test_a_stranger_has_few_letters_sent_and_its_owner_still_signs_up() -> None:
    """By signing up under the email, by confirming it again, by changing one's own address to it, by inviting it."""
    async with browser_at("203.0.113.7") as eve, browser_at("198.51.100.9", eve.app) as owner:
        answers = [await eve.submit("/en/sign-up", COMPANY | {"company": f"E {n}", "email": VICTIM}) for n in range(6)]
        assert [one.status_code for one in answers] == [303] * 5 + [429]
        assert (await eve.submit("/en/profile/confirm-address", {})).status_code == 429
        assert await fetch_value(LETTERS, "confirm_address") == 5
        changed = COMPANY | {"company": "Eve", "email": "eve@evil.example"}
        assert (await eve.submit("/en/sign-up", changed)).status_code == 303
        for path in ("/en/profile/address", "/en/company/people"):
            assert (await eve.submit(path, {"email": VICTIM, "name": "V"})).status_code == 429
        assert await fetch_value(LETTERS, "confirm_new_address") + await fetch_value(LETTERS, "invitation") == 0
        mine = COMPANY | {"company": "Hers", "email": VICTIM, "password": PASSWORD}
        assert (await owner.submit("/en/sign-up", mine)).status_code == 303
        for number in range(rules.LETTERS_TO_ONE - rules.LETTERS_OF_ONE - 1):
            await begin_letter(VICTIM, f"192.0.2.{number}")
        with pytest.raises(rules.TooManyAttempts):
            await begin_letter(VICTIM, "192.0.2.200")
        with clock.shifted(rules.ATTEMPTS_COUNT_FOR + dt.timedelta(seconds=1)):
            assert (await owner.submit("/en/profile/confirm-address", {})).status_code == 303


async def test_links_for_a_new_password_are_few_and_one_of_them_always_works() -> None:
    await make_partner("Victim", VICTIM)
    start, asked = clock.now(), 0
    for minute in range(60):
        with clock.shifted(dt.timedelta(minutes=minute)):
            try:
                await recovery.request_reset(VICTIM)
                asked += 1
            except rules.TooManyAttempts:
                oldest = "SELECT $2 - max(created_at) FROM reset_link WHERE created_at <= $1"
                age = await fetch_value(oldest, clock.now(), clock.now())
                assert age < recovery.LINK_LASTS / 2, "who waits has a link that works"
    assert asked == await fetch_value(LETTERS, "password_reset") <= 4 * rules.LETTERS_OF_ONE
    assert clock.now() - start < dt.timedelta(hours=1)
    with pytest.raises(rules.TooManyAttempts):
        for _ in range(6):
            await recovery.request_reset("nobody@elsewhere.example")


@pytest.mark.long
async def test_a_stranger_who_asks_all_day_leaves_others_the_help_page() -> None:
    """Under ever another email: who is locked out still reaches the operator by the page."""
    question = {"about": "", "text": "Hello"}
    async with browser_at("203.0.113.7") as eve, browser_at("198.51.100.9", eve.app) as locked_out:
        for quarter in range(96):
            with clock.shifted(dt.timedelta(minutes=15 * quarter, seconds=quarter)):
                if quarter in {0, 95}:
                    asked = [question | {"email": f"e{quarter}-{n}@evil.example"} for n in range(7)]
                    answers = [await eve.submit("/en/help", one) for one in asked]
                    assert [one.status_code for one in answers] == [303] * 5 + [429] * 2
                    assert "Hello" in answers[-1].text, "what was typed is kept"
                else:
                    for n in range(rules.LETTERS_OF_ONE):
                        email = f"e{quarter}-{n}@evil.example"
                        await ask(uuid.uuid4(), email=email, about="", text="Hi", person=None, address="203.0.113.7")
        with clock.shifted(dt.timedelta(hours=24)):
            answer = await locked_out.submit("/en/help", question | {"email": VICTIM})
            assert answer.status_code == 303
    assert await fetch_value("SELECT count(*) FROM question") == 96 * 5 + 1
