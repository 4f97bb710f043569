"""Getting back in over HTTP: a link works once and for half an hour, says nothing about who is known, and ends sessions."""

import asyncio
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.errors import Expired, NotFound, Refusal
from marketplace.people.identity import actions as identity
from marketplace.people.identity.rules import TooManyAttempts
from marketplace.people.sign_in import recovery_actions
from marketplace.people.sign_in.recovery_tables import ResetLink
from tests.people.builders import CLAIRE, NEW_PASSWORD, Browser, link_in_letter, make_partner, page_text, person_of
from tests.support.reads import fetch, fetch_value


async def test_a_forgotten_password_is_set_anew_by_a_link_that_works_once() -> None:
    await make_partner()
    async with Browser() as claire, Browser() as other:
        await other.sign_in(CLAIRE)
        assert "on its way" in page_text(await claire.submit("/en/reset", {"email": CLAIRE.upper()}))
        path = f"/en/reset/{await link_in_letter()}"
        page = await claire.get(path)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert (await claire.submit(path, {"password": "password12"}, seen_at=path)).status_code == 422
        done = await claire.submit(path, {"password": NEW_PASSWORD}, seen_at=path)
        assert done.headers["location"].startswith("/en/sign-in")
        assert (await claire.submit(path, {"password": "another violet evening"})).status_code == 410
        assert (await claire.get(path)).status_code == 410
        assert (await other.get("/en/keys")).status_code == 303, "every session has ended"
        assert (await other.sign_in(CLAIRE)).status_code == 401
        assert (await claire.sign_in(CLAIRE, NEW_PASSWORD)).status_code == 303
    assert await fetch_value("SELECT email_confirmed_at IS NOT NULL FROM person")
    assert (
        await fetch_value("SELECT count(*) FROM message WHERE kind = 'password_changed' AND audience = 'person'") == 1
    )


async def test_a_link_is_nowhere_in_the_database_and_over_in_half_an_hour() -> None:
    await make_partner()
    await recovery_actions.request_reset(CLAIRE)
    link = await link_in_letter()
    tables = [row["tablename"] for row in await fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    stored = "".join([str(dict(row)) for table in tables for row in await fetch(f'SELECT * FROM "{table}"')])
    assert link.partition(".")[2] not in stored
    with clock.shifted(recovery_actions.LINK_LASTS), pytest.raises(Expired):
        await recovery_actions.reset_password(link, NEW_PASSWORD)
    for forged in (
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        link.partition(".")[0],
        "x",
        f"{uuid.uuid4()}.x",
        "é.é",
    ):
        with pytest.raises(NotFound):
            await recovery_actions.reset_password(forged, NEW_PASSWORD)
    with clock.shifted(dt.timedelta(days=2)):
        await recovery_actions.delete_old_links()
        assert not await ResetLink.count()


async def test_two_who_use_a_link_at_once_set_one_password_and_end_the_others() -> None:
    await make_partner()
    await recovery_actions.request_reset(CLAIRE)
    earlier = await link_in_letter()
    await recovery_actions.request_reset(CLAIRE)
    link = await link_in_letter()

    async def use(password: str) -> bool:
        try:
            await recovery_actions.reset_password(link, password)
        except Refusal:
            return False
        return True

    assert sorted(await asyncio.gather(*(use(f"{NEW_PASSWORD} {number}") for number in range(3)))) == [
        False,
        False,
        True,
    ]
    with pytest.raises(Expired):
        await recovery_actions.reset_password(earlier, NEW_PASSWORD)


async def test_who_asks_learns_not_whether_somebody_is_known() -> None:
    """The same answer, and the same rows: a letter to a mailbox that is nobody's is never sent."""
    await make_partner()
    async with Browser() as eve:
        known = await eve.submit("/en/reset", {"email": CLAIRE})
        unknown = await eve.submit("/en/reset", {"email": "nobody@atelier.example"})
    assert page_text(known) == page_text(unknown)
    written = await fetch("SELECT kind, audience FROM message WHERE kind = 'password_reset'")
    assert len(written) == 2
    for email in (CLAIRE, "nobody@atelier.example"):
        for _ in range(4):
            await recovery_actions.request_reset(email)
        with pytest.raises(TooManyAttempts):
            await recovery_actions.request_reset(email)


async def test_a_mailbox_alone_does_not_open_an_account_with_a_second_factor() -> None:
    from marketplace.people.sign_in.factor_actions import add_passkey  # noqa: PLC0415

    await make_partner()
    await add_passkey(await person_of(CLAIRE), "phone", b"credential", b"key", 0)
    await recovery_actions.request_reset(CLAIRE)
    await recovery_actions.reset_password(await link_in_letter(), NEW_PASSWORD)
    async with Browser() as thief:
        await thief.sign_in(CLAIRE, NEW_PASSWORD)
        assert (await thief.get("/en/keys")).status_code == 303


async def test_an_address_is_confirmed_by_its_letter_and_by_no_other() -> None:
    await make_partner()
    await make_partner("Other", "eve@other.example")
    sent = "SELECT count(*) FROM message WHERE kind = 'confirm_address'"
    assert await fetch_value(sent) == 2, "each is asked in the transaction that added them"
    claire = await person_of(CLAIRE)
    await recovery_actions.request_confirmation(claire)
    path = f"/en/confirm-address/{await link_in_letter('confirm_address')}"
    async with Browser() as browser:
        assert "It is my address" in page_text(await browser.get(path))
        assert not await fetch_value("SELECT email_confirmed_at IS NOT NULL FROM person WHERE id = $1", claire)
        for _ in range(2):
            confirmed = await browser.submit(path, {}, seen_at=path)
            assert "is confirmed" in page_text(confirmed)
            assert 'href="/en/sign-in">Go on' in confirmed.text, "and the page leads on"
        assert await fetch_value("SELECT email_confirmed_at IS NOT NULL FROM person WHERE id = $1", claire)
        assert (await browser.get(path[:-2])).status_code == 404
    assert await fetch_value("SELECT count(*) FROM person WHERE email_confirmed_at IS NULL") == 1
    await identity.erase_person(claire)
    with pytest.raises(Expired):
        await recovery_actions.confirm_by_link(path.rpartition("/")[2])


async def test_a_sign_in_with_a_new_browser_is_reported() -> None:
    await make_partner()
    async with Browser() as first, Browser() as second:
        await first.sign_in(CLAIRE)
        with clock.shifted(dt.timedelta(days=2)):
            await first.sign_in(CLAIRE)
            assert not await fetch("SELECT FROM message WHERE kind = 'new_device'")
            await second.sign_in(CLAIRE)
            await second.sign_in(CLAIRE)
            assert len(await fetch("SELECT FROM message WHERE kind = 'new_device'")) == 1
            assert "new device" in page_text(await second.get("/en/inbox"))
