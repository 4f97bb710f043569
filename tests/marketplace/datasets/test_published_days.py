"""What is published of each day and zone is stated of every sealed release, whichever version assessed or sealed it."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from marketplace import clock, object_store
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue import menu
from marketplace.catalogue.queries import SQL, find_listed_release, list_priced_offers
from marketplace.catalogue.rules import EditionFigures, coarser, price_inputs
from marketplace.cells_file import read_file, spread
from marketplace.database import execute, fetch_rows, transaction
from marketplace.datasets import actions, published_days, publishing, queries
from marketplace.datasets.published_days import note_days
from marketplace.errors import Unavailable
from migrations.history import m0127_hours_of_editions
from migrations.runner import functions_text
from tests.marketplace.catalogue.shop import last_midnight, make_buyer, make_release, open_shop
from tests.marketplace.datasets.builders import crowd, declare, make_subscribers, write
from tests.marketplace.datasets.test_build import PERIOD
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one

if TYPE_CHECKING:
    from collections.abc import Callable
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


def as_file(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


async def cells_of(release: uuid.UUID) -> pa.Table:
    return read_file(await object_store.get(object_store.cells_key(release)))


async def put_in_place(release: uuid.UUID, file: bytes, *, is_recorded: bool) -> None:
    """Put a file in place of a release's cells, as if it was built with it where `is_recorded`."""
    await object_store.put(object_store.cells_key(release), file)
    if is_recorded:
        digest = hashlib.sha256(file).hexdigest()
        await as_owner("ALTER TABLE release DISABLE TRIGGER sealed_for_ever")
        await as_owner("UPDATE release SET cells_sha256 = $2 WHERE id = $1", release, digest)
        await as_owner("ALTER TABLE release ENABLE TRIGGER sealed_for_ever")


async def days_of(release: uuid.UUID) -> list[int]:
    return (await stated_of(release))[0]["published_by_day"]


def moved(table: pa.Table, by: dt.timedelta) -> pa.Table:
    instants = [at + by for at in table["starts_at"].to_pylist()]
    return table.set_column(1, "starts_at", pa.array(instants, pa.timestamp("us", tz="UTC")))


