"""The fast path: the definition in arrays over the event store, equal to the SQL row for row.

Two threads each count a bucket at a time. No line is in two buckets, so consent, bounds and weights need nothing from
others. `aggregate.sql` is the definition; `tests.datasets.builds.test_engines` compares this file with it.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.core.instants import DAY_US, HOUR_US, QUARTER_US
from marketplace.core.line_index import ROWS_AT_ONCE
from marketplace.datasets.builds.counting_query import THREADS, Aggregate, Contributions, CountingQuery, merged
from marketplace.datasets.builds.event_store import MOST_PLACES, PLACE_BITS, Bucket, Moments
from marketplace.privacy.bucket_counts import BucketCounts, CountedLines, differs_from_before
from marketplace.privacy.cell_choice import HASH_PRIME
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress

PRIME = np.uint64(HASH_PRIME)


class _BucketEvents:
    """One bucket's events in the form that products count; lines are numbered within the bucket."""

    def __init__(self, kernel: Kernel, bucket: int) -> None:
        self.kernel, self.bucket, self.q = kernel, bucket, kernel.q
        q, own = self.q, kernel.lines(bucket)
        self.zones, self.places = q.zones, q.places
        self.step, self.hour, self.is_by_step = kernel.step, kernel.hour, kernel.is_by_step
        self.is_one_to_one = kernel.is_one_to_one
        self.begins, self.ends = kernel.begins[own].copy(), kernel.ends[own].copy()
        self.is_known = q.segment[own] >= 0
        self.has_switch = kernel.has_switch[own].copy()

    def step_at(self, at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.q.clock.step_at(at_us)

    def visits(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
        """Return the visits that count: line, slot since the period began, zone, events."""
        q = self.q
        if not self.kernel.is_by_hour:
            line, at, zone = self.moments()
            return line, (at - q.period_from_us) // QUARTER_US, zone, np.ones(len(line), np.uint8)
        parts: list[tuple[NDArray[Any], ...]] = []
        for day in q.days:
            seen, whole, partly, start = self._day(day)
            line, at = _visits_of(seen, whole)
            parts.append(self._in_reach(line, seen.visit[at], seen.count[at], start))
            if len(partly):
                line, at = _visits_of(seen, partly)
                count = self._consented(seen, line, at, start, q.store.moments(day, self.bucket))
                counts = count > 0
                parts.append(self._in_reach(line[counts], seen.visit[at[counts]], count[counts], start))
        empty = (np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
        return tuple(np.concatenate(columns) for columns in zip(*(parts or [empty]), strict=True))  # type: ignore[return-value]

    def moments(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]:
        """Return the events that count: line, microseconds since 1970, zone."""
        q = self.q
        parts: list[tuple[NDArray[Any], ...]] = []
        for day in q.days:
            seen, whole, partly, start = self._day(day)
            line, at = _visits_of(seen, np.union1d(whole, partly))
            each, place = _events_of(seen, at)
            line, visit = line[each], seen.visit[at[each]]
            at_us = self._instants(visit, place, start, q.store.moments(day, self.bucket))
            zone = q.zone[visit & np.uint32(MOST_PLACES - 1)]
            counts = self._in_force(line, at_us, visit) & (zone >= 0)
            parts.append((line[counts], at_us[counts], zone[counts]))
        empty = (np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int32))
        return tuple(np.concatenate(columns) for columns in zip(*(parts or [empty]), strict=True))  # type: ignore[return-value]

    def _day(self, day: dt.date) -> tuple[Bucket, NDArray[np.int64], NDArray[np.int64], int]:
        """Return a day's visits, its lines that consent all day and those that consent part of it, and its start."""
        q = self.q
        seen = q.store.bucket(day, self.bucket)
        start = (day.toordinal() - 719_163) * DAY_US  # days from the year 1 to 1970
        low, high = max(start, q.period_from_us), min(start + DAY_US, q.period_to_us)
        line = seen.people.astype(np.int64)
        begins, ends = self.begins[line], self.ends[line]
        touches = (begins < high) & (ends > low) & self.is_known[line]
        whole = touches & (begins <= low) & (ends >= high) & ~self.has_switch[line]
        return seen, np.flatnonzero(whole), np.flatnonzero(touches & ~whole), start

    def _in_reach(
        self, line: NDArray[np.uint32], visit: NDArray[np.uint32], events: NDArray[Any], start: int
    ) -> tuple[NDArray[Any], ...]:
        """Return line, slot, zone and events of a day's visits that are in the key set's zones and in the period."""
        q = self.q
        place = visit & np.uint32(MOST_PLACES - 1)
        zone = q.zone.take(place, mode="wrap")  # none is beyond the end: mode="raise" would copy
        hour = (start - q.period_from_us) // HOUR_US + (visit >> np.uint32(PLACE_BITS)).astype(np.int64)
        counts = zone >= 0
        if start < q.period_from_us or start + DAY_US > q.period_to_us:
            counts &= (hour >= 0) & (hour < (q.period_to_us - q.period_from_us) // HOUR_US)
        if counts.all():
            return line, hour, zone, events
        return line[counts], hour[counts], zone[counts], events[counts]

    def _consented(
        self, seen: Bucket, line: NDArray[np.uint32], at: NDArray[np.int64], start: int, moments: Moments
    ) -> NDArray[np.int64]:
        """Return how many events count in each visit whose events must be examined one by one.

        These are visits on a day on which consent or the period begins or ends, and of lines with a switch of place or
        time.
        """
        each, place = _events_of(seen, at)
        visit = seen.visit[at[each]]
        in_force = self._in_force(line[each], self._instants(visit, place, start, moments), visit)
        return np.bincount(each[in_force], minlength=len(at))

    def _instants(
        self, visit: NDArray[np.uint32], place: NDArray[np.int64], start: int, moments: Moments
    ) -> NDArray[np.int64]:
        hour = (visit >> np.uint32(PLACE_BITS)).astype(np.int64)
        return start + hour * HOUR_US + moments.micros(place)

    def _in_force(
        self, line: NDArray[np.uint32], at: NDArray[np.int64], visit: NDArray[np.uint32]
    ) -> NDArray[np.bool_]:
        """Return for each event whether it is in the period, under its line's consent, and not left out by a switch."""
        q = self.q
        in_force = (at >= self.begins[line]) & (at < self.ends[line])
        in_force &= (at >= q.period_from_us) & (at < q.period_to_us)
        of = np.flatnonzero(self.has_switch[line])
        if q.switched is not None and len(of):
            number = line[of].astype(np.int64) * q.store.buckets + self.bucket
            place = (visit[of] & np.uint32(MOST_PLACES - 1)).astype(np.int64)
            quarter = np.clip((at[of] - q.period_from_us) // QUARTER_US, 0, len(q.clock.day) - 1)
            at_home = (q.zone[place] >= 0) & (q.zone[place] == q.home[number])
            day, hour = q.clock.day[quarter], q.clock.hour[quarter]
            in_force[of] &= ~q.switched.refuses(number, at[of], place, at_home, day, hour)
        return in_force


def _visits_of(seen: Bucket, lines: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the visits of some of a day's lines: the line of each, and its position."""
    visits = seen.visits.astype(np.uint32)
    first = np.cumsum(visits, dtype=np.uint32)[lines].astype(np.int64)
    visits = visits[lines]
    return np.repeat(seen.people[lines], visits), _ranges(first - visits, visits)


def _events_of(seen: Bucket, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the events of some of a day's visits: for each, the position of its visit among them, and its own."""
    before = np.cumsum(seen.count.astype(np.uint32), dtype=np.uint32)[at].astype(np.int64)
    count = seen.count[at]
    return np.repeat(np.arange(len(at)), count), _ranges(before - count, count)


def _ranges(first: NDArray[np.int64], count: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.int64]:
    """Return the whole numbers of consecutive ranges: each starts at `first` and has `count` numbers."""
    ends = np.cumsum(count, dtype=np.int64)
    return np.repeat(first - ends + count, count) + np.arange(ends[-1] if len(ends) else 0)


class Kernel:
    """One build's arrays, and the sums of its buckets."""

    def __init__(self, question: CountingQuery, folder: Path) -> None:
        """Prepare what all buckets need; each writes its contributions into `folder`."""
        q = self.q = question
        kernel = PRODUCTS[q.product].kernel
        assert kernel is not None, "a product without a kernel is counted by its SQL"
        self.product, self.folder = kernel, folder
        self.begins, self.ends = merged(q)
        self.people = np.zeros(q.keys + 1, np.uint32)
        """By key; the last is for rows removed by bounds."""
        self.more = np.zeros(len(self.people), np.int64)
        """Events beyond the first of each person."""
        self.totals = np.zeros(q.times, np.int64) if q.max_zones else None
        self.lock = threading.Lock()
        self.has_switch = np.zeros(len(q.references), np.bool_)
        if q.switched is not None:
            self.has_switch[q.switched.line] = True
        zones = np.bincount(q.zone[q.zone >= 0], minlength=1)
        # Visits are of an hour of UTC; if an hour spans two steps, its events are examined one by one.
        self.is_by_hour = q.clock.is_by_hour
        self.is_one_to_one = bool(zones.max() <= 1) and self.is_by_hour
        quarters = slice(None, None, HOUR_US // QUARTER_US if self.is_by_hour else 1)
        self.step, self.hour = q.clock.step[quarters], q.clock.hour[quarters]
        self.is_by_step = len(self.step) == q.times
        key = [np.uint64(key) for key in q.hash_keys]
        self.hash_of_line = q.references.astype(np.uint64) % PRIME * key[1] % PRIME
        self.hash_of_place = np.arange(q.places, dtype=np.uint64) % PRIME * key[2] % PRIME
        since = (q.clock.bounds_us[:-1] - q.period_from_us).astype(np.uint64)
        self.hash_of_time = since % PRIME * key[3] % PRIME + key[0]

    def run(self, report: ReportProgress) -> Aggregate:
        """Count every bucket and return the sums."""
        buckets = self.q.store.buckets
        parts: list[Contributions] = []
        with ThreadPoolExecutor(THREADS) as pool:
            for done, part in enumerate(pool.map(self._bucket, range(buckets)), 1):
                parts.append(part)
                report("counting", 0.3 + 0.25 * done / buckets)
        self.more += self.people
        return Aggregate(self.q, self.people[:-1], self.more[:-1], self.totals, parts)

    def lines(self, bucket: int) -> slice:
        """Return the lines of the store that are in a bucket, in their order."""
        return slice(bucket, None, self.q.store.buckets)

    def _bucket(self, bucket: int) -> Contributions:
        q, own = self.q, self.lines(bucket)
        seen = self.product.count(_BucketEvents(self, bucket))
        if self.totals is not None:
            self._total(seen)
        line = seen.line.astype(np.int64)
        key = q.key(seen.code)
        if self.product.segment is not None:
            key += self.product.segment(CountedLines(line, seen.code, q.places, q.home[own], q.segment[own].copy()))
        key[self._left_out(bucket, seen, line)] = q.keys
        several = np.flatnonzero(seen.events > 1)
        more = np.minimum(seen.events[several].astype(np.int64), q.max_events) - 1
        with self.lock:
            np.add.at(self.people, key, np.uint32(1))
            np.add.at(self.more, key[several], more)
        part = Contributions(self.folder / f"{bucket}.people", self.folder / f"{bucket}.keys", own)
        seen.line.tofile(part.people)
        key.astype(np.uint32).tofile(part.keys)
        return part

    def _total(self, seen: BucketCounts) -> None:
        """Add to each time the number of places each line was in, at most max_zones each."""
        q = self.q
        time = seen.code // np.uint32(q.places)
        pairs = np.sort((seen.line.astype(np.uint64) << np.uint64(32)) | time)
        first = np.flatnonzero(differs_from_before(pairs))
        zones = np.minimum(np.diff(first, append=len(pairs)), q.max_zones)
        added = np.bincount((pairs[first] & np.uint64(2**32 - 1)).astype(np.int64), zones, minlength=q.times)
        with self.lock:
            assert self.totals is not None, "totals are asked for"
            self.totals += added.astype(np.int64)

    def _left_out(self, bucket: int, seen: BucketCounts, line: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows beyond max_cells of each line and unit: all but those with the smallest hashes."""
        q = self.q
        units = q.clock.units
        group = line
        if units > 1:
            group = line * units + q.clock.unit[seen.code // np.uint32(q.places)]
        count = np.bincount(group, minlength=1)
        heavy = count > q.max_cells
        many = np.flatnonzero(heavy[group])
        if not len(many):
            return many
        drawn = (group[many].astype(np.uint64) << np.uint64(31)) | self._hash(bucket, seen.line[many], seen.code[many])
        ordered = np.sort(drawn)
        last = np.zeros(len(count), np.uint64)
        last[heavy] = ordered[np.cumsum(count[heavy]) - count[heavy] + q.max_cells - 1]
        chosen = drawn <= last[group[many]]
        if np.count_nonzero(chosen) > q.max_cells * np.count_nonzero(heavy):
            self._break_ties(seen, many, drawn, group, chosen)
        return many[~chosen]

    def _break_ties(
        self,
        seen: BucketCounts,
        many: NDArray[np.int64],
        drawn: NDArray[np.uint64],
        group: NDArray[np.int64],
        chosen: NDArray[np.bool_],
    ) -> None:
        """Choose among rows of one line with equal hashes: those of the first places and times."""
        q = self.q
        too_many = np.bincount(group[many][chosen]) > q.max_cells
        theirs = np.flatnonzero(too_many[group[many]])
        code = seen.code[many[theirs]]
        order = np.lexsort((code // q.places, code % q.places, drawn[theirs]))
        whose = group[many[theirs]][order]
        rank = np.arange(len(order)) - np.searchsorted(whose, whose)
        chosen[theirs[order]] = rank < q.max_cells

    def _hash(self, bucket: int, line: NDArray[np.uint32], code: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """Return the keyed hash of each row: a whole number below 2^31 - 1."""
        parts = [slice(at, at + ROWS_AT_ONCE) for at in range(0, len(line), ROWS_AT_ONCE)]
        return np.concatenate([self._hash_of_rows(bucket, line[part], code[part]) for part in parts])

    def _hash_of_rows(self, bucket: int, line: NDArray[np.uint32], code: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """Return the hash of a number of rows small enough for the processor's cache in every step."""
        key = [np.uint64(key) for key in self.q.hash_keys]
        places = np.uint32(self.q.places)
        time = code // places
        x = self.hash_of_line[line.astype(np.int64) * self.q.store.buckets + bucket]
        x += self.hash_of_place.take(code - time * places, mode="wrap")
        x = _below_prime(x + self.hash_of_time.take(time, mode="wrap"))
        u = _folded(x * key[4] + key[5])  # below 2^32
        u = _folded(u * x + key[6])  # below 3 × 2^31
        return _below_prime(u * x + key[0])


def _folded(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return smaller numbers equal modulo 2^31 - 1: there 2^31 is 1, so the high bits are added to the low ones."""
    return (values & PRIME) + (values >> np.uint64(31))


def _below_prime(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values modulo 2^31 - 1."""
    values = _folded(_folded(values))
    wrapped = values - PRIME  # a huge number if the value is below the prime already
    return np.asarray(np.minimum(values, wrapped))
