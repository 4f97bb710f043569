"""Pairs of flows are read from the recorded files alone, each once, and an audit waits for no store that is silent."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marketplace.core import object_store
from marketplace.core.errors import Unavailable
from marketplace.datasets.builds.cells_file import Keys
from marketplace.datasets.pictures import published_cells
from marketplace.datasets.pictures.published_cells import PublishedCells, RecordedFile, read_published
from pricing.menus import Pairs
from tests.catalogue.builders import last_midnight, open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    published_cells._known.cache_clear()
    yield
    published_cells._known.cache_clear()


def keys(*, between_zones: bool = False) -> Keys:
    """Return the keys of a day of ZONES, by the hour."""
    return Keys(sorted(ZONES), last_midnight(), range(25), BANDS, between_zones)


async def publish_pairs(code: str, pairs: list[str]) -> tuple[tuple[uuid.UUID, int], RecordedFile]:
    """Seal a release of pairs, a cell each; return its key and its file."""
    await open_catalogue(code, zones=sorted(ZONES), product="flows")
    at = last_midnight()
    rows = [{"zone": pair, "starts_at": at, "segment": BANDS[0], "people": 400, "events": 900} for pair in pairs]
    release = await seal_week(code, rows=rows)
    digest = await fetch_value("SELECT cells_sha256 FROM release WHERE id = $1", release)
    return (release, 0), RecordedFile(keys(between_zones=True), digest)


async def test_pairs_of_its_zones_are_read_and_nothing_else() -> None:
    one, other, *_ = sorted(ZONES)
    key, file = await publish_pairs("city", [f"{one}>{other}", f"{other}>{other}", one, f"{one}>elsewhere"])
    (found,) = (await read_published({key: file})).values()
    assert found.pairs
    assert found.cells is not None
    assert sorted(zip(*(column.tolist() for column in found.pairs), strict=True)) == [(0, 1, 1), (1, 1, 1)]
    assert np.argwhere(found.cells).tolist() == [[0, 0, 0], [1, 0, 0]]


async def test_a_file_that_is_not_the_recorded_one_is_not_believed() -> None:
    one, other, *_ = sorted(ZONES)
    key, file = await publish_pairs("city", [f"{one}>{other}"])
    (other_key, _), of = await publish_pairs("west", [f"{one}>{one}"]), object_store.cells_key
    whole = await object_store.get(of(key[0]))
    published_cells._known.cache_clear()  # what listing the second one has read
    await object_store.put(of(key[0]), await object_store.get(of(other_key[0])))
    assert await read_published({key: file}) == {}
    await object_store.put(of(key[0]), whole)
    assert await read_published({key: file}) == {}, "for a minute it is not asked for"
    published_cells._known().unread.clear()
    assert list(await read_published({key: file})) == [key]


@pytest.mark.parametrize("way", ["no answer", "an error"])
async def test_a_store_that_is_silent_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    asked = []

    async def silent(key: str) -> bytes:
        asked.append(key)
        if way == "no answer":
            await asyncio.Event().wait()
        raise Unavailable("The object store does not answer as it should: try again in a few minutes.", cause="x")

    monkeypatch.setattr(published_cells, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(object_store, "get", silent)
    files = {(uuid.uuid4(), 0): RecordedFile(keys(), "") for _ in range(100)}
    for _ in range(3):
        assert await read_published(files) == {}
    assert len(asked) == published_cells.BATCH_SIZE


async def test_what_there_is_room_for_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of days of two datasets were read again at every audit, where four hundred files were kept."""
    asked = []

    async def read(*key: Any) -> Any:
        asked.append(key)
        return PublishedCells(Pairs(*(np.zeros(1_000, np.int32) for _ in range(3))), None)

    monkeypatch.setattr(published_cells, "_read", read)
    files = {(uuid.uuid4(), 0): RecordedFile(keys(), "") for _ in range(730)}
    for _ in range(2):
        assert await read_published(files) == await read_published(files)
    assert len(asked) == len(files)
    monkeypatch.setattr(published_cells, "MOST_BYTES", 12_000 * 100)
    published_cells._known.cache_clear()
    assert len(await read_published(files)) == len(files)
    assert len(published_cells._known().cells) == 100
