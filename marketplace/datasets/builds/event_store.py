"""The ingested store: each day's events once, by subscriber, as raw columns that every later build reads.

**A day's events are a set: the union of what each file last said.** A file given twice changes nothing, overlapping and
late files add to the set, and a file that comes again with other rows replaces what it said before. So a day of several
files records which of them gave each event (`Origins`); a day of one file does not need to.

A line's events all lie in one bucket, so code that needs one line at a time (consent, bounds, weights) reads one bucket
at a time. A bucket's day consists of *visits*: one line, hour and place, with how many events it has. A visit takes
four bytes and its count one, sorted by line. The events' own instants and kinds lie apart; they are read only if
consent began or ended that day, and when late events are merged.

**One object changes:** `store.json`, which is replaced whole, names all other objects by names that are never reused. A
reader that opened it sees one state until the end; objects it no longer names are deleted one ingestion later.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import obstore

from marketplace.core.errors import Conflict
from marketplace.datasets.builds.input_files import DISK_FULL
from marketplace.privacy.bucket_counts import differs_from_before

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from obstore.store import ObjectStore

PREFIX = "private/events/"
"""Where the store lies in the operator's object store: below `private/`, which no delivery may read."""
FORMAT = 1
BUCKET_BITS = 5
PLACE_BITS = 27
"""A visit is hour << 27 | place."""
MOST_PLACES = 1 << PLACE_BITS
KIND_BITS = 16
UNITS_US = (1_000_000, 1_000, 1)
"""A bucket's day stores instants in seconds, milliseconds or microseconds: the longest unit that loses nothing."""
LEAST_BYTES = 8
ALSO_BYTES = 6
"""An event's position and one further file that gave it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One day's events of one bucket, by line, hour and place; lines are numbered within the bucket."""

    people: NDArray[np.uint32]
    """Lines seen that day, ascending."""
    visits: NDArray[np.unsignedinteger[Any]]
    """Visits of each line."""
    visit: NDArray[np.uint32]
    """hour << 27 | place, ascending for each line."""
    count: NDArray[np.unsignedinteger[Any]]
    """Distinct events of each visit."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Events in columns: line, hour << 27 | place, microseconds into the hour, kind."""

    people: NDArray[np.uint32]
    visit: NDArray[np.uint32]
    micros: NDArray[np.uint32]
    kind: NDArray[np.uint16]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.people)


@dataclass(frozen=True, slots=True)
class Moments:
    """When in its hour each event was, and its kind: units since the hour << kind_bits | kind."""

    words: NDArray[np.unsignedinteger[Any]]
    unit_us: int
    kind_bits: int

    def micros(self, of: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.uint32]:
        """Return the microseconds into the hour of these events."""
        words = self.words[of]
        return (words >> words.dtype.type(self.kind_bits)).astype(np.uint32) * np.uint32(self.unit_us)

    def kinds(self) -> NDArray[np.uint16]:
        """Return the number of each event's kind."""
        return (self.words & self.words.dtype.type((1 << self.kind_bits) - 1)).astype(np.uint16)


@dataclass(frozen=True, slots=True)
class Origins:
    """The day's files that gave each event of a bucket, by position in the day's `sources`."""

    first: NDArray[np.unsignedinteger[Any]]
    """One file of each event."""
    event: NDArray[np.uint32]
    further: NDArray[np.uint16]
    """For events that several files gave: the event's position in the bucket, and each further file."""


@dataclass
class State:
    """The content of `store.json`."""

    buckets: int = 1 << BUCKET_BITS
    people: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    days: dict[str, dict[str, Any]] = field(default_factory=dict)
    """ISO date → name and SHA-256 of the object, events, visits, where each bucket lies in it, and the day's `sources`:
    the SHA-256 of each file that gave events of it."""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """Input file → `look`, its appearance when it was ingested whole, and `sha256`."""
    subscribers: dict[str, Any] | None = None
    """The operator's table of subscribers, as last ingested."""
    sites: dict[str, Any] | None = None
    """The operator's table of sites, as last ingested, with the zone of each."""
    former: list[str] = field(default_factory=list)
    """Objects that only the previous state named: readers may still use them."""

    def named(self) -> set[str]:
        """Return every object that this state names."""
        parts = [*self.people, *self.places, *self.days.values(), self.subscribers, self.sites]
        return {part["name"] for part in parts if part}


