"""What is published of each day and zone of releases that were sealed before builds stated it, noted from their files."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from marketplace import object_store
from marketplace.cells_file import read_file, spread
from marketplace.database import execute, fetch_rows
from marketplace.datasets.queries import SQL, get_dataset, get_specification
from marketplace.errors import Conflict, Refusal, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.privacy.specification import Specification

log = structlog.get_logger(__name__)


class Unnoted(Struct, frozen=True):
    """A sealed release at an accuracy level of which it is not known what is published of its days."""

    release: uuid.UUID
    level: int
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    revision: int
    row_count: int
    cells_sha256: str


async def note_days() -> int:
    """Note what is published of the days and zones of releases and editions of earlier versions; a job. Return how many.

    One whose file is not there, is not the recorded one or cannot be read is left for a later run, and the others are noted.
    Raises Unavailable where the store did not give one, after the others; at once where it gave two of them not.
    """
    noted, silent = 0, list[Refusal]()
    for one in await fetch_rows(Unnoted, SQL["list_unnoted"]):
        key = object_store.edition_key(one.release, one.level) if one.level else object_store.cells_key(one.release)
        try:
            terms = await get_dataset(one.dataset)
            s = await get_specification(terms, one.period_from, one.period_to, revision=one.revision)
            found = await asyncio.to_thread(_read, s, await object_store.get(key), one)
        except Refusal as problem:
            log.warning("days not noted", release=str(one.release), level=one.level, why=str(problem))
            silent += [problem] if isinstance(problem, Unavailable) else []
            if len(silent) > 1:
                break  # not one file alone: so it would be of the others
            continue
        await note(one.release, one.level, found)
        noted += 1
    if silent:
        raise silent[0]
    return noted


def _read(s: Specification, data: bytes, one: Unnoted) -> dict[str, list[int]]:
    """Return what the cells in a file publish of days and zones; refuse a file that is not the recorded one, or damaged."""
    import pyarrow as pa  # noqa: PLC0415

    if hashlib.sha256(data).hexdigest() != one.cells_sha256:
        raise Conflict("These cells are not the ones recorded; restore the object store.")
    try:
        found = spread(s, read_file(data, ["zone", "starts_at"]))
    except (pa.ArrowException, LookupError, OSError, TypeError, ValueError) as problem:
        raise Conflict("These cells cannot be read: {why}", why=str(problem)) from None
    if (rows := sum(found["published_by_day"])) != one.row_count:
        raise Conflict("These are {rows} cells, and {recorded} are recorded.", rows=rows, recorded=one.row_count)
    return found


async def note(release: uuid.UUID, level: int, days: Mapping[str, list[int]]) -> None:
    """Note what a release publishes of its days and zones at an accuracy level, where it is not known; as `spread` says."""
    statement = SQL["note_edition_days"] if level else SQL["note_release_days"]
    await execute(statement, release, level, *days.values())
