"""Whether the object store is this installation's: an empty or another one's lacks the published releases."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import object_store
from marketplace.core.database import fetch_column
from marketplace.core.errors import Conflict, NotFound, Unavailable

SECONDS: Final = 2.0
SAMPLE: Final = """(SELECT id FROM release WHERE state = 'sealed' ORDER BY sealed_at LIMIT 1)
    UNION (SELECT id FROM release WHERE state = 'sealed' ORDER BY sealed_at DESC LIMIT 2)"""
WITHOUT: Final = "{cause} Nothing is built or downloaded until it answers."
MEND: Final = "compare PARTAGE_OBJECTS and PARTAGE_STATE; what is lost comes back with `marketplace restore`"


class Sample(Struct, frozen=True):
    """How many releases were checked, and which are missing."""

    looked_for: int
    missing: list[uuid.UUID]


async def find_missing() -> Sample:
    """Check the first published release and the last two."""
    found = await fetch_column(uuid.UUID, SAMPLE)
    missing = []
    for release in found:
        try:
            await object_store.size(object_store.cells_key(release))
        except NotFound:
            missing.append(release)
    return Sample(len(found), missing)


def sentence_of(sample: Sample) -> str:
    """Return a sentence for missing releases; empty if there are none."""
    if not sample.missing:
        return ""
    if len(sample.missing) == sample.looked_for:
        return "The object store has no release that was published here: it is empty, or another installation’s."
    return f"The object store lacks the release {sample.missing[0]}, which was published here."


async def find_fault() -> str:
    """Return what is wrong with the store, after waiting for its answer; empty if nothing is."""
    try:
        await object_store.look()
        return sentence_of(await find_missing())
    except Unavailable as refusal:
        return refusal.cause
    except object_store.TROUBLES as error:
        return object_store.sentence_of(error)


async def refuse_other_objects() -> None:
    """Refuse a store that has none of the checked releases; only report one that does not answer now."""
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
