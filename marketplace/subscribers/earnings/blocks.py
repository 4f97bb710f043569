"""Contributions as rows sorted by person: merging rows of several sources, and packing them into compact blocks.

A row is one person: their reference, and the number of each sold release that they are in with their weight. A block is
a run of rows; its first reference finds it, and it is read alone. It has four columns, each of the narrowest width that
fits its values: differences of references, releases per person, differences of release numbers, and weights; zstd packs
them.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

PAIRS_A_BLOCK: Final = 32_768
"""A block ends before it has more contributions than this, unless one person has more."""
WIDTHS: Final = ("<u1", "<u2", "<u4", "<i8")
HEADER: Final = struct.Struct("<4sIQqqBBBB")
"""Mark, people, contributions, first reference, lowest release number, the width of each column; then a checksum."""
CHECKSUM: Final = struct.Struct("<I")
MARK: Final = b"PCB1"
LEVEL: Final = 1
"""The level of zstd: a higher one saves little on columns this narrow and costs several times as long."""


@dataclass(frozen=True, slots=True)
class Rows:
    """People by ascending reference, each once, and their contributions in the same order."""

    references: NDArray[np.int64]
    """n of them."""
    counts: NDArray[np.int64]
    """n values above 0: how many contributions each person has."""
    numbers: NDArray[np.int64]
    """sum(counts) values: the numbers of the releases."""
    weights: NDArray[np.int64]
    """sum(counts) values above 0: the weight in each."""

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.references)

    def between(self, start: int, end: int) -> Rows:
        """Return the people at positions [start, end)."""
        first = int(self.counts[:start].sum())
        last = first + int(self.counts[start:end].sum())
        return Rows(
            self.references[start:end], self.counts[start:end], self.numbers[first:last], self.weights[first:last]
        )

    def after(self, reference: int) -> Rows:
        """Return the people whose reference is above this one."""
        return self.between(int(np.searchsorted(self.references, reference, side="right")), len(self))


def rows_of(number: int, references: NDArray[np.int64], weights: NDArray[np.int64]) -> Rows:
    """Return one release's contributions; references: ascending and distinct, weights: as many, above 0."""
    size = len(references)
    return Rows(references, np.ones(size, np.int64), np.full(size, number, np.int64), weights)


def merge(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts; a person in several parts has the contributions of each, in their order."""
    if len(parts) == 1:
        return parts[0]
    everyone = np.sort(np.concatenate([part.references for part in parts]), kind="stable")
    references = everyone[np.flatnonzero(np.diff(everyone, prepend=-1))]
    places = [np.searchsorted(references, part.references) for part in parts]
    counts = np.zeros(len(references), np.int64)
    for part, place in zip(parts, places, strict=True):
        counts[place] += part.counts
    free = np.cumsum(counts) - counts  # where each person's next contribution goes
    numbers, weights = np.empty((2, int(counts.sum())), np.int64)
    for part, place in zip(parts, places, strict=True):
        begins = np.cumsum(part.counts) - part.counts
        target = np.repeat(free[place] - begins, part.counts) + np.arange(len(part.numbers))
        numbers[target], weights[target] = part.numbers, part.weights
        free[place] += part.counts
    return Rows(references, counts, numbers, weights)


def merge_all(sources: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Yield the rows of all sources by ascending reference, whole people; each source yields them in that order.

    One piece of each source is in memory at a time.
    """
    waiting: list[tuple[Iterator[Rows], Rows | None]] = [(source, None) for source in sources]
    while True:
        filled = [(source, piece or next(filter(len, source), None)) for source, piece in waiting]
        ready = [(source, piece) for source, piece in filled if piece is not None]
        if not ready:
            return
        bound = min(int(piece.references[-1]) for _, piece in ready)
        cuts = [int(np.searchsorted(piece.references, bound, side="right")) for _, piece in ready]
        yield merge([piece.between(0, cut) for (_, piece), cut in zip(ready, cuts, strict=True) if cut])
        waiting = [(source, piece.between(cut, len(piece))) for (source, piece), cut in zip(ready, cuts, strict=True)]


def blocks_of(pieces: Iterable[Rows], pairs: int = PAIRS_A_BLOCK) -> Iterator[Rows]:
    """Yield the rows of all pieces as blocks of at most so many contributions, or of one person with more."""
    rest: Rows | None = None
    for piece in pieces:
        rows = piece if rest is None else _joined(rest, piece)
        ends = np.cumsum(rows.counts)
        start, done = 0, 0
        while int(ends[-1]) - done > pairs:
            end = max(int(np.searchsorted(ends, done + pairs, side="right")), start + 1)
            yield rows.between(start, end)
            start, done = end, int(ends[end - 1])
        rest = rows.between(start, len(rows))
    if rest is not None and len(rest):
        yield rest


def _joined(rows: Rows, further: Rows) -> Rows:
    return Rows(
        *(
            np.concatenate([getattr(rows, name), getattr(further, name)])
            for name in ("references", "counts", "numbers", "weights")
        )
    )


def pack(rows: Rows) -> bytes:
    """Return a block's bytes; rows: at least one person."""
    starts = np.cumsum(rows.counts) - rows.counts
    lowest = int(rows.numbers.min())
    steps = np.diff(rows.numbers, prepend=0)
    steps[starts] = rows.numbers[starts] - lowest
    columns = (np.diff(rows.references, prepend=rows.references[0]), rows.counts, steps, rows.weights)
    codes = [_narrowest(column) for column in columns]
    body = b"".join(column.astype(WIDTHS[code]).tobytes() for column, code in zip(columns, codes, strict=True))
    header = HEADER.pack(MARK, len(rows), len(rows.numbers), int(rows.references[0]), lowest, *codes)
    packed = bytes(_zstd().compress(body))
    return header + CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(header))) + packed


