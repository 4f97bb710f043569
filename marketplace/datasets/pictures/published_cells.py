"""How many cells releases publish by zone, hour and segment, and by pair of zones, read from their files.

The withheld cells determine what a release contains. A file is read once a process, within the memory limit, and only
the keys of its cells are stored: a release never changes. An audit waits for files inside its transaction, so an object
store that does not answer is not asked again for a while; nor is a file that cannot be read.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from marketplace.core import object_store
from marketplace.core.errors import Refusal, Unavailable
from marketplace.datasets.builds.cells_file import Keys, count_keys
from pricing.menus import Pairs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Key: TypeAlias = tuple[uuid.UUID, int]

MOST_BYTES: Final = 1 << 28
"""Memory for stored keys: twelve bytes a pair, one or two a zone, step and segment."""
BATCH_SIZE: Final = 2
"""Files at once: a large one takes a quarter of a gigabyte while it is read."""
WAIT_SECONDS: Final = 10
"""For one file."""
AUDIT_SECONDS: Final = 60
"""For all files of an audit: PostgreSQL ends a transaction that is idle for twice as long."""
SILENT_SECONDS: Final = 60
"""For so long a store that did not answer is not asked, nor a file that could not be read."""


class RecordedFile(NamedTuple):
    """A file of cells: its key set, and its digest if it is known."""

    keys: Keys
    sha256: str


class PublishedCells(NamedTuple):
    """Numbers of published cells: by pair of zones; and by zone × step × segment, with the origin zone for flows."""

    pairs: Pairs | None
    cells: NDArray[np.integer[Any]] | None

    @property
    def nbytes(self) -> int:
        """Bytes of memory they use."""
        return sum(each.nbytes for each in (*(self.pairs or ()), self.cells) if each is not None)


class _Known:
    """What this process has read, and until when it does not ask again."""

    def __init__(self) -> None:
        self.cells: dict[Key, PublishedCells] = {}
        self.unread: dict[Key, float] = {}
        self.silent_until = 0.0

    def is_left_alone(self, key: Key) -> bool:
        """Return whether a file is not asked for now."""
        now = time.monotonic()
        return key in self.cells or now < self.silent_until or now < self.unread.get(key, 0)

    def keep(self, key: Key, cells: PublishedCells | None) -> None:
        """Store the keys of a file; None: it could not be read. Drop the oldest when memory runs out."""
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
    """Return the published cells of releases at accuracy levels, leaving out missing and unrecorded files."""
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
    """Return a release's published cells; None if its file cannot be read, which does not prevent a listing."""
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
    """Return the keys of a release's file. Refuses another file."""
    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        raise ValueError(file.sha256)
    pairs, cells = count_keys(data, file.keys)
    return PublishedCells(None if pairs is None else Pairs(*pairs), cells)
