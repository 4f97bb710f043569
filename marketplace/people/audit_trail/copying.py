"""Copy the trail, as it grows, out of the database, and compare: so its owner cannot rewrite a line and all links unseen.

The copy is in the object store, or better in a place apart that the setting names. Each object is some lines of the chain as `export_trail` yields them, named by the numbers of its first and last one.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore

from marketplace.core.database import fetch_rows
from marketplace.core.errors import Conflict
from marketplace.core.object_store import TRAIL_COPY, TROUBLES, open_at
from marketplace.core.object_store import store as object_store
from marketplace.core.settings import settings
from marketplace.people.audit_trail.chain import BATCH_SIZE, SQL, LinkedLine, written
from marketplace.people.audit_trail.rules import FIRST

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NAME: Final = "trail-{first:012}-{last:012}.jsonl"


async def copy_trail() -> int:
    """Write the chained lines that the copy lacks into it; a job. Return how many."""
    copied = 0
    try:
        store, prefix, names = await asyncio.to_thread(_look)
        number, previous = 0, FIRST
        if names:
            last = json.loads((await _lines_of(store, names[-1]))[-1])
            number, previous = int(last["number"]), str(last["hash"])
        while rows := await fetch_rows(LinkedLine, SQL["list_linked"], number, number + BATCH_SIZE):
            lines = []
            for row in rows:
                lines.append(_as_copied(row, previous))
                previous = row.hash
            name = prefix + NAME.format(first=rows[0].number, last=rows[-1].number)
            await obstore.put_async(store, name, "".join(f"{line}\n" for line in lines).encode(), mode="create")
            number, copied = rows[-1].number, copied + len(rows)
    except TROUBLES as error:
        raise _without_copy(error) from error
    return copied


async def compare_copy() -> int:
    """Compare every copied line with the database, and refuse the first that was changed or removed; a job. Return how many."""
    number, previous = 0, FIRST
    try:
        store, _, names = await asyncio.to_thread(_look)
        for name in names:
            copied = await _lines_of(store, name)
            rows = await fetch_rows(LinkedLine, SQL["list_linked"], number, number + len(copied))
            for place, line in enumerate(copied):
                number += 1
                if place >= len(rows) or _as_copied(rows[place], previous) != line:
                    raise Conflict(
                        "Line {number} of the audit trail was changed or removed since it was copied.", number=number
                    )
                previous = rows[place].hash
    except TROUBLES as error:
        raise _without_copy(error) from error
    return number


def _as_copied(row: LinkedLine, previous: str) -> str:
    return json.dumps(written(row, row.number, previous) | {"hash": row.hash}, ensure_ascii=False)


async def _lines_of(store: ObjectStore, name: str) -> list[str]:
    answer = await obstore.get_async(store, name)
    return bytes(await answer.bytes_async()).decode().removesuffix("\n").split("\n")


def _without_copy(error: BaseException) -> Conflict:
    why = str(error).splitlines()[0]
    return Conflict("PARTAGE_TRAIL_COPY cannot be read or written: {why}", why=why)


def _look() -> tuple[ObjectStore, str, list[str]]:
    """Return the copy's store, what its names begin with, and the names that it has, in order."""
    place = settings().trail_copy
    store = open_at(place if "://" in place else Path(place).absolute().as_uri()) if place else object_store()
    prefix = "" if place else TRAIL_COPY
    return store, prefix, sorted(str(found["path"]) for batch in obstore.list(store, prefix) for found in batch)
