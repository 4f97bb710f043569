"""The attack: who knows the old password hurries while the owner sets a new one.

The owner's request waits where its statements are made and not committed, as on a busy machine. What the thief asks
meanwhile is judged by the password that still is in force, and must not outlive it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from marketplace.core.errors import Refusal
from marketplace.people.identity import ending
from marketplace.people.identity.sessions import create_session
from marketplace.people.sign_in import factor_actions as factors
from marketplace.people.sign_in import recovery_actions as recovery
from tests.attacks.builders import EVE, make_administrators
from tests.people.builders import (
    CLAIRE,
    NEW_PASSWORD,
    PASSWORD,
    Browser,
    code_of,
    link_in_letter,
    make_partner,
    person_of,
)
from tests.support.reads import fetch_value
from tests.support.waiting import until_blocked

pytestmark = pytest.mark.owner("it locks a table")


async def until_locked(number: int, *others: asyncio.Future[Any]) -> None:
    """Wait until so many statements wait, or the others are answered, as they are where nothing is locked."""
    waiting = asyncio.create_task(until_blocked(number))
    await asyncio.wait([waiting, *others], return_when="FIRST_COMPLETED")
    waiting.cancel()


@asynccontextmanager
async def locked_at(url: str, table: str) -> AsyncIterator[None]:
    """Make every request that writes to a table wait until the block ends."""
    other = await asyncpg.connect(url)
    try:
        async with other.transaction():
            await other.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield
    finally:
        await other.close()


async def is_in(browser: Browser) -> bool:
    return (await browser.get("/en/profile")).status_code == 200


async def test_who_signs_in_while_the_password_is_replaced_is_not_in_after(database_url: str) -> None:
    """By the old password, by a second step that had begun, and by changing the password once more."""
    await make_partner()
    claire = await person_of(CLAIRE)
    async with Browser() as inside, Browser() as at_second_step, Browser() as outside:
        await inside.sign_in(CLAIRE)
        secret = await factors.start_authenticator(claire)
        codes = await factors.confirm_authenticator(claire, code_of(secret))
        await at_second_step.sign_in(CLAIRE)
        await recovery.request_reset(CLAIRE)
        link = await link_in_letter()
        async with locked_at(database_url, "message"):
            reset = asyncio.create_task(recovery.reset_password(link, NEW_PASSWORD))
            await until_blocked(1)
            thief = asyncio.gather(
                outside.sign_in(CLAIRE),
                at_second_step.submit("/en/sign-in/second", {"code": codes[0]}, seen_at="/en/sign-in/second"),
                inside.submit("/en/profile/password", {"current": PASSWORD, "password": "a thief's own sentence"}),
            )
            await until_locked(4, thief)
        await reset
        await thief
        assert [await is_in(browser) for browser in (inside, at_second_step)] == [False, False]
        answer = await outside.submit("/en/sign-in/second", {"code": codes[1]}, seen_at="/en/sign-in/second")
        assert not await is_in(outside), answer.headers
        assert (await outside.sign_in(CLAIRE, NEW_PASSWORD)).status_code == 303, (
            "and the owner's new password is the one"
        )
        assert not await is_in(outside), "which the second factor follows"


async def test_who_signs_in_while_they_are_removed_is_not_in_after(database_url: str) -> None:
    partner, claire, eve = await make_administrators()
    async with locked_at(database_url, "api_key"):
        removal = asyncio.create_task(ending.remove_colleague(partner, eve, by=claire))
        await until_blocked(1)
        entering = asyncio.create_task(create_session(eve))
        await until_locked(2, entering)
    await removal
    with pytest.raises(Refusal):
        await entering
    assert not await fetch_value("SELECT count(*) FROM session WHERE person = $1", eve)
    async with Browser() as browser:
        assert (await browser.sign_in(EVE)).status_code == 401
