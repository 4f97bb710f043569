"""Whether the object store is this installation's: an empty folder or another's bucket lacks the releases that it published."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from msgspec import Struct

from marketplace import object_store
from marketplace.database import fetch_rows
from marketplace.errors import Conflict, NotFound, Unavailable

SECONDS: Final = 2.0
SAMPLE: Final = """(SELECT id FROM release WHERE state = 'sealed' ORDER BY sealed_at LIMIT 1)
    UNION (SELECT id FROM release WHERE state = 'sealed' ORDER BY sealed_at DESC LIMIT 2)"""
WITHOUT: Final = "{cause} Nothing is built or downloaded until it answers."
MEND: Final = "compare PARTAGE_OBJECTS and PARTAGE_STATE; what is lost comes back with `marketplace restore`"


class Sealed(Struct, frozen=True):
    """A release whose cells are in the store as long as there is one."""

    id: uuid.UUID


class Sample(Struct, frozen=True):
    """How many releases were looked for, and which are missing."""

    looked_for: int
    missing: list[uuid.UUID]


async def find_missing() -> Sample:
    """Look for the first release that was published, and the last two."""
    found = await fetch_rows(Sealed, SAMPLE)
    missing = []
    for release in found:
        try:
            await object_store.size(object_store.cells_key(release.id))
        except NotFound:
            missing.append(release.id)
    return Sample(len(found), missing)


def sentence_of(sample: Sample) -> str:
    """Say what is missing; empty where nothing is."""
    if not sample.missing:
        return ""
    if len(sample.missing) == sample.looked_for:
        return "The object store has no release that was published here: it is empty, or another installation’s."
    return f"The object store lacks the release {sample.missing[0]}, which was published here."


async def find_fault() -> str:
    """Say what is wrong with the store, and wait for its answer; empty where nothing is."""
    try:
        await object_store.look()
        return sentence_of(await find_missing())
    except Unavailable as refusal:
        return refusal.cause
    except object_store.TROUBLES as error:
        return object_store.sentence_of(error)


async def refuse_other_objects() -> None:
    """Refuse a store that has none of the releases looked for; of one that does not answer now, print why: it may later."""
    try:
        async with asyncio.timeout(SECONDS):
            await object_store.ask()
            sample = await find_missing()
    except Unavailable as refusal:
        print(WITHOUT.format(cause=refusal.cause), flush=True)
        return
    except TimeoutError as error:
        print(WITHOUT.format(cause=object_store.sentence_of(error)), flush=True)
        return
    if sample.missing and len(sample.missing) == sample.looked_for:
        raise Conflict(
            "{sentence} Compare PARTAGE_OBJECTS and PARTAGE_STATE, or restore a backup.",
            sentence=sentence_of(sample),
        )