class Store:
    """One state of the store, read only; `writer.Writer` makes the next one."""

    def __init__(self, objects: ObjectStore, prefix: str = PREFIX, *, buckets: int = 1 << BUCKET_BITS) -> None:
        """Open the store's present state; a store that was never written is empty, and will have so many buckets."""
        self.objects, self.prefix = objects, prefix
        self.state = State(buckets=buckets)
        self.tag: str | None = None
        """The object store's own tag of this `store.json`; None if there is no such object."""
        try:
            found = obstore.get(objects, prefix + "store.json")
            self.tag = found.meta["e_tag"]
            stated = json.loads(bytes(found.bytes()))
        except FileNotFoundError:
            return
        except ValueError:
            raise _damaged("store.json") from None
        if stated.pop("format", None) != FORMAT:
            raise Conflict("The event store was written by another version; ingest its files into a new one.")
        self.state = State(**stated)

    @property
    def is_empty(self) -> bool:
        """Return whether no event was ever ingested."""
        return not self.state.days

    @property
    def buckets(self) -> int:
        """Return over how many buckets lines are spread: a power of two."""
        return self.state.buckets

    def people(self) -> NDArray[np.int64]:
        """Return every line's reference, by number: line n is in bucket n % buckets, where it is number n // buckets."""
        parts = [np.frombuffer(self.read(part), np.int64) for part in self.state.people]
        return np.concatenate([*parts, np.empty(0, np.int64)])

    def places(self) -> tuple[list[str | None], NDArray[np.float64], NDArray[np.float64]]:
        """Return each place, by number: its site's name, or its latitude and longitude (NaN for a site)."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        parts = [pq.read_table(pa.BufferReader(self.read(part))) for part in self.state.places]
        if not parts:
            return [], np.empty(0), np.empty(0)
        whole = pa.concat_tables(parts)
        return whole["site"].to_pylist(), whole["latitude"].to_numpy(), whole["longitude"].to_numpy()

    def zones_of_sites(self) -> dict[str, str]:
        """Return the zone of each site, from the operator's latest table."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        if self.state.sites is None:
            return {}
        table = pq.read_table(pa.BufferReader(self.read(self.state.sites)))
        return {str(row["site"]): str(row["zone"]) for row in table.to_pylist()}

    def days(self, start: dt.date, end: dt.date) -> list[dt.date]:
        """Return the ingested days from `start` to before `end`, ascending."""
        import datetime as dt  # noqa: PLC0415

        days = (dt.date.fromisoformat(day) for day in self.state.days)
        return sorted(day for day in days if start <= day < end)

    def sources(self, day: dt.date) -> list[str]:
        """Return the SHA-256 of each file that gave events of a day, in the order of `origins`.

        A missing day has no files.
        """
        entry = self.state.days.get(day.isoformat())
        return list(entry["sources"]) if entry else []

    def versions(self, days: Sequence[dt.date]) -> list[dict[str, Any]]:
        """Return for each day its content by SHA-256: its events as stored here, and the files that gave them."""
        files = sorted(self.state.files.items(), reverse=True)
        called = {file["sha256"]: name.rpartition("/")[2] for name, file in files}
        return [
            {
                "day": day.isoformat(),
                "sha256": self.state.days[day.isoformat()]["sha256"],
                "files": [{"name": called[source], "sha256": source} for source in self.sources(day)],
            }
            for day in days
        ]

    def read(self, part: dict[str, Any]) -> bytes:
        """Return a whole object that the state names; a missing or damaged one is refused by name."""
        try:
            data = bytes(obstore.get(self.objects, self.prefix + part["name"]).bytes())
        except (FileNotFoundError, OSError, obstore.exceptions.BaseError):
            raise _damaged(part["name"]) from None
        if zlib.crc32(data) != part["crc"]:
            raise _damaged(part["name"])
        return data

    def bucket(self, day: dt.date, bucket: int) -> Bucket:
        """Return one day's visits of one bucket."""
        entry = self.state.days[day.isoformat()]["buckets"][bucket]
        lines, visits, _ = entry["rows"]
        wide = entry["wide"]
        sizes = (4 * lines, wide[0] * lines, 4 * visits, wide[1] * visits)
        data = self._range(day, entry["at"], sum(sizes), entry["crc"][0])
        ends = np.cumsum(sizes)
        return Bucket(
            np.frombuffer(data, np.uint32, lines),
            np.frombuffer(data, f"u{wide[0]}", lines, int(ends[0])),
            # Its position is seldom a multiple of four, and then each read of it would first copy it.
            np.require(np.frombuffer(data, np.uint32, visits, int(ends[1])), requirements="A"),
            np.frombuffer(data, f"u{wide[1]}", visits, int(ends[2])),
        )

    def moments(self, day: dt.date, bucket: int) -> Moments:
        """Return the instant within its hour and the kind of every event of one day's bucket, visit by visit."""
        entry = self.state.days[day.isoformat()]["buckets"][bucket]
        lines, visits, events = entry["rows"]
        wide = entry["wide"]
        start = entry["at"] + (4 + wide[0]) * lines + (4 + wide[1]) * visits
        data = np.frombuffer(self._range(day, start, wide[2] * events, entry["crc"][1]), f"u{wide[2]}")
        return Moments(data, entry["unit_us"], entry["kind_bits"])

    def origins(self, day: dt.date, bucket: int) -> Origins:
        """Return the day's files that gave each event of a bucket."""
        entry = self.state.days[day.isoformat()]["buckets"][bucket]
        events = entry["rows"][2]
        if "origins" not in entry:
            return Origins(np.zeros(events, np.uint8), np.empty(0, np.uint32), np.empty(0, np.uint16))
        width, more = entry["origins"]
        start = entry["at"] + bucket_length(entry) - width * events - ALSO_BYTES * more
        data = self._range(day, start, width * events + ALSO_BYTES * more, entry["crc"][2])
        return Origins(
            np.frombuffer(data, f"u{width}", events),
            np.frombuffer(data, np.uint32, more, width * events),
            np.frombuffer(data, np.uint16, more, width * events + 4 * more),
        )

    def whole_bucket(self, day: dt.date, bucket: int) -> bytes:
        """Return the bytes of one day's bucket as they are in the day's object."""
        entry = self.state.days[day.isoformat()]["buckets"][bucket]
        data = bytes(self._bytes(day, entry["at"], bucket_length(entry)))
        if len(data) != bucket_length(entry):
            raise _damaged(f"{day}, {self.state.days[day.isoformat()]['name']}")
        return data

    def rows(self, day: dt.date, bucket: int) -> Rows:
        """Return every event of one day's bucket; lines are numbered across buckets."""
        seen = self.bucket(day, bucket)
        moments = self.moments(day, bucket)
        people = np.repeat(np.repeat(seen.people, seen.visits), seen.count)
        people = people * np.uint32(self.buckets) + np.uint32(bucket)
        return Rows(people, np.repeat(seen.visit, seen.count), moments.micros(), moments.kinds())

    def _range(self, day: dt.date, start: int, length: int, crc: int) -> memoryview:
        data = self._bytes(day, start, length)
        if length and (len(data) != length or zlib.crc32(data) != crc):
            raise _damaged(f"{day}, {self.state.days[day.isoformat()]['name']}")
        return data

    def _bytes(self, day: dt.date, start: int, length: int) -> memoryview:
        name = self.state.days[day.isoformat()]["name"]
        if not length:
            return memoryview(b"")
        try:
            return memoryview(obstore.get_range(self.objects, self.prefix + name, start=start, length=length))
        except (FileNotFoundError, OSError, obstore.exceptions.BaseError):
            raise _damaged(f"{day}, {name}") from None


