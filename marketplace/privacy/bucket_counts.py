"""Arrays of what one bucket's lines count in: the input and the output of a product's kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BucketEvents(Protocol):
    """The events that count of one bucket's lines: in the period, in a zone of the key set, covered by consent."""

    @property
    def step(self) -> NDArray[np.int64]:
        """For each slot, the number of its time in the key set; slots are the period's UTC hours or quarters."""

    @property
    def hour(self) -> NDArray[np.int64]:
        """For each slot, the hour on the local clock, 0 to 23."""

    @property
    def is_by_step(self) -> bool:
        """Whether slots are the times of the key set."""

    @property
    def zones(self) -> int:
        """How many zones the key set has."""

    @property
    def places(self) -> int:
        """How many places the key set has: its zones, or its pairs of zones."""

    @property
    def is_one_to_one(self) -> bool:
        """Whether no two visits share line, slot and zone: no zone has more than one place of the event store."""

    def visits(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
        """Return n visits: line within the bucket, slot, zone, events (of a line's slot in a place)."""

    def moments(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]:
        """Return n events: line within the bucket, microseconds since 1970, zone."""

    def step_at(self, at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which time of the key set contains each instant; at_us: n of the period, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class BucketCounts:
    """The cells that one bucket's lines count in: line in it, time × places + place, events; n distinct rows."""

    line: NDArray[np.uint32]
    code: NDArray[np.uint32]
    events: NDArray[np.unsignedinteger[Any]]

    def only(self, of: NDArray[Any]) -> BucketCounts:
        """Return only these rows; of: their positions, or n booleans."""
        return BucketCounts(self.line[of], self.code[of], self.events[of])


@dataclass(frozen=True, slots=True)
class CountedLines:
    """Rows of `BucketCounts`, with home and age band of each line of their bucket from the operator's table."""

    line: NDArray[np.int64]
    """n numbers of lines within the bucket."""
    code: NDArray[np.uint32]
    """n codes: time × places + place."""
    places: int
    home: NDArray[np.int32]
    """Home zone of each line of the bucket, -1 outside the key set."""
    band: NDArray[np.int16]
    """Age band of each line of the bucket."""


def grouped(line: NDArray[Any], code: NDArray[Any], events: NDArray[Any]) -> BucketCounts:
    """Return n rows, merging those of one line and code and adding up their events; by line, then code."""
    order = np.argsort((line.astype(np.uint64) << np.uint64(32)) | code.astype(np.uint64))
    line, code = line[order].astype(np.uint32), code[order].astype(np.uint32)
    first = np.flatnonzero(differs_from_before(line) | differs_from_before(code))
    if not len(first):
        return BucketCounts(line, code, np.empty(0, np.int64))
    return BucketCounts(line[first], code[first], np.add.reduceat(events[order].astype(np.int64), first))


def differs_from_before(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each of n values whether it differs from the one before; the first always does."""
    changes = np.empty(len(values), np.bool_)
    changes[:1] = True
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes
