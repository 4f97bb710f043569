"""How many cells releases publish of each pair of zones, read from their files: which pairs are withheld decides what they hold.

A file is read once a process, as far as there is room, and of it the names of pairs alone: a release never changes. An audit
waits for files inside its transaction, so that a store that is silent is left alone for a while, and so is a file that
cannot be read.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from marketplace import object_store
from marketplace.cells_file import read_file
from marketplace.errors import Refusal, Unavailable
from marketplace.privacy.specification import TO
from pricing.menus import Pairs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    Key: TypeAlias = tuple[uuid.UUID, int]

MOST_BYTES: Final = 1 << 28
"""Of pairs that are kept: twelve bytes each."""
BATCH_SIZE: Final = 2
"""Files at once: of a large one, a quarter of a gigabyte is in memory while it is read."""
WAIT_SECONDS: Final = 10
"""For one file."""
AUDIT_SECONDS: Final = 60
"""For all files of an audit: PostgreSQL ends a transaction that is idle for twice as long."""
SILENT_SECONDS: Final = 60
"""So long nothing more is asked of a store that gave no answer, nor for a file that could not be read."""


class RecordedFile(NamedTuple):
    """A file of cells: the zones of its dataset, ascending, and its digest, where that is known."""

    zones: Sequence[str]
    sha256: str


class _Known:
    """What this process read, and until when it does not ask again."""

    def __init__(self) -> None:
        self.pairs: dict[Key, Pairs] = {}
        self.unread: dict[Key, float] = {}
        self.silent_until = 0.0

    def is_left_alone(self, key: Key) -> bool:
        """Return whether a file is not asked for now."""
        now = time.monotonic()
        return key in self.pairs or now < self.silent_until or now < self.unread.get(key, 0)

    def keep(self, key: Key, pairs: Pairs | None) -> None:
        """Keep what a file has; None: it could not be read. Drop what was read first where there is no more room."""
        if pairs is None:
            self.unread[key] = time.monotonic() + SILENT_SECONDS
            return
        self.unread.pop(key, None)
        self.pairs[key] = pairs
        left = sum(_bytes(one) for one in self.pairs.values()) - MOST_BYTES
        for old in list(self.pairs) if left > 0 else ():
            if left > 0 and old != key:
                left -= _bytes(self.pairs.pop(old))


async def read_pairs(of: Mapping[Key, RecordedFile]) -> dict[Key, Pairs]:
    """Return the published pairs of releases at accuracy levels; none of a file that is not given, or is not the recorded one."""
    known, until = _known(), time.monotonic() + AUDIT_SECONDS
    found = {key: known.pairs[key] for key in of if key in known.pairs}
    unknown = [key for key in of if not known.is_left_alone(key)]
    for start in range(0, len(unknown), BATCH_SIZE):
        some = [key for key in unknown[start : start + BATCH_SIZE] if not known.is_left_alone(key)]
        if not some or time.monotonic() > until:
            break
        for key, pairs in zip(some, await asyncio.gather(*(_read(*key, of[key]) for key in some)), strict=True):
            known.keep(key, pairs)
            found |= {} if pairs is None else {key: pairs}
    return found


async def _read(release: uuid.UUID, level: int, file: RecordedFile) -> Pairs | None:
    """Return a release's pairs; None where the store has no file that can be read: nothing is kept from being listed by that."""
    import pyarrow as pa  # noqa: PLC0415

    key = object_store.edition_key(release, level) if level else object_store.cells_key(release)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            data = await object_store.get(key)
        return await asyncio.to_thread(_pairs, data, file)
    except (TimeoutError, Unavailable):
        _known().silent_until = time.monotonic() + SILENT_SECONDS
    except (Refusal, pa.ArrowException, LookupError, OSError, TypeError, ValueError):
        pass
    return None


@functools.cache
def _known() -> _Known:
    return _Known()


def _bytes(pairs: Pairs) -> int:
    return sum(column.nbytes for column in pairs)


def _pairs(data: bytes, file: RecordedFile) -> Pairs:
    """Return the pairs that a release's file has cells of; what is no pair of its zones is left out. Refuses another file."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        raise ValueError(file.sha256)
    counted = pc.value_counts(read_file(data, ["zone"], dictionary=["zone"])["zone"])
    names, cells = counted.field("values").cast(pa.string()), counted.field("counts")
    ends = pc.split_pattern(names, TO)
    is_pair = pa.array(pc.list_value_length(ends).to_numpy(zero_copy_only=False) == len(("origin", "end")))
    ends, cells = ends.filter(is_pair), cells.filter(is_pair)
    numbers = [pc.index_in(pc.list_element(ends, at), value_set=pa.array(file.zones, pa.string())) for at in (0, 1)]
    is_of_zones = pc.and_(*(pc.is_valid(one) for one in numbers))
    origin, end = (one.filter(is_of_zones).to_numpy(zero_copy_only=False).astype(np.int32) for one in numbers)
    return Pairs(origin, end, cells.filter(is_of_zones).to_numpy(zero_copy_only=False).astype(np.int32))