def bucket_length(entry: dict[str, Any]) -> int:
    """Return how many bytes one day's bucket has, given its entry in the state."""
    lines, visits, events = entry["rows"]
    wide = entry["wide"]
    width, more = entry.get("origins", (0, 0))
    return int((4 + wide[0]) * lines + (4 + wide[1]) * visits + (wide[2] + width) * events + ALSO_BYTES * more)


def _damaged(what: str) -> Conflict:
    return Conflict(
        "The event store is damaged: {what} is not what was written. Restore it, or ingest that day's files again.",
        what=what,
    )


def encode(
    people: NDArray[np.uint32], rows: Rows, origins: Origins | None = None
) -> tuple[list[bytes], dict[str, Any]]:
    """Return a bucket's day as bytes, and its entry for the state; `rows` sorted and distinct, `people` the bucket's.

    origins: of the rows, in their order; None if the day has one file.
    """
    events = len(rows)
    visit = (people.astype(np.uint64) << np.uint64(32)) | rows.visit
    first = np.flatnonzero(differs_from_before(visit))
    count = np.diff(first, append=events)
    visit = visit[first]
    who = (visit >> np.uint64(32)).astype(np.uint32)
    start = np.flatnonzero(differs_from_before(who))
    visits = np.diff(start, append=len(visit))
    unit = next(unit for unit in UNITS_US if unit == 1 or not np.any(rows.micros % np.uint32(unit)))
    kind_bits = int(rows.kind.max(initial=0)).bit_length()
    moment = ((rows.micros // np.uint32(unit)).astype(np.uint64) << np.uint64(kind_bits)) | rows.kind
    columns = [_narrow(visits), _narrow(count), _narrow(moment)]
    head = [who[start].tobytes(), columns[0].tobytes(), visit.astype(np.uint32).tobytes(), columns[1].tobytes()]
    tail = columns[2].tobytes()
    crc = 0
    for part in head:
        crc = zlib.crc32(part, crc)
    entry: dict[str, Any] = {
        "rows": [len(start), len(visit), events],
        "wide": [column.dtype.itemsize for column in columns],
        "unit_us": unit,
        "kind_bits": kind_bits,
        "crc": [crc, zlib.crc32(tail)],
    }
    if origins is None:
        return [*head, tail], entry
    source = _narrow(origins.first)
    beside = source.tobytes() + origins.event.tobytes() + origins.further.tobytes()
    entry["crc"].append(zlib.crc32(beside))
    return [*head, tail, beside], entry | {"origins": [source.dtype.itemsize, len(origins.event)]}


def _narrow(values: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Return the values in the narrowest unsigned type that holds them all."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def write_state(store: Store, state: State) -> None:
    """Write the state in one step; from then on it is the store's."""
    stated = {"format": FORMAT} | {name: getattr(state, name) for name in State.__dataclass_fields__}
    _put(store, "store.json", json.dumps(stated).encode())


def state_tag(store: Store) -> str | None:
    """Return the object store's own tag of the present `store.json`; None if there is none."""
    try:
        return obstore.head(store.objects, store.prefix + "store.json")["e_tag"]
    except FileNotFoundError:
        return None


def put_object(store: Store, name: str, data: bytes | Path) -> dict[str, Any]:
    """Store an object under a new name, and return its entry for the state."""
    name = f"{name}-{uuid.uuid4().hex}"
    _put(store, name, data)
    return {"name": name} | ({"crc": zlib.crc32(data)} if isinstance(data, bytes) else {})


def _put(store: Store, name: str, data: bytes | Path) -> None:
    try:
        obstore.put(store.objects, store.prefix + name, data)
    except obstore.exceptions.BaseError as error:
        # The object store has its own error for a full disk.
        if any(os.strerror(number) in str(error) for number in DISK_FULL):
            raise OSError(DISK_FULL[0], os.strerror(DISK_FULL[0])) from None
        raise


def list_objects(store: Store) -> Iterator[str]:
    """Yield the names of the store's objects, except `store.json`."""
    for page in obstore.list(store.objects, store.prefix):
        for item in page:
            name = item["path"].removeprefix(store.prefix)
            if name != "store.json":
                yield name
