"""Segments as objects of the private store: read in pieces by ascending reference, and written part by part."""

from __future__ import annotations

import uuid
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.core.object_store import PRIVATE, ObjectFile
from marketplace.datasets.builds.manifest_file import people_in
from marketplace.subscribers.earnings.blocks import Rows, blocks_of, merge, merge_all, pack, rows_of, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BLOCKS_A_PART: Final = 2_048
"""Upper limit: a part is then some 50 MB, and its row of the directory 32 KB."""
BLOCKS_A_READ: Final = 32
ROWS_A_READ: Final = 65_536


class PartRow(Struct, frozen=True):
    """A part of a segment as in the directory; each field is the column of `contribution_part`."""

    segment: uuid.UUID
    number: int
    first_reference: int
    last_reference: int
    pairs: int
    firsts: list[int]
    ends: list[int]


class SegmentPart(Struct, frozen=True):
    """A part to write: its row of the directory without segment and number, and its bytes."""

    first_reference: int
    last_reference: int
    pairs: int
    firsts: list[int]
    ends: list[int]
    content: bytes


def part_key(segment: uuid.UUID, number: int) -> str:
    """Return the key of a part of a segment."""
    return f"{PRIVATE}contributions/{segment}/{number}"


def read_segment(parts: Sequence[PartRow], after: int) -> Iterator[Rows]:
    """Yield a segment's people above the reference `after`; parts: all parts, by number."""
    for part in parts:
        if part.last_reference <= after:
            continue
        file = ObjectFile(part_key(part.segment, part.number))
        begins = [0, *part.ends[:-1]]
        first = max(int(np.searchsorted(part.firsts, after, side="right")) - 1, 0)
        for block in range(first, len(part.ends), BLOCKS_A_READ):
            ends = part.ends[block : block + BLOCKS_A_READ]
            file.seek(begins[block])
            content = file.read(ends[-1] - begins[block])
            offsets = [0, *(end - begins[block] for end in ends)]
            rows = [unpack(content[start:end]) for start, end in pairwise(offsets)]
            yield merge(rows).after(after)


def read_manifest(path: Path, number: int, after: int) -> Iterator[Rows]:
    """Yield the people above the reference `after` in a fetched manifest, under the release's number."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (only the job pays for it)

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_A_READ, columns=["reference", "weight"]):
            yield rows_of(number, *people_in(batch)).after(after)


def parts_of(sources: Sequence[Iterator[Rows]], blocks_a_part: int = BLOCKS_A_PART) -> Iterator[SegmentPart]:
    """Yield the merged sources as the parts of one segment."""
    blocks = blocks_of(merge_all(sources))
    for first in blocks:
        firsts, ends, contents, pairs, length, last = [], [], [], 0, 0, 0
        for block in chain([first], islice(blocks, blocks_a_part - 1)):
            contents.append(pack(block))
            length += len(contents[-1])
            firsts.append(int(block.references[0]))
            ends.append(length)
            pairs += len(block.numbers)
            last = int(block.references[-1])
        yield SegmentPart(firsts[0], last, pairs, firsts, ends, b"".join(contents))
