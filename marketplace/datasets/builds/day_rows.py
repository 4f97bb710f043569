"""The rows of all files of a day, sorted and made distinct one bucket at a time, with the files that gave each event.

An event in several files is one event, as a day's events are a set. The files that gave it are recorded, so that a
corrected file replaces only what it said itself, and a renamed copy is recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from marketplace.core.instants import HOUR_US
from marketplace.core.line_index import ROWS_AT_ONCE
from marketplace.datasets.builds.event_store import KIND_BITS, MOST_PLACES, PLACE_BITS, UNITS_US, Origins, Rows
from marketplace.privacy.bucket_counts import differs_from_before

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

HOURS_BITS: Final = 5
WORD_BITS: Final = 64
COLUMNS: Final = ("people", "visit", "micros", "kind")
SMALLEST_PART: Final = 10
"""A file that shares less than a tenth of its rows with another is no version of it."""


class DayRowsPart(NamedTuple):
    """Rows and the files that gave them, by position in the day's sources: one for all rows or one for each."""

    rows: Rows
    source: NDArray[Any] | int


class Bucket(NamedTuple):
    """A bucket's lines (numbered within it), its rows, sorted and distinct, and their origins if several files gave them."""

    people: NDArray[np.uint32]
    rows: Rows
    origins: Origins | None


class Day(NamedTuple):
    """The facts about a day and its store that sorting needs."""

    buckets: int
    places: int
    sources: int
    """How many files gave events of the day."""