DAMAGE: dict[str, Callable[[pa.Table], bytes]] = {
    "cut": lambda table: as_file(table)[: table.nbytes // 4],
    "empty": lambda _: b"",
    "no zone": lambda table: as_file(table.drop_columns(["zone"])),
    "no instant": lambda table: as_file(table.drop_columns(["starts_at"])),
    "numbers for instants": lambda table: as_file(table.set_column(1, "starts_at", table["people"])),
    "words for instants": lambda table: as_file(table.set_column(1, "starts_at", table["segment"])),
    "zones that are lists": lambda table: as_file(table.set_column(0, "zone", pa.array([["a"]] * len(table)))),
    "after the period": lambda table: as_file(moved(table, dt.timedelta(days=400))),
    "before the period": lambda table: as_file(moved(table, dt.timedelta(days=-3000))),
    "between steps": lambda table: as_file(moved(table, dt.timedelta(minutes=1))),
    "fewer cells": lambda table: as_file(table.slice(0, 10)),
}


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_file_is_logged_and_keeps_no_other_release_from_being_noted(
    *, damage: str, is_recorded: bool
) -> None:
    """Damaged from the day it was built on, or since, so that it is not the recorded one; the latest is read first."""
    await open_shop()
    older, damaged = await make_release(weeks_ago=1), await make_release()
    await put_in_place(damaged, DAMAGE[damage](await cells_of(damaged)), is_recorded=is_recorded)
    with capture_logs() as logged:
        assert await note_days() == 1
    assert await stated_of(older) == await true_of(older)
    assert await days_of(damaged) == []
    [line] = [line for line in logged if line["event"] == "days not noted"]
    assert (line["log_level"], line["release"], line["level"]) == ("warning", str(damaged), 0)
    assert ("not the ones recorded" in line["why"]) == (not is_recorded)


async def test_a_period_that_its_dataset_refuses_keeps_no_other_release_from_being_noted() -> None:
    await open_shop()
    end, minute = last_midnight(), dt.timedelta(minutes=1)
    crooked = {"period_from": end - dt.timedelta(days=7) + minute, "period_to": end + minute}
    older, refused = await make_release(weeks_ago=1), await make_release(**crooked)
    with capture_logs() as logged:
        assert await note_days() == 1
    assert (await days_of(older), await days_of(refused)) == ([12] * 7, [])
    assert "whole day" in next(line["why"] for line in logged if line.get("release") == str(refused))


async def test_a_store_that_does_not_answer_is_a_failure_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for two: of the other releases it would say the same."""
    await open_shop()
    for weeks in range(3):
        await make_release(weeks_ago=weeks)
    asked = []

    async def unanswered(key: str) -> bytes:
        asked.append(key)
        with object_store.answering():
            raise ConnectionError
        return b""

    with monkeypatch.context() as patched:
        patched.setattr(object_store, "get", unanswered)
        with pytest.raises(Unavailable):
            await note_days()
    assert len(asked) == 2
    assert await note_days() == 3


async def test_a_file_that_a_folder_does_not_give_keeps_no_other_from_being_noted() -> None:
    """Such as one of another owner after a restore, or on a bad sector; the job fails once the others are noted."""
    await open_shop()
    older, newest = await make_release(weeks_ago=1), await make_release()
    path = object_store.path_of(object_store.cells_key(newest))
    assert path
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(Unavailable):
        await note_days()
    assert await stated_of(older) == await true_of(older)


async def test_files_are_read_beside_the_loop_and_of_them_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of a large area has millions of cells: the site answers while they are read."""
    await open_shop()
    release, read = await make_release(), []

    def note_read(data: bytes, columns: list[str] | None = None) -> pa.Table:
        read.append((threading.current_thread() is threading.main_thread(), columns))
        return read_file(data, columns)

    monkeypatch.setattr(published_days, "read_file", note_read)
    assert await note_days() == 1
    assert read == [(False, ["zone", "starts_at"])]
    assert await stated_of(release) == await true_of(release)


async def test_what_is_noted_is_whole_and_adds_up() -> None:
    await open_shop()
    release = await make_release()
    [true] = await true_of(release)
    part = "UPDATE release SET hours_by_day = $2, published_by_day = $3, published_by_zone = $4 WHERE id = $1"
    hours, days, zones = true.values()
    for wrong in (
        ([], [], zones),
        (hours, [], []),
        (hours, [], zones),
        ([], days, zones),
        (hours, days, []),
        (hours[1:], days, zones),
        (hours, [*days[1:], days[0] + 1], zones),
        (hours, [days[0] - 100, days[1] + 100, *days[2:]], zones),
        (hours, days, zones[1:]),
        (hours, days, [zones[0] + 1, *zones[1:]]),
        ([24], [7], [7]),
        ([], [], []),
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(part, release, *wrong)
    await execute(part, release, hours, days, zones)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute(part, release, hours, days, zones)
    assert await stated_of(release) == [true]


async def make_edition_without_hours(release: uuid.UUID, days: list[int], zones: list[int]) -> None:
    """Write what the version between 0123 and 0124 did of an edition, which has the cells of its release here."""
    data = await object_store.get(object_store.cells_key(release))
    await object_store.put(object_store.edition_key(release, 1), data)
    await execute(
        """INSERT INTO edition (id, release, level, variance_multiple, threshold, noise_variance_micro, row_count,
               published_by_day, published_by_zone, error_people, cells_sha256)
           SELECT gen_random_uuid(), id, 1, 10, 20, 90000000, row_count, $2, $3, 9, cells_sha256
           FROM release WHERE id = $1""",
        release,
        days,
        zones,
    )


async def test_an_edition_whose_days_are_of_unknown_length_is_priced_as_one_of_unknown_days_until_it_is_noted() -> None:
    await open_shop()
    release, partner = await make_release(), await make_buyer()
    [true] = await true_of(release)
    await make_edition_without_hours(release, true["published_by_day"], true["published_by_zone"])
    [of_release, figures] = await fetch_rows(
        EditionFigures,
        """SELECT noise_variance_micro, row_count, hours_by_day, published_by_day FROM release
           UNION ALL SELECT noise_variance_micro, row_count, hours_by_day, published_by_day FROM edition""",
    )
    assert (of_release.published_by_day, figures.published_by_day) == ([], true["published_by_day"])
    listed = await find_listed_release(release)
    assert listed
    now = clock.now()
    unknown = replace(figures, published_by_day=[])
    [offer] = await list_priced_offers(["lyon"], now)
    offer = replace(offer, demand_basis_points=10_000)
    inputs = [
        price_inputs(coarser(listed, one), offer, operator_basis_points=3000, now=now) for one in (figures, unknown)
    ]
    assert inputs[0] == inputs[1]
    assert len(await catalogue.editions_now(listed, now=now)) == 2
    await catalogue.quote(partner, release, quote_id=uuid.uuid4(), level=1)
    async with transaction():
        await menu.audit_published("lyon", now)
    assert await fetch(SQL["list_published_zones"], [release]) == []
    assert await note_days() == 2
    assert await stated_of(release) == [true, true]
    assert len(await fetch(SQL["list_published_zones"], [release])) == 2
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE edition SET hours_by_day = '{}'")


@pytest.mark.parametrize("is_release_known", [True, False])
async def test_migration_127_says_how_long_the_days_of_editions_are(*, is_release_known: bool) -> None:
    """As long as their release's; where these are not known, the job notes both anew."""
    await open_shop()
    release = await make_release()
    if is_release_known:
        await note_days()
    [true] = await true_of(release)
    await make_edition_without_hours(release, true["published_by_day"], true["published_by_zone"])
    await as_owner(m0127_hours_of_editions.SQL)
    nothing: dict[str, list[int]] = {name: [] for name in DAYS}
    assert await stated_of(release) == ([true, true] if is_release_known else [nothing, nothing])
    await as_owner(functions_text())
    assert await note_days() == (0 if is_release_known else 2)
    assert await stated_of(release) == [true, true]
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE edition SET published_by_day = '{}'")
