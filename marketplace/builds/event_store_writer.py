"""The event store's next state: rows gathered by day, sorted, made distinct, and kept a whole day at a time.

Rows wait in memory; past `most_rows` they are laid aside in a scratch folder by day and bucket, and merged a bucket at
a time, so that memory holds however large a day is. One writer at a time: two would lose each other's days.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import obstore

from marketplace.builds.event_store import (
    KIND_BITS,
    MOST_PLACES,
    PLACE_BITS,
    UNITS_US,
    Rows,
    Store,
    encode,
    list_objects,
    put_object,
    write_state,
)
from marketplace.builds.line_index import LineIndex
from marketplace.errors import Invalid
from marketplace.privacy.counted import DAY_US, HOUR_US, differs_from_before

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MOST_ROWS = 32_000_000
"""Rows that wait in memory at once: 14 bytes each, four times that while they are sorted."""
LAID_ASIDE = np.dtype([("people", "u4"), ("visit", "u4"), ("micros", "u4"), ("kind", "u2")])
HOURS_BITS = 5
WORD_BITS = 64


class Writer:
    """Adds events to a store; nothing is seen of a day before `commit` has put it, whole."""

    def __init__(self, store: Store, scratch: Path, *, most_rows: int = MOST_ROWS) -> None:
        """Begin from the store's present state; `scratch` is an empty folder of the writer's own."""
        self.scratch, self.most_rows = scratch, most_rows
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, mode=0o700)
        self.store = Store(store.objects, store.prefix, buckets=store.buckets)
        self.state = self.store.state
        self.numbers = LineIndex(store.people())
        self.kept_people = self.numbers.count
        sites, latitudes, longitudes = store.places()
        self.places: dict[Any, int] = {
            site if site is not None else (latitudes[n], longitudes[n]): n for n, site in enumerate(sites)
        }
        self.kept_places = len(self.places)
        self.kinds = {kind: number for number, kind in enumerate(self.state.kinds)}
        self.waiting: dict[dt.date, list[Rows]] = defaultdict(list)
        self.lock = threading.Lock()
        self._forget()
        self.before = store.state.named()

    def place_numbers(self, places: list[Any]) -> NDArray[np.uint32]:
        """Return the number of each place, a site's name or a (latitude, longitude), giving new ones the next."""
        with self.lock:
            numbers = [self.places.setdefault(place, len(self.places)) for place in places]
        if len(self.places) > MOST_PLACES:
            raise Invalid("The events name more than {most} places; give sites instead.", most=MOST_PLACES)
        return np.array(numbers, np.uint32)

    def kind_numbers(self, kinds: list[str]) -> NDArray[np.uint16]:
        """Return the number of each kind, giving new ones the next."""
        with self.lock:
            numbers = [self.kinds.setdefault(kind, len(self.kinds)) for kind in kinds]
        if len(self.kinds) > 1 << KIND_BITS:
            raise Invalid("The events name more than {most} kinds.", most=1 << KIND_BITS)
        return np.array(numbers, np.uint16)

    def add(
        self, people: NDArray[np.int32], at_us: NDArray[np.int64], place: NDArray[np.uint32], kind: NDArray[np.uint16]
    ) -> None:
        """Add rows of any days: whose (by number), when, where and of which kind (by number)."""
        if not len(people):
            return
        first, last = int(at_us.min()) // DAY_US, int(at_us.max()) // DAY_US
        if first == last:
            self._add_day(first, people, at_us, place, kind)
            return
        day = at_us // DAY_US
        for one in np.unique(day).tolist():
            of = day == one
            self._add_day(one, people[of], at_us[of], place[of], kind[of])

    def _add_day(
        self,
        day: int,
        people: NDArray[np.int32],
        at_us: NDArray[np.int64],
        place: NDArray[np.uint32],
        kind: NDArray[np.uint16],
    ) -> None:
        since = at_us - day * DAY_US
        hour = (since // HOUR_US).astype(np.uint32)
        micros = (since - hour.astype(np.int64) * HOUR_US).astype(np.uint32)
        rows = Rows(people.view(np.uint32), (hour << np.uint32(PLACE_BITS)) | place, micros, kind)
        with self.lock:
            self.waiting[dt.date(1970, 1, 1) + dt.timedelta(days=day)].append(rows)
            full = sum(len(rows) for parts in self.waiting.values() for rows in parts) > self.most_rows
            parts = self.waiting if full else {}
            self.waiting = defaultdict(list) if full else self.waiting
            for date, laid in parts.items():
                self._lay_aside(date, _whole(laid))

    def _lay_aside(self, day: dt.date, rows: Rows) -> None:
        bucket = rows.people & np.uint32(self.store.buckets - 1)
        order = np.argsort(bucket.astype(np.uint16), kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=self.store.buckets))
        laid = np.empty(len(rows), LAID_ASIDE)
        for name in LAID_ASIDE.names or ():
            laid[name] = getattr(rows, name)[order]
        for number, part in enumerate(np.split(laid, ends[:-1])):
            with (self.scratch / f"{day}-{number}").open("ab") as file:
                file.write(part.tobytes())

    def days(self) -> list[dt.date]:
        """Return the days that have rows to commit, ascending."""
        laid = {dt.date.fromisoformat(path.name[:10]) for path in self.scratch.iterdir() if path.name[4:5] == "-"}
        return sorted(laid | set(self.waiting))

    def commit(self, day: dt.date) -> int:
        """Merge what waits for `day` with what the store has of it, keep it, and return its events.

        Any thread may commit a day while no thread adds.
        """
        with self.lock:
            self._write_dictionaries()
        path = self.scratch / f"{day}.whole"
        entries: list[dict[str, Any]] = []
        crc = at = 0
        with path.open("wb") as file:
            for people, rows in self._buckets(day):
                parts, entry = encode(people, rows)
                entries.append(entry | {"at": at})
                for part in parts:
                    file.write(part)
                    crc = zlib.crc32(part, crc)
                    at += len(part)
        before = self.state.days.get(day.isoformat())
        events: int = sum(entry["rows"][2] for entry in entries)
        if before and before["crc"] == crc:
            path.unlink()
        else:
            kept = put_object(self.store, f"days/{day}", path)
            path.unlink()
            visits = sum(entry["rows"][1] for entry in entries)
            about = kept | {"crc": crc, "events": events, "visits": visits, "buckets": entries}
            with self.lock:
                self.state.days[day.isoformat()] = about
                self._put_state()
        self.waiting.pop(day, None)
        for laid in self.scratch.glob(f"{day}-*"):
            laid.unlink()
        return events

    def record(self, files: dict[str, str], tables: dict[str, bytes]) -> None:
        """Note that these files are ingested whole, and keep the latest tables: `subscribers` and `sites`, as Parquet."""
        self._write_dictionaries()
        self.state.files = self.state.files | files
        for name, data in tables.items():
            setattr(self.state, name, put_object(self.store, name, data))
        self._put_state()

    def close(self) -> None:
        """Delete the scratch folder; rows that were not committed are as if they had never come."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _buckets(self, day: dt.date) -> Iterator[tuple[NDArray[np.uint32], Rows]]:
        """Yield each bucket's lines (numbered within it) and rows, sorted and distinct."""
        count = self.store.buckets
        waiting = self.waiting.get(day, [])
        is_known = day.isoformat() in self.state.days
        if not is_known and not any(self.scratch.glob(f"{day}-*")):
            yield from self._sorted(_whole(waiting))
            return
        for bucket in range(count):
            parts = [_only(rows, (rows.people & np.uint32(count - 1)) == bucket) for rows in waiting]
            laid = self.scratch / f"{day}-{bucket}"
            if laid.exists():
                read = np.fromfile(laid, LAID_ASIDE)
                parts.append(Rows(*(np.ascontiguousarray(read[name]) for name in LAID_ASIDE.names or ())))
            if is_known:
                parts.append(self.store.rows(day, bucket))
            yield from self._sorted(_whole(parts), bucket)

    def _sorted(self, rows: Rows, bucket: int | None = None) -> Iterator[tuple[NDArray[np.uint32], Rows]]:
        """Yield the buckets of rows, all of them or one, each sorted and distinct."""
        buckets = self.store.buckets
        bits = buckets.bit_length() - 1
        own = rows.people >> np.uint32(bits)
        number = rows.people & np.uint32(buckets - 1)
        unit = next(unit for unit in UNITS_US if unit == 1 or not np.any(rows.micros % np.uint32(unit)))
        fields = [
            (number, bits if bucket is None else 0),
            (own, max(1, int(own.max(initial=0)).bit_length())),
            (rows.visit >> np.uint32(PLACE_BITS), HOURS_BITS),
            (rows.visit & np.uint32(MOST_PLACES - 1), max(1, len(self.places).bit_length())),
            (rows.micros if unit == 1 else rows.micros // np.uint32(unit), (HOUR_US // unit).bit_length()),
            (rows.kind, int(rows.kind.max(initial=0)).bit_length()),
        ]
        if sum(width for _, width in fields) > WORD_BITS:
            yield from self._sorted_slowly(number, own, rows, range(buckets) if bucket is None else (bucket,))
            return
        packed = np.zeros(len(rows), np.uint64)
        for values, width in fields:
            if width:
                packed <<= np.uint64(width)
                packed |= values
        del own, number
        packed.sort()
        packed = packed[differs_from_before(packed)]
        ends = _ends(packed, buckets, [width for _, width in fields]) if bucket is None else [len(packed)]
        start = 0
        for end in ends:
            unpacked: list[NDArray[np.uint32]] = []
            left = packed[start:end]
            for _, width in reversed(fields[1:]):
                unpacked.append((left & np.uint64((1 << width) - 1)).astype(np.uint32))
                left = left >> np.uint64(width)
            kind, micros, place, hour, people = unpacked
            visit = (hour << np.uint32(PLACE_BITS)) | place
            yield people, Rows(people, visit, micros * np.uint32(unit), kind.astype(np.uint16))
            start = end

    def _sorted_slowly(
        self, number: NDArray[np.uint32], own: NDArray[np.uint32], rows: Rows, buckets: range | tuple[int, ...]
    ) -> Iterator[tuple[NDArray[np.uint32], Rows]]:
        """Do the same where a row does not fit a word of 64 bits: microseconds, many lines and many places."""
        for bucket in buckets:
            of = np.flatnonzero(number == bucket)
            one, people = _only(rows, of), own[of]
            visit = (people.astype(np.uint64) << np.uint64(32)) | one.visit
            moment = (one.micros.astype(np.uint64) << np.uint64(KIND_BITS)) | one.kind
            order = np.lexsort((moment, visit))
            visit, moment = visit[order], moment[order]
            distinct = order[differs_from_before(visit) | differs_from_before(moment)]
            yield people[distinct], _only(one, distinct)

    def _write_dictionaries(self) -> None:
        """Write the lines, places and kinds that are new, before any day names them."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        count = self.numbers.count
        if count > self.kept_people:
            data = self.numbers.references[self.kept_people : count].tobytes()
            self.state.people = [*self.state.people, put_object(self.store, "people", data)]
            self.kept_people = count
        new = list(self.places)[self.kept_places :]
        if new:
            sites = [None if isinstance(place, tuple) else place for place in new]
            spots = [place if isinstance(place, tuple) else (np.nan, np.nan) for place in new]
            table = pa.table(
                {
                    "site": pa.array(sites, pa.string()),
                    "latitude": pa.array([spot[0] for spot in spots], pa.float64()),
                    "longitude": pa.array([spot[1] for spot in spots], pa.float64()),
                }
            )
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            self.state.places = [*self.state.places, put_object(self.store, "places", sink.getvalue().to_pybytes())]
            self.kept_places += len(new)
        self.state.kinds = list(self.kinds)

    def _put_state(self) -> None:
        self.state.former = sorted(self.before - self.state.named())
        write_state(self.store, self.state)

    def _forget(self) -> None:
        """Delete what neither this state nor the one before it names: what a killed writer left, and old days."""
        kept = self.state.named() | set(self.state.former)
        for name in list(list_objects(self.store)):
            if name not in kept:
                obstore.delete(self.store.objects, self.store.prefix + name)
        self.state.former = []


def _whole(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    empty = Rows(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint16))
    parts = parts or [empty]
    return Rows(*(np.concatenate([getattr(rows, name) for rows in parts]) for name in LAID_ASIDE.names or ()))


def _only(rows: Rows, of: NDArray[Any]) -> Rows:
    return Rows(rows.people[of], rows.visit[of], rows.micros[of], rows.kind[of])


def _ends(packed: NDArray[np.uint64], buckets: int, widths: list[int]) -> list[int]:
    below = np.uint64(sum(widths[1:]))
    bounds = np.arange(1, buckets, dtype=np.uint64) << below
    return [*np.searchsorted(packed, bounds).tolist(), len(packed)]
