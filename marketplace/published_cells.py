"""How many cells releases publish of each zone, hour and segment, and pair of zones, read from their files.

Which ones are withheld decides what a release holds. A file is read once a process, as far as there is room, and of it the
keys of cells alone: a release never changes. An audit
waits for files inside its transaction, so that a store that is silent is left alone for a while, and so is a file that
cannot be read.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from marketplace import object_store
from marketplace.cells_file import Keys, count_keys
from marketplace.errors import Refusal, Unavailable
from pricing.menus import Pairs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Key: TypeAlias = tuple[uuid.UUID, int]

MOST_BYTES: Final = 1 << 28
"""Of what is kept: twelve bytes a pair, one or two a zone, step and segment."""
BATCH_SIZE: Final = 2
"""Files at once: of a large one, a quarter of a gigabyte is in memory while it is read."""
WAIT_SECONDS: Final = 10
"""For one file."""
AUDIT_SECONDS: Final = 60
"""For all files of an audit: PostgreSQL ends a transaction that is idle for twice as long."""
SILENT_SECONDS: Final = 60
"""So long nothing more is asked of a store that gave no answer, nor for a file that could not be read."""


class RecordedFile(NamedTuple):
    """A file of cells: its key set, and its digest, where that is known."""

    keys: Keys
    sha256: str


class PublishedCells(NamedTuple):
    """How many cells are published: of pairs of zones; and of zones × steps × segments, the zone that flows come from."""

    pairs: Pairs | None
    cells: NDArray[np.integer[Any]] | None

    @property
    def nbytes(self) -> int:
        """How much memory they are in."""
        return sum(each.nbytes for each in (*(self.pairs or ()), self.cells) if each is not None)


class _Known:
    """What this process read, and until when it does not ask again."""

    def __init__(self) -> None:
        self.cells: dict[Key, PublishedCells] = {}
        self.unread: dict[Key, float] = {}
        self.silent_until = 0.0

    def is_left_alone(self, key: Key) -> bool:
        """Return whether a file is not asked for now."""
        now = time.monotonic()
        return key in self.cells or now < self.silent_until or now < self.unread.get(key, 0)

    def keep(self, key: Key, cells: PublishedCells | None) -> None:
        """Keep what a file has; None: it could not be read. Drop what was read first where there is no more room."""
        if cells is None:
            self.unread[key] = time.monotonic() + SILENT_SECONDS
            return
        self.unread.pop(key, None)
        self.cells[key] = cells
        left = sum(one.nbytes for one in self.cells.values()) - MOST_BYTES
        for old in list(self.cells) if left > 0 else ():
            if left > 0 and old != key:
                left -= self.cells.pop(old).nbytes


async def read_published(of: Mapping[Key, RecordedFile]) -> dict[Key, PublishedCells]:
    """Return what releases publish at accuracy levels; nothing of a file that is not given, or is not the recorded one."""
    known, until = _known(), time.monotonic() + AUDIT_SECONDS
    found = {key: known.cells[key] for key in of if key in known.cells}
    unknown = [key for key in of if not known.is_left_alone(key)]
    for start in range(0, len(unknown), BATCH_SIZE):
        some = [key for key in unknown[start : start + BATCH_SIZE] if not known.is_left_alone(key)]
        if not some or time.monotonic() > until:
            break
        for key, cells in zip(some, await asyncio.gather(*(_read(*key, of[key]) for key in some)), strict=True):
            known.keep(key, cells)
            found |= {} if cells is None else {key: cells}
    return found


async def _read(release: uuid.UUID, level: int, file: RecordedFile) -> PublishedCells | None:
    """Return what a release publishes; None where the store has no file that can be read: nothing is kept from being listed by that."""
    import pyarrow as pa  # noqa: PLC0415

    key = object_store.edition_key(release, level) if level else object_store.cells_key(release)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            data = await object_store.get(key)
        return await asyncio.to_thread(_published, data, file)
    except (TimeoutError, Unavailable):
        _known().silent_until = time.monotonic() + SILENT_SECONDS
    except (Refusal, pa.ArrowException, LookupError, OSError, TypeError, ValueError):
        pass
    return None


@functools.cache
def _known() -> _Known:
    return _Known()


def _published(data: bytes, file: RecordedFile) -> PublishedCells:
    """Return what a release's file has cells of. Refuses another file."""
    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        raise ValueError(file.sha256)
    pairs, cells = count_keys(data, file.keys)
    return PublishedCells(None if pairs is None else Pairs(*pairs), cells)
