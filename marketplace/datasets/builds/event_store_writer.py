"""The event store's next state: rows gathered by day, sorted, made distinct, and stored all together or not at all.

Rows wait in memory. Beyond `most_rows` they are put in a scratch folder by day, bucket and file, and merged a bucket at
a time, so that memory does not grow with the size of a day. Days are written as objects that nobody sees. `commit` then
writes the state that names them, in one step: a reader sees an ingestion's days, files and tables all as they were
before, or all as they are after. There is one writer at a time; a second is refused, since each would lose the other's
days.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import obstore

from marketplace.consent.switches.switch_arrays import Places
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import DAY_US, HOUR_US
from marketplace.core.line_index import LineIndex
from marketplace.datasets.builds.day_rows import (
    COLUMNS,
    Bucket,
    Day,
    DayRowsPart,
    Overlap,
    distinct,
    expanded,
    only,
    whole,
    without,
)
from marketplace.datasets.builds.digests import sha256_of
from marketplace.datasets.builds.event_store import (
    KIND_BITS,
    MOST_PLACES,
    PLACE_BITS,
    Origins,
    Rows,
    Store,
    encode,
    list_objects,
    put_object,
    state_tag,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.consent.switches.ingesting import AtIngest

MOST_ROWS = 32_000_000
"""The most rows in memory at once: 14 bytes each, four times that while they are sorted."""
MOST_SOURCES = 1 << 16
"""Files that may give events of one day."""
LAID_ASIDE = np.dtype([("people", "u4"), ("visit", "u4"), ("micros", "u4"), ("kind", "u2")])


def day_start_us(day: dt.date) -> int:
    """Return the instant at which a day (UTC) starts, in microseconds since 1970."""
    return (day.toordinal() - 719_163) * DAY_US  # days from the year 1 to 1970


class Writer:
    """Adds files' events to a store, replaces and removes them; readers see nothing of it before `commit`."""

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
        self.sources: list[str] = []
        """SHA-256 of the files that rows come from, by number."""
        self.replaced: set[str] = set()
        """Sources whose events are removed when the state is committed."""
        self.replaces_days = False
        """Whether the new rows replace all rows of their days."""
        self.switches: AtIngest | None = None
        """The events that people's switches leave out of every day that is written."""
        self.called: dict[str, str] = {}
        """A file's name for refusals, by its SHA-256."""
        self.waiting: dict[dt.date, list[tuple[int, Rows]]] = defaultdict(list)
        self.written: dict[str, dict[str, Any] | None] = {}
        """Days to commit, by ISO date: their entry in the state, None if no file has events of it any more."""
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

    def source_number(self, sha256: str) -> int:
        """Return the number of a file that rows will come from."""
        with self.lock:
            if sha256 not in self.sources:
                self.sources.append(sha256)
            return self.sources.index(sha256)

    def add(
        self,
        people: NDArray[np.int32],
        at_us: NDArray[np.int64],
        place: NDArray[np.uint32],
        kind: NDArray[np.uint16],
        source: int,
    ) -> None:
        """Add rows of any days: line (by number), instant, place, kind and file (by number)."""
        if not len(people):
            return
        first, last = int(at_us.min()) // DAY_US, int(at_us.max()) // DAY_US
        if first == last:
            self._add_day(first, people, at_us, place, kind, source)
            return
        day = at_us // DAY_US
        for one in np.unique(day).tolist():
            of = day == one
            self._add_day(one, people[of], at_us[of], place[of], kind[of], source)

    def _add_day(  # noqa: PLR0917 (an event has five columns)
        self,
        day: int,
        people: NDArray[np.int32],
        at_us: NDArray[np.int64],
        place: NDArray[np.uint32],
        kind: NDArray[np.uint16],
        source: int,
    ) -> None:
        since = at_us - day * DAY_US
        hour = (since // HOUR_US).astype(np.uint32)
        micros = (since - hour.astype(np.int64) * HOUR_US).astype(np.uint32)
        rows = Rows(people.view(np.uint32), (hour << np.uint32(PLACE_BITS)) | place, micros, kind)
        with self.lock:
            self.waiting[dt.date(1970, 1, 1) + dt.timedelta(days=day)].append((source, rows))
            full = sum(len(rows) for parts in self.waiting.values() for _, rows in parts) > self.most_rows
            waiting = self.waiting if full else {}
            self.waiting = defaultdict(list) if full else self.waiting
            for date, parts in waiting.items():
                for number in {number for number, _ in parts}:
                    self._lay_aside(date, number, whole([rows for of, rows in parts if of == number]))

    def has_waiting(self, most: int) -> bool:
        """Return whether more than `most` rows wait, or some were put on disk."""
        waiting = sum(len(rows) for parts in self.waiting.values() for _, rows in parts)
        return waiting > most or any(self.scratch.glob("*-*-*-*"))

    def _lay_aside(self, day: dt.date, source: int, rows: Rows) -> None:
        bucket = rows.people & np.uint32(self.store.buckets - 1)
        order = np.argsort(bucket.astype(np.uint16), kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=self.store.buckets))
        laid = np.empty(len(rows), LAID_ASIDE)
        for name in COLUMNS:
            laid[name] = getattr(rows, name)[order]
        for number, part in enumerate(np.split(laid, ends[:-1])):
            with (self.scratch / f"{day}-{number}-{source}").open("ab") as file:
                file.write(part.tobytes())

    def days(self) -> list[dt.date]:
        """Return the days that change, ascending: days with new rows, or with events of a replaced file."""
        laid = {dt.date.fromisoformat(path.name[:10]) for path in self.scratch.iterdir() if path.name[4:5] == "-"}
        lose = {
            dt.date.fromisoformat(name)
            for name, about in self.state.days.items()
            if not self.replaced.isdisjoint(about["sources"])
        }
        return sorted(laid | set(self.waiting) | lose)

    def write_day(self, day: dt.date) -> int:
        """Merge the new rows of `day` with the store's remaining ones, to be committed; return its number of events.

        Any thread may write a day while no thread adds. Refused: a new file that repeats what another gave of the day.
        """
        with self.lock:
            self._write_dictionaries()
        came = {number for number, _ in self.waiting.get(day, [])}
        came |= {int(path.name.rpartition("-")[2]) for path in self.scratch.glob(f"{day}-*-*")}
        old = [] if self.replaces_days and came else self.store.sources(day)
        sources = [source for source in old if source not in self.replaced]
        left = len(sources)
        sources += [self.sources[number] for number in sorted(came) if self.sources[number] not in sources]
        if len(sources) > MOST_SOURCES:
            raise Invalid("{day} has events of more than {most} files.", day=day, most=MOST_SOURCES)
        if not sources:
            self.written[day.isoformat()] = None
            return 0
        path = self.scratch / f"{day}.whole"
        overlap = Overlap(len(sources))
        entries: list[dict[str, Any]] = []
        at = 0
        with path.open("wb") as file:
            for bucket, (people, rows, origins) in enumerate(self._buckets(day, old if left else [], sources)):
                overlap.add(origins, len(rows))
                parts, entry = encode(*self._switched(day, bucket, people, rows, origins))
                entries.append(entry | {"at": at})
                for part in parts:
                    file.write(part)
                    at += len(part)
        if not self.replaces_days:
            self._refuse_versions(day, sources, overlap.repeats(range(left, len(sources))))
        self.put_day(day, path, entries, sources)
        return sum(entry["rows"][2] for entry in entries)

    def _switched(
        self, day: dt.date, bucket: int, people: NDArray[np.uint32], rows: Rows, origins: Origins | None
    ) -> tuple[NDArray[np.uint32], Rows, Origins | None]:
        """Return a bucket of a day without the events that people's switches leave out for every use."""
        if self.switches is None:
            return people, rows, origins
        hour = (rows.visit >> np.uint32(PLACE_BITS)).astype(np.int64)
        at_us = day_start_us(day) + hour * HOUR_US + rows.micros
        line = self.numbers.references[people.astype(np.int64) * self.store.buckets + bucket]
        place = (rows.visit & np.uint32(MOST_PLACES - 1)).astype(np.int64)
        gone = self.switches.covers(line, at_us, place, self._laid_out)
        if not gone.any():
            return people, rows, origins
        first = origins or Origins(np.zeros(len(rows), np.uint8), np.empty(0, np.uint32), np.empty(0, np.uint16))
        left, their = without(rows, first, gone)
        return people[~gone], left, origins and their

    def _laid_out(self) -> Places:
        """Return the places of the events so far, by number."""
        with self.lock:
            names = list(self.places)
        spots = np.array([place if isinstance(place, tuple) else (np.nan, np.nan) for place in names], float)
        latitudes, longitudes = spots.reshape(-1, 2).T
        return Places([None if isinstance(place, tuple) else place for place in names], latitudes, longitudes)

    def put_day(self, day: dt.date, path: Path, entries: list[dict[str, Any]], sources: list[str]) -> None:
        """Store the file as the day's object, to be committed; if its bytes are unchanged, the old object stays."""
        sha256 = sha256_of(path)
        before = self.state.days.get(day.isoformat())
        if before and before["sha256"] == sha256:
            about = before | {"sources": sources}
        else:
            about = put_object(self.store, f"days/{day}", path) | {
                "sha256": sha256,
                "events": sum(entry["rows"][2] for entry in entries),
                "visits": sum(entry["rows"][1] for entry in entries),
                "buckets": entries,
                "sources": sources,
            }
        path.unlink()
        with self.lock:
            self.written[day.isoformat()] = about

    def _refuse_versions(self, day: dt.date, sources: list[str], repeats: tuple[int, int] | None) -> None:
        if not repeats:
            return
        new, other = (self.called[sources[position]] for position in repeats)
        raise Conflict(
            "{file} repeats events of {day} that {other} gave: to correct {other}, give the new file its name; to replace "
            "the whole day, ingest all of its files with --replace.",
            file=new,
            day=day,
            other=other,
        )

    def commit(
        self,
        files: Mapping[str, dict[str, str]],
        *,
        tables: Mapping[str, bytes] | None = None,
        forgotten: Collection[str] = (),
    ) -> None:
        """Write the state: the days written, the files that are ingested whole, and the latest tables, as Parquet.

        files: the appearance of each, and its SHA-256. `forgotten` are files whose events were replaced.
        """
        self._write_dictionaries()
        for day, about in self.written.items():
            self.state.days.pop(day, None)
            if about is not None:
                self.state.days[day] = about
        left = {name: file for name, file in self.state.files.items() if name not in forgotten}
        self.state.files = left | dict(files)
        for name, data in (tables or {}).items():
            setattr(self.state, name, put_object(self.store, name, data))
        self._put_state()
        self.written, self.replaced = {}, set()
        self.waiting.clear()
        for laid in self.scratch.glob("*-*-*-*"):
            laid.unlink()

    def close(self) -> None:
        """Delete the scratch folder; uncommitted changes are lost without a trace."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _buckets(self, day: dt.date, old: list[str], sources: list[str]) -> Iterator[Bucket]:
        """Yield each bucket's lines and rows: new ones, and those of the `old` sources that are not replaced."""
        count = self.store.buckets
        place = {source: position for position, source in enumerate(sources)}
        moved = np.array([place.get(source, -1) for source in old], np.int32)
        waiting = [DayRowsPart(rows, place[self.sources[number]]) for number, rows in self.waiting.get(day, [])]
        about = Day(count, len(self.places), len(sources))
        if not old and not any(self.scratch.glob(f"{day}-*-*")):
            yield from distinct(waiting, about)
            return
        for bucket in range(count):
            of_bucket = [(part, (part.rows.people & np.uint32(count - 1)) == bucket) for part in waiting]
            parts = [DayRowsPart(only(part.rows, of), part.source) for part, of in of_bucket]
            for laid in sorted(self.scratch.glob(f"{day}-{bucket}-*")):
                read = np.fromfile(laid, LAID_ASIDE)
                rows = Rows(*(np.ascontiguousarray(read[name]) for name in COLUMNS))
                parts.append(DayRowsPart(rows, place[self.sources[int(laid.name.rpartition("-")[2])]]))
            if old:
                parts += expanded(self.store.rows(day, bucket), self.store.origins(day, bucket), moved)
            yield from distinct(parts, about, bucket)

    def _write_dictionaries(self) -> None:
        """Write the new lines, places and kinds before any day names them."""
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
        if state_tag(self.store) != self.store.tag:
            raise Conflict("The event store changed meanwhile: run it again.")
        self.state.former = sorted(self.before - self.state.named())
        write_state(self.store, self.state)
        self.store.tag = state_tag(self.store)

    def _forget(self) -> None:
        """Delete objects that neither this state nor the previous one names: left by a killed writer, or old days."""
        kept = self.state.named() | set(self.state.former)
        for name in list(list_objects(self.store)):
            if name not in kept:
                obstore.delete(self.store.objects, self.store.prefix + name)
        self.state.former = []
