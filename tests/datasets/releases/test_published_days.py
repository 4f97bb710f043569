"""What is published of each day and zone is stated of every sealed release and of its editions, once and for ever."""

import uuid
from pathlib import Path

import asyncpg
import pytest

from marketplace.core import object_store
from marketplace.core.database import execute
from marketplace.datasets.builds.cells_file import read_file, spread
from marketplace.datasets.releases import actions, publishing, queries
from marketplace.privacy.specification import Specification
from tests.catalogue.builders import open_catalogue, seal_week
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.support.reads import fetch, fetch_one

DAYS = ("hours_by_day", "published_by_day", "published_by_zone", "published_by_figure")


async def stated_of(release: uuid.UUID) -> list[dict[str, list[int]]]:
    """Return what is stated of the days and zones of a release, then of each of its editions."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1", release)
    editions = await fetch("SELECT * FROM edition WHERE release = $1 ORDER BY level", release)
    assert row
    return [{name: one[name] for name in DAYS} for one in (row, *editions)]


async def specification_of(release: uuid.UUID) -> Specification:
    row = await queries.get_release(release)
    return await queries.get_specification(await queries.get_dataset(row.dataset), row.period_from, row.period_to)


async def test_a_release_states_its_days_when_it_is_assessed_and_its_editions_when_it_is_sealed(tmp_path: Path) -> None:
    await declare(edition_multiples=[4])
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    [built] = await stated_of(release)
    await publishing.publish(release, by="Ada")
    s = await specification_of(release)
    keys = [object_store.cells_key(release), object_store.edition_key(release, 1)]
    assert await stated_of(release) == [spread(s, read_file(await object_store.get(key))) for key in keys]
    assert (await stated_of(release))[0] == built
    assert sum(built["published_by_day"]) == (await queries.get_release(release)).row_count > 0


async def test_what_a_sealed_release_states_is_never_changed() -> None:
    await open_catalogue()
    release = await seal_week()
    for change in ("published_by_day = '{1}'", "published_by_day = '{}'", "row_count = 1"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(f"UPDATE release SET {change} WHERE id = $1", release)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("DELETE FROM release")
