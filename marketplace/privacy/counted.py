"""What the lines of one bucket count in, as arrays: what a product's kernel is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BucketEvents(Protocol):
    """The events of one bucket's lines that count: in the period, in a zone of the key set, under their line's consent."""

    @property
    def step(self) -> NDArray[np.int64]:
        """Of each slot, the number of its time of the key set; slots are the period's hours of UTC, or their quarters."""

    @property
    def hour(self) -> NDArray[np.int64]:
        """Of each slot, the hour on the local clock, 0 to 23."""

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
        """Whether each visit is of another line, slot or zone: no zone has more than one place of the event store."""

    def visits(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
        """Return n visits: line within the bucket, slot, zone, events (of a line's slot in a place)."""

    def moments(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]:
        """Return n events: line within the bucket, microseconds since 1970, zone."""

    def step_at(self, at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the key set's time that each instant is in; at_us: n of the period, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What lines of one bucket count in: line within the bucket, time × places + place, events; each of n rows once."""

    line: NDArray[np.uint32]
    code: NDArray[np.uint32]
    events: NDArray[np.unsignedinteger[Any]]

    def only(self, of: NDArray[Any]) -> Seen:
        """Return these rows alone; of: their positions, or n booleans."""
        return Seen(self.line[of], self.code[of], self.events[of])


@dataclass(frozen=True, slots=True)
class CountedLines:
    """Rows of `Seen` with what the operator's table says of each line of their bucket."""

    line: NDArray[np.int64]
    """n numbers of lines within the bucket."""
    code: NDArray[np.uint32]
    """n codes: time × places + place."""
    places: int
    home: NDArray[np.int32]
    """Zone where each line of the bucket is at home, -1 outside the key set."""
    band: NDArray[np.int16]
    """Age band of each line of the bucket."""


def grouped(line: NDArray[Any], code: NDArray[Any], events: NDArray[Any]) -> Seen:
    """Return n rows with those of one line and code as one, their events added up; by line, then code."""
    order = np.argsort((line.astype(np.uint64) << np.uint64(32)) | code.astype(np.uint64))
    line, code = line[order].astype(np.uint32), code[order].astype(np.uint32)
    first = np.flatnonzero(differs_from_before(line) | differs_from_before(code))
    if not len(first):
        return Seen(line, code, np.empty(0, np.int64))
    return Seen(line[first], code[first], np.add.reduceat(events[order].astype(np.int64), first))


def differs_from_before(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return of each of n values whether it differs from the one before; the first does."""
    changes = np.empty(len(values), np.bool_)
    changes[:1] = True
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes
