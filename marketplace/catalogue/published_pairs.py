"""How many cells releases publish of each pair of zones, read from their files: which pairs are withheld decides what they hold.

A file is read once a process, and of it the names of pairs alone: a release never changes.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace import object_store
from marketplace.cells_file import read_file
from marketplace.errors import Refusal
from marketplace.privacy.specification import TO
from pricing.menus import Pairs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

MOST_KNOWN: Final = 400
"""Twelve bytes a pair: three megabytes of a quarter of a million."""
BATCH_SIZE: Final = 8


async def read_pairs(of: Mapping[tuple[uuid.UUID, int], Sequence[str]]) -> dict[tuple[uuid.UUID, int], Pairs]:
    """Return the published pairs of releases at accuracy levels, each with its dataset's zones; none of a file that is not given."""
    known = _known()
    unknown = [key for key in of if key not in known]
    for start in range(0, len(unknown), BATCH_SIZE):
        some = unknown[start : start + BATCH_SIZE]
        for key, pairs in zip(some, await asyncio.gather(*(_read(*key, of[key]) for key in some)), strict=True):
            if pairs is not None:
                known[key] = pairs
    found = {key: known[key] for key in of if key in known}
    while len(known) > MOST_KNOWN:
        known.pop(next(iter(known)))
    return found


async def _read(release: uuid.UUID, level: int, zones: Sequence[str]) -> Pairs | None:
    """Return a release's pairs; None where the store has no file that can be read: nothing is kept from being listed by that."""
    import pyarrow as pa  # noqa: PLC0415

    key = object_store.edition_key(release, level) if level else object_store.cells_key(release)
    try:
        return await asyncio.to_thread(_pairs, await object_store.get(key), zones)
    except (Refusal, pa.ArrowException, LookupError, OSError, TypeError, ValueError):
        return None


@functools.cache
def _known() -> dict[tuple[uuid.UUID, int], Pairs]:
    return {}


def _pairs(data: bytes, zones: Sequence[str]) -> Pairs:
    """Return the pairs that a release's file has cells of; sums over a larger zone are left out."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    counted = pc.value_counts(read_file(data, ["zone"])["zone"])
    ends = pc.split_pattern(counted.field("values"), TO)
    numbers = [pc.index_in(pc.list_element(ends, at), value_set=pa.array(zones)) for at in (0, 1)]
    is_of_zones = pc.and_(*(pc.is_valid(one) for one in numbers))
    origin, end = (one.filter(is_of_zones).to_numpy().astype(np.int32) for one in numbers)
    return Pairs(origin, end, counted.field("counts").filter(is_of_zones).to_numpy().astype(np.int32))