def whole(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts as one."""
    if len(parts) == 1:
        return parts[0]
    empty = Rows(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint16))
    return Rows(*(np.concatenate([getattr(rows, name) for rows in parts or [empty]]) for name in COLUMNS))


def only(rows: Rows, of: NDArray[Any]) -> Rows:
    """Return some of the rows."""
    return Rows(rows.people[of], rows.visit[of], rows.micros[of], rows.kind[of])


def without(rows: Rows, origins: Origins, gone: NDArray[np.bool_]) -> tuple[Rows, Origins]:
    """Return the rows that are not gone, with their origins."""
    left = ~gone
    place = np.cumsum(left, dtype=np.int64) - 1
    also = left[origins.event]
    event = place[origins.event[also]].astype(np.uint32)
    return only(rows, left), Origins(origins.first[left], event, origins.further[also])


def expanded(rows: Rows, origins: Origins, place: NDArray[np.int32]) -> list[DayRowsPart]:
    """Return rows once for each file that gave them; `place` maps old sources to new ones, -1 for removed ones."""
    parts = []
    for of, old in ((None, origins.first), (origins.event, origins.further)):
        source = place[old]
        is_left = source >= 0
        given = rows if of is None else only(rows, of)
        if is_left.all():
            parts.append(DayRowsPart(given, source))
        elif is_left.any():
            parts.append(DayRowsPart(only(given, is_left), source[is_left]))
    return parts


def distinct(parts: Sequence[DayRowsPart], day: Day, bucket: int | None = None) -> Iterator[Bucket]:
    """Yield the buckets of a day's rows, all of them or the given one, each sorted and distinct."""
    bits = day.buckets.bit_length() - 1
    seen = [part.rows for part in parts]
    unit = next(unit for unit in UNITS_US if unit == 1 or not any(np.any(r.micros % np.uint32(unit)) for r in seen))
    widths = [
        bits if bucket is None else 0,
        max(1, (max((int(rows.people.max(initial=0)) for rows in seen), default=0) >> bits).bit_length()),
        HOURS_BITS,
        max(1, day.places.bit_length()),
        (HOUR_US // unit).bit_length(),
        max((int(rows.kind.max(initial=0)) for rows in seen), default=0).bit_length(),
        (day.sources - 1).bit_length(),
    ]
    if sum(widths) > WORD_BITS:
        source = _sources(parts) if day.sources > 1 else None
        yield from _distinct_slowly(whole(seen), source, day, range(day.buckets) if bucket is None else (bucket,))
        return
    packed = np.concatenate([*(_packed(part, bits, unit, widths) for part in parts), np.empty(0, np.uint64)])
    packed.sort()
    packed = packed[differs_from_before(packed)]
    ends = _ends(packed, day.buckets, widths) if bucket is None else [len(packed)]
    start = 0
    for end in ends:
        yield _unpacked(packed[start:end], widths, unit, has_source=day.sources > 1)
        start = end


def _packed(part: DayRowsPart, bucket_bits: int, unit: int, widths: list[int]) -> NDArray[np.uint64]:
    """Return each row as a word of bits: bucket, line in it, hour, place, moment, kind and source."""
    rows, source = part
    packed = np.empty(len(rows), np.uint64)
    for at in range(0, len(rows), ROWS_AT_ONCE):
        some = slice(at, at + ROWS_AT_ONCE)
        people, visit = rows.people[some], rows.visit[some]
        fields = (
            people & np.uint32((1 << bucket_bits) - 1),
            people >> np.uint32(bucket_bits),
            visit >> np.uint32(PLACE_BITS),
            visit & np.uint32(MOST_PLACES - 1),
            rows.micros[some] // np.uint32(unit),
            rows.kind[some],
            np.uint16(source) if isinstance(source, int) else source[some].astype(np.uint16),
        )
        words = np.zeros(len(people), np.uint64)
        for values, width in zip(fields, widths, strict=True):
            if width:
                words <<= np.uint64(width)
                words |= values
        packed[some] = words
    return packed


def _sources(parts: Sequence[DayRowsPart]) -> NDArray[np.uint16]:
    each = [np.broadcast_to(np.asarray(part.source, np.uint16), (len(part.rows),)) for part in parts]
    return np.concatenate([*each, np.empty(0, np.uint16)])


def _ends(packed: NDArray[np.uint64], buckets: int, widths: list[int]) -> list[int]:
    below = np.uint64(sum(widths[1:]))
    bounds = np.arange(1, buckets, dtype=np.uint64) << below
    return [*np.searchsorted(packed, bounds).tolist(), len(packed)]


def _unpacked(left: NDArray[np.uint64], widths: list[int], unit: int, *, has_source: bool) -> Bucket:
    """Return a bucket's rows from sorted, distinct words."""
    origins = None
    if has_source:
        source = (left & np.uint64((1 << widths[-1]) - 1)).astype(np.uint16)
        left = left >> np.uint64(widths[-1])
        is_first = differs_from_before(left)
        origins, left = _origins(source, is_first), left[is_first]
    unpacked: list[NDArray[np.uint32]] = []
    for width in reversed(widths[1:6]):
        unpacked.append((left & np.uint64((1 << width) - 1)).astype(np.uint32))
        left = left >> np.uint64(width)
    kind, micros, place, hour, people = unpacked
    visit = (hour << np.uint32(PLACE_BITS)) | place
    return Bucket(people, Rows(people, visit, micros * np.uint32(unit), kind.astype(np.uint16)), origins)


def _origins(source: NDArray[np.uint16], is_first: NDArray[np.bool_]) -> Origins:
    event = np.cumsum(is_first, dtype=np.int64) - 1
    return Origins(source[is_first], event[~is_first].astype(np.uint32), source[~is_first])


def _distinct_slowly(
    rows: Rows, source: NDArray[np.uint16] | None, day: Day, buckets: range | tuple[int, ...]
) -> Iterator[Bucket]:
    """Do the same for rows that do not fit a word of 64 bits: microseconds, many lines and many places."""
    number = rows.people & np.uint32(day.buckets - 1)
    bits = np.uint32(day.buckets.bit_length() - 1)
    for bucket in buckets:
        of = np.flatnonzero(number == bucket)
        one, people = only(rows, of), rows.people[of] >> bits
        given = np.zeros(len(of), np.uint16) if source is None else source[of]
        visit = (people.astype(np.uint64) << np.uint64(32)) | one.visit
        moment = (one.micros.astype(np.uint64) << np.uint64(KIND_BITS)) | one.kind
        order = np.lexsort((given, moment, visit))
        visit, moment, given = visit[order], moment[order], given[order]
        is_first = differs_from_before(visit) | differs_from_before(moment)
        is_new = is_first | differs_from_before(given)
        order, is_first, given = order[is_new], is_first[is_new], given[is_new]
        event = order[is_first]
        origins = None if source is None else _origins(given, is_first)
        yield Bucket(people[event], only(one, event), origins)


class Overlap:
    """How many events each of a day's files gave, and how many of them each other file gave too."""

    def __init__(self, sources: int) -> None:
        """Start without events."""
        self.events = np.zeros(sources, np.int64)
        self.shared = np.zeros((sources, sources), np.int64)

    def add(self, origins: Origins | None, events: int) -> None:
        """Count one bucket's events."""
        if origins is None:
            self.events += events
            return
        size = len(self.events)
        further = origins.further.astype(np.int64)
        self.events += np.bincount(origins.first, minlength=size) + np.bincount(further, minlength=size)
        pairs = origins.first[origins.event].astype(np.int64) * size + further
        both = np.bincount(pairs, minlength=size * size).reshape(size, size)
        self.shared += both + both.T

    def repeats(self, new: Sequence[int]) -> tuple[int, int] | None:
        """Return a new file and another (of two new ones, the earlier) that are versions of each other, or None.

        Two files are versions if they share more than two thirds of the smaller one's events, and a tenth of the larger
        one's.
        """
        for one in reversed(new):
            for other in np.flatnonzero(self.shared[one]).tolist():
                shared = int(self.shared[one, other])
                smaller, larger = sorted((int(self.events[one]), int(self.events[other])))
                if 3 * shared > 2 * smaller and SMALLEST_PART * shared > larger:
                    return one, other
        return None