def unpack(block: bytes) -> Rows:
    """Return a block's rows; raises Conflict where the bytes differ from those packed."""
    opened = _BlockColumns(block)
    counts, steps = opened.counts.astype(np.int64), opened.steps.astype(np.int64)
    starts = np.cumsum(counts) - counts
    sums = np.cumsum(steps)
    before = sums[starts] - steps[starts]
    numbers = sums - np.repeat(before - opened.lowest, counts)
    return Rows(opened.references, counts, numbers, opened.weights.astype(np.int64))


def find(block: bytes, reference: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the release numbers and the weights of one person; empty where the block does not have the person.

    Raises Conflict where the bytes differ from those packed.
    """
    opened = _BlockColumns(block)
    place = int(np.searchsorted(opened.references, reference))
    if place == len(opened.references) or opened.references[place] != reference:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    start = int(opened.counts[:place].sum())
    own = slice(start, start + int(opened.counts[place]))
    return np.cumsum(opened.steps[own], dtype=np.int64) + opened.lowest, opened.weights[own].astype(np.int64)


class _BlockColumns:
    """A block's columns, each as narrow as it was packed; references are summed."""

    def __init__(self, block: bytes) -> None:
        header, checksum = block[: HEADER.size], block[HEADER.size : HEADER.size + CHECKSUM.size]
        packed = block[HEADER.size + CHECKSUM.size :]
        if not header.startswith(MARK) or checksum != CHECKSUM.pack(zlib.crc32(packed, zlib.crc32(header))):
            raise Conflict("The index of contributions is damaged.")
        _, people, pairs, first, self.lowest, *codes = HEADER.unpack(header)
        sizes = [
            count * np.dtype(WIDTHS[code]).itemsize
            for count, code in zip((people, people, pairs, pairs), codes, strict=True)
        ]
        body = bytes(_zstd().decompress(packed, decompressed_size=sum(sizes)))
        ends = np.cumsum(sizes)
        columns = [
            np.frombuffer(body, WIDTHS[code], size // np.dtype(WIDTHS[code]).itemsize, end - size)
            for end, size, code in zip(ends.tolist(), sizes, codes, strict=True)
        ]
        steps, self.counts, self.steps, self.weights = columns
        self.references = np.cumsum(steps, dtype=np.int64) + first


def _narrowest(column: NDArray[np.int64]) -> int:
    """Return the position in WIDTHS of the narrowest type that has every value."""
    low, high = int(column.min()), int(column.max())
    return next((code for code, bits in enumerate((8, 16, 32)) if low >= 0 and high < 1 << bits), 3)


def _zstd() -> Any:  # noqa: ANN401 (pyarrow's stubs leave the codec untyped)
    import pyarrow as pa  # noqa: PLC0415 (only who reads or writes blocks pays for it)

    return pa.Codec("zstd", compression_level=LEVEL)
