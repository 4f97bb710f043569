"""Copy the trail, as it grows, to a separate place, where an intruder on the site cannot change it.

Each object is some lines of the chain as `export_trail` yields them, named by the numbers of its first and last one.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore

from marketplace.core.database import fetch_rows
from marketplace.core.errors import Conflict
from marketplace.core.object_store import TROUBLES, open_at
from marketplace.core.settings import settings
from marketplace.people.audit_trail.chain import BATCH_SIZE, SQL, LinkedLine, written
from marketplace.people.audit_trail.rules import FIRST

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NAME: Final = "trail-{first:012}-{last:012}.jsonl"


async def copy_trail() -> int:
    """Write the chained lines that the copy lacks into it, if a copy is configured; a job. Return how many."""
    if not (place := settings().trail_copy):
        return 0
    copied = 0
    try:
        store, number, previous = await asyncio.to_thread(_look, place)
        while rows := await fetch_rows(LinkedLine, SQL["list_linked"], number, number + BATCH_SIZE):
            lines = []
            for row in rows:
                lines.append(json.dumps(written(row, row.number, previous) | {"hash": row.hash}, ensure_ascii=False))
                previous = row.hash
            name = NAME.format(first=rows[0].number, last=rows[-1].number)
            await obstore.put_async(store, name, "".join(f"{line}\n" for line in lines).encode(), mode="create")
            number, copied = rows[-1].number, copied + len(rows)
    except TROUBLES as error:
        raise Conflict("PARTAGE_TRAIL_COPY cannot be written: {why}", why=str(error).splitlines()[0]) from error
    return copied


def _look(place: str) -> tuple[ObjectStore, int, str]:
    """Return the copy's store, and the number and hash of the last line that it has."""
    store = open_at(place if "://" in place else Path(place).absolute().as_uri())
    names = sorted(str(found["path"]) for batch in obstore.list(store) for found in batch)
    if not names:
        return store, 0, FIRST
    last = json.loads(bytes(obstore.get(store, names[-1]).bytes()).decode().splitlines()[-1])
    return store, int(last["number"]), str(last["hash"])
