"""What is published of each day and zone is stated of every sealed release, whichever version assessed or sealed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from marketplace import object_store
from marketplace.cells_file import read_file, spread
from marketplace.database import execute
from marketplace.datasets import actions, publishing, queries
from marketplace.datasets.published_days import note_days
from tests.marketplace.catalogue.shop import make_release, open_shop
from tests.marketplace.datasets.builders import crowd, declare, make_subscribers, write
from tests.marketplace.datasets.test_build import PERIOD
from tests.support.reads import fetch, fetch_one

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

DAYS = ("hours_by_day", "published_by_day", "published_by_zone")


async def stated_of(release: uuid.UUID) -> list[dict[str, list[int]]]:
    """Return what is stated of the days and zones of a release, then of each of its editions."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1", release)
    editions = await fetch("SELECT * FROM edition WHERE release = $1 ORDER BY level", release)
    assert row
    return [{name: one[name] for name in DAYS} for one in (row, *editions)]


async def true_of(release: uuid.UUID, levels: int = 0) -> list[dict[str, list[int]]]:
    """Return what its files have."""
    row = await queries.get_release(release)
    terms = await queries.get_dataset(row.dataset)
    s = await queries.get_specification(terms, row.period_from, row.period_to)
    keys = [object_store.cells_key(release)] + [object_store.edition_key(release, 1 + at) for at in range(levels)]
    return [spread(s, read_file(await object_store.get(key))) for key in keys]


async def test_a_release_that_an_earlier_version_assessed_states_its_days_when_it_is_sealed(tmp_path: Path) -> None:
    await declare(edition_multiples=[4])
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    [built] = await stated_of(release)
    await execute("UPDATE release SET hours_by_day = '{}', published_by_day = '{}', published_by_zone = '{}'")
    await publishing.publish(release, by="Ada")
    assert await stated_of(release) == await true_of(release, levels=1)
    assert (await stated_of(release))[0] == built
    assert sum(built["published_by_day"]) == (await queries.get_release(release)).row_count > 0


async def test_releases_that_an_earlier_version_sealed_are_noted_once_and_stay_as_they_are() -> None:
    await open_shop()
    release, lost = await make_release(), await make_release(weeks_ago=1)
    await object_store.delete(object_store.cells_key(lost))
    assert (await stated_of(release))[0]["published_by_day"] == []
    assert await note_days() == 1
    assert await stated_of(release) == await true_of(release)
    assert await note_days() == 0, "the other one's file is not there"
    for change in ("published_by_day = '{1}'", "published_by_day = '{}'", "row_count = 1"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(f"UPDATE release SET {change} WHERE id = $1", release)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE release SET row_count = 1, published_by_day = '{1}' WHERE id = $1", lost)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("DELETE FROM release")
