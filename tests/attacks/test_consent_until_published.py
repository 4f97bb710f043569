"""The attack: count a person while they consent, wait until they have withdrawn, and publish them all the same."""

import asyncio
import contextvars
import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from marketplace.consent.purposes import actions as consent
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.rules import EVERYTHING
from marketplace.core import clock, object_store
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, NotFound
from marketplace.datasets.releases import actions, publishing, queries
from tests.consent.builders import PURPOSE
from tests.datasets.builders import LONG_AGO, PERIOD, crowd, declare, kept, make_subscribers, write
from tests.people.builders import visiting
from tests.support.waiting import until_blocked

IN_IT, NOT_IN_IT, WEEK = 5, 299, dt.timedelta(days=7)


async def build_and_wait(folder: Path, **how: Any) -> tuple[uuid.UUID, dict[str, str]]:
    """Build a release of lines 1 to 250 that waits for a person; lines to 300 consent and were nowhere."""
    await declare()
    await make_subscribers(range(1, 301))
    files = write(folder, crowd(250), range(1, 301))
    release = await actions.build("lyon", **files, **PERIOD, publish=False, **how)
    assert IN_IT in (await kept(release, "manifest"))["reference"].to_pylist()
    return release, files


async def state_of(release: uuid.UUID) -> str:
    return (await queries.get_release(release)).state


async def assert_lapses(release: uuid.UUID, why: str) -> None:
    for _ in range(2):
        with pytest.raises(Conflict, match=why):
            await publishing.publish(release, by="Ada")
        assert await state_of(release) == "lapsed"
    with pytest.raises(NotFound):
        await object_store.get(object_store.cells_key(release))


async def allow_less() -> None:
    await switches.choose(IN_IT, PURPOSE, structs.replace(EVERYTHING, sectors=("public",)))


async def withdraw_earlier() -> None:
    """Record a withdrawal that was written before the build and arrives after it."""
    await consent.withdraw(IN_IT, PURPOSE, at=LONG_AGO + WEEK)


async def withdraw_and_consent_again() -> None:
    await consent.withdraw(IN_IT, PURPOSE)
    await consent.give(IN_IT, PURPOSE)


async def ask_anew() -> None:
    await consent.publish_notice(PURPOSE, text_fr="Autre.", text_en="Another.", asks_anew=True)


@pytest.mark.parametrize("end", [allow_less, withdraw_earlier, withdraw_and_consent_again, ask_anew])
async def test_who_ended_consent_is_not_published(tmp_path: Path, end: Any) -> None:
    release, _ = await build_and_wait(tmp_path)
    await end()
    await assert_lapses(release, "withdrew consent")


async def test_who_withdrew_is_not_published_by_building_again_and_the_next_build_is_without_them(
    tmp_path: Path,
) -> None:
    release, files = await build_and_wait(tmp_path)
    await consent.withdraw(IN_IT, PURPOSE)
    with pytest.raises(Conflict, match="withdrew consent"):
        await actions.build("lyon", **files, **PERIOD)
    assert await actions.build("lyon", **files, **PERIOD) == release
    assert await state_of(release) == "lapsed"
    again = await actions.build("lyon", **files, **PERIOD, revision=2, note_fr="Sans eux.", note_en="Without them.")
    assert await state_of(again) == "sealed"
    assert IN_IT not in (await kept(again, "manifest"))["reference"].to_pylist()


async def test_a_withdrawal_of_others_and_the_same_consent_again_keep_nothing_back(tmp_path: Path) -> None:
    release, _ = await build_and_wait(tmp_path)
    await consent.withdraw(NOT_IN_IT, PURPOSE)
    await consent.give(IN_IT, PURPOSE)
    await publishing.publish(release, by="Ada")
    assert await state_of(release) == "sealed"


async def test_a_build_lapses_after_a_week(tmp_path: Path) -> None:
    release, _ = await build_and_wait(tmp_path)
    with clock.started_at((await queries.get_release(release)).started_at + WEEK):
        await assert_lapses(release, "within a week")


async def test_the_job_lets_only_old_builds_lapse(tmp_path: Path) -> None:
    release, _ = await build_and_wait(tmp_path)
    later = (await queries.get_release(release)).started_at + WEEK
    for now, state in ((later - dt.timedelta(minutes=10), "assessed"), (later, "lapsed")):
        with clock.started_at(now):
            await publishing.lapse_builds()
        assert await state_of(release) == state


async def test_publishing_waits_for_a_withdrawal_that_is_not_committed_and_then_refuses(tmp_path: Path) -> None:
    release, _ = await build_and_wait(tmp_path)
    async with transaction():
        await consent.withdraw(IN_IT, PURPOSE)
        publisher = asyncio.create_task(publishing.publish(release, by="Ada"), context=contextvars.Context())
        await until_blocked(1)
    with pytest.raises(Conflict, match="withdrew consent"):
        await publisher
    assert await state_of(release) == "lapsed"


async def test_a_persons_pages_say_that_a_build_waits(tmp_path: Path) -> None:
    release, _ = await build_and_wait(tmp_path)
    sentence = "with you in it, and not published yet"
    async with visiting(IN_IT) as person, visiting(NOT_IN_IT) as other:
        for page in ("consent", "my-data"):
            assert sentence in (await person.get(f"/en/{page}")).text
            assert sentence not in (await other.get(f"/en/{page}")).text
        await publishing.publish(release, by="Ada")
        assert sentence not in (await person.get("/en/my-data")).text
