"""What is published of each day and zone of releases that were sealed before builds stated it, noted from their files."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import object_store
from marketplace.cells_file import read_file, spread
from marketplace.database import execute, fetch_rows
from marketplace.datasets.queries import SQL, get_dataset, get_specification
from marketplace.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unnoted(Struct, frozen=True):
    """A sealed release at an accuracy level of which it is not known what is published of its days."""

    release: uuid.UUID
    level: int
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    revision: int


async def note_days() -> int:
    """Note what is published of the days and zones of releases and editions of earlier versions; a job. Return how many.

    One whose file is not there is left for a later run.
    """
    noted = 0
    for one in await fetch_rows(Unnoted, SQL["list_unnoted"]):
        terms = await get_dataset(one.dataset)
        s = await get_specification(terms, one.period_from, one.period_to, revision=one.revision)
        key = object_store.edition_key(one.release, one.level) if one.level else object_store.cells_key(one.release)
        try:
            found = await asyncio.to_thread(spread, s, read_file(await object_store.get(key)))
        except Refusal:
            continue
        await note(one.release, one.level, found)
        noted += 1
    return noted


async def note(release: uuid.UUID, level: int, days: Mapping[str, list[int]]) -> None:
    """Note what a release publishes of its days and zones at an accuracy level, where it is not known; as `spread` says."""
    statement = SQL["note_edition_days"] if level else SQL["note_release_days"]
    await execute(statement, release, level, *days.values())
