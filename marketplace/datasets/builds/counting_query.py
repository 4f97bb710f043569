"""The input and the result of an engine: the same arrays for the SQL definition and for the kernel."""

from __future__ import annotations

import datetime as dt
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.local_time import UTC, local_clock
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.consent.switches.switch_arrays import Bound
    from marketplace.core.local_time import LocalClock
    from marketplace.datasets.builds.event_store import Store


THREADS: Final = 2
"""Counting threads."""


@dataclass(frozen=True)
class CountingQuery:
    """One build, in numbers. Places of the key set are zones, or pairs of them, origin × zones + destination."""

    product: str
    """Code of one of the registry's products."""
    period_from_us: int
    period_to_us: int
    started_us: int
    step_us: int
    """Usual length, an hour or a day."""
    unit_us: int
    """Usual length of a day, or the length of the period."""
    max_cells: int
    max_events: int
    max_zones: int
    """0: totals are not wanted."""
    hash_keys: tuple[int, ...]
    zones: int
    segments: int
    store: Store
    references: NDArray[np.int64]
    """For each line of the store, by number."""
    segment: NDArray[np.int16]
    """For each line, -1 if it is not one of the operator's subscribers."""
    home: NDArray[np.int32]
    """Home zone of each line, -1 outside the key set."""
    zone: NDArray[np.int32]
    """For each place of the store, -1 outside the key set."""
    consent: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Reference, valid_from_us and valid_to_us of intervals, in any order; overlapping intervals are one."""
    consent_line: NDArray[np.int32]
    """Line of each of these intervals, by number; -1 where the store has none."""
    time_zone: str = UTC
    """The time zone of the hours and days of steps and units."""
    switched: Bound | None = None
    """The events that people's switches leave out, by place and time; None: no events."""

    @functools.cached_property
    def clock(self) -> LocalClock:
        """Return the step and unit of each quarter of an hour of the period."""
        return local_clock(self.time_zone, self.period_from_us, self.period_to_us, self.step_us, self.unit_us)

    @property
    def places(self) -> int:
        """Return how many places the key set has."""
        return self.zones**2 if PRODUCTS[self.product].is_between_zones else self.zones

    @property
    def times(self) -> int:
        """Return how many times the key set has."""
        return self.clock.times

    @property
    def keys(self) -> int:
        """Return how many keys the key set has; each is a position in places × times × segments."""
        return self.places * self.times * self.segments

    def key(self, code: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the key of the first segment of each code, time × places + place."""
        time = code // np.uint32(self.places)
        place = code - time * np.uint32(self.places)
        return (place.astype(np.int64) * self.times + time) * self.segments

    @property
    def days(self) -> list[dt.date]:
        """Return the ingested days of UTC that the period touches."""
        first = dt.date(1970, 1, 1) + dt.timedelta(microseconds=self.period_from_us)
        last = dt.date(1970, 1, 1) + dt.timedelta(microseconds=self.period_to_us - 1)
        return self.store.days(first, last + dt.timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Contributions:
    """The cells lines count in, bounded, in files of raw columns that are deleted with the build."""

    people: Path
    """Position of the line among `lines`, uint32."""
    keys: Path
    """Key of each row, uint32; rows removed by bounds have larger keys."""
    lines: slice
    """The lines of the store that these may be."""


@dataclass(frozen=True)
class Aggregate:
    """The true, bounded aggregate: it never leaves the build."""

    question: CountingQuery
    people: NDArray[np.uint32]
    """By key: distinct people."""
    events: NDArray[np.int64]
    """By key: their events, at most max_events for each person."""
    totals: NDArray[np.int64] | None
    """By time: zones that each person was in, at most max_zones each, before max_cells; None if not wanted."""
    contributions: list[Contributions]

    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the keys with people, ascending, and their people and events."""
        keys = np.flatnonzero(self.people != 0)  # of booleans it finds them four times faster than of numbers
        return keys, self.people[keys].astype(np.int64), self.events[keys]

    def weights(self, counted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return reference and weight of everyone who counts in these keys, by reference."""
        q = self.question
        is_counted = np.zeros(q.keys + 1, np.bool_)
        is_counted[counted] = True
        weight = np.zeros(len(q.references), np.int64)

        def weigh(part: Contributions) -> None:
            counts = is_counted.take(np.fromfile(part.keys, np.uint32), mode="clip")
            people = np.fromfile(part.people, np.uint32)[counts]
            with adding:
                weight[part.lines] += np.bincount(people, minlength=len(weight[part.lines]))

        adding = threading.Lock()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(weigh, self.contributions))
        who = np.flatnonzero(weight)
        who = who[np.argsort(q.references[who])]
        return q.references[who], weight[who]


def merged(question: CountingQuery) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, by line, the consent in force at the build's start: from, and until (0 and 0 without consent).

    Overlapping intervals are one; intervals that only touch are two, because a withdrawal lies between them.
    """
    _, begins, ends = question.consent
    real = (question.consent_line >= 0) & (begins < ends)
    line, begins, ends = question.consent_line[real], begins[real], ends[real]
    start = np.zeros(len(question.references), np.int64)
    end = np.zeros(len(question.references), np.int64)
    if len(line) and np.any(np.bincount(line) > 1):
        order = np.lexsort((ends, begins, line))
        line, begins, ends = line[order], begins[order], ends[order]
        groups: list[tuple[int, int, int]] = []
        for one in np.flatnonzero(np.bincount(line) > 1).tolist():
            low, high = np.searchsorted(line, [one, one + 1])
            until = None
            for a, b in zip(begins[low:high].tolist(), ends[low:high].tolist(), strict=True):
                if until is None or a >= until:
                    groups.append((one, a, b))
                else:
                    groups[-1] = (one, groups[-1][1], max(groups[-1][2], b))
                until = groups[-1][2]
        once = np.bincount(line)[line] == 1
        line = np.concatenate([line[once], np.array([g[0] for g in groups], line.dtype)])
        begins = np.concatenate([begins[once], np.array([g[1] for g in groups], np.int64)])
        ends = np.concatenate([ends[once], np.array([g[2] for g in groups], np.int64)])
    in_force = (begins <= question.started_us) & (question.started_us < ends)
    start[line[in_force]], end[line[in_force]] = begins[in_force], ends[in_force]
    return start, end
