"""The definition, `aggregate.sql`, run on DuckDB a bucket at a time, or translated for Spark.

Both give the same cells as the kernel, row for row. DuckDB has one bucket in memory and spills the rest; Spark reads
the whole store as Parquet, which any cluster can read as well.
"""

from __future__ import annotations

import functools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marketplace.core.instants import DAY_US, HOUR_US
from marketplace.core.settings import settings
from marketplace.datasets.builds import input_files
from marketplace.datasets.builds.counting_query import THREADS, Aggregate, Contributions, CountingQuery
from marketplace.datasets.builds.event_store import MOST_PLACES, PLACE_BITS
from marketplace.datasets.builds.spark import BUCKETS, bucket_files, buckets_of, start_spark
from marketplace.privacy.bucket_counts import differs_from_before
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress

AGGREGATE = Path(__file__).with_name("aggregate.sql")
SPECIFICATION = "CROSS JOIN specification AS s\n"
CONSENT = ("subscriber_id", "valid_from_us", "valid_to_us")
EVENT = ("subscriber_id", "at_us", "place")


@functools.cache
def parts(definition: Path = AGGREGATE) -> dict[str, str]:
    """Return the definition's parts, by name."""
    pieces = re.split(r"^--: (\w+)\n", definition.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def query(question: CountingQuery, wanted: str, definition: Path = AGGREGATE) -> str:
    """Return the query for `contribution`, `packed`, `total`, `cell` or `manifest`, in DuckDB's dialect.

    Without switches of place or time the query has none of their tables; with an even local clock it has no clock.
    """
    part = parts(definition)
    if wanted in {"cell", "manifest"}:
        return part[wanted]
    by = "by_clock" if question.clock.offset_us is None else "evenly"
    covered = part["consented"] + part[f"timed_{by}"] + part["unswitched" if question.switched is None else "switched"]
    counted_in = "".join(f"{expression},\n" for expression in PRODUCTS[question.product].counted_in)
    named = f",\ncontribution AS (\n{part['contribution']})\n" if wanted == "packed" else "\n"
    text = f"WITH\n{covered}{counted_in}{part[f'dated_{by}']}{part['bounded']}{named}{part[wanted]}"
    return _with_numbers(text, _specification(question))


def _specification(question: CountingQuery) -> dict[str, int]:
    """Return the one row of the specification."""
    q = question
    stated = {
        "period_from_us": q.period_from_us,
        "period_to_us": q.period_to_us,
        "started_us": q.started_us,
        "step_us": q.step_us,
        "unit_us": q.unit_us,
        "offset_us": q.clock.offset_us or 0,
        "max_cells": q.max_cells,
        "max_events": q.max_events,
        "max_zones": q.max_zones,
        "zones": q.zones,
        **dict(zip(("quarter_room", "segment_room", "events_room"), (1 << bits for bits in _room(q)), strict=True)),
    } | {f"key_{number}": key for number, key in enumerate(q.hash_keys)}
    return {**stated, **PRODUCTS[q.product].constants}


def _room(q: CountingQuery) -> tuple[int, int, int]:
    """Return how many bits of a packed contribution its quarter of an hour, its segment and its events have."""
    return len(q.clock.step).bit_length(), q.segments.bit_length(), q.max_events.bit_length()


def _with_numbers(text: str, stated: Mapping[str, int]) -> str:
    """Return a query with the specification's numbers in place of its row: engines compute faster with constants."""
    return re.sub(r"\bs\.(\w+)", lambda named: str(stated[named[1]]), text.replace(SPECIFICATION, ""))


def tables(question: CountingQuery) -> dict[str, pa.Table]:
    """Return the tables that the definition reads, except events, and the specification, which is in the text."""
    import pyarrow as pa  # noqa: PLC0415

    q = question
    in_zone = np.flatnonzero(q.zone >= 0)
    columns: dict[str, dict[str, Any]] = {
        "clock": q.clock.quarters(),
        "consent": dict(zip(CONSENT, q.consent, strict=True)),
        "subscriber": _subscribers(q, np.flatnonzero(q.segment >= 0)),
        "zone_of": {"place": in_zone, "zone": q.zone[in_zone].astype(np.int64)},
    }
    if q.switched is not None:
        columns |= q.switched.tables(q.references)
    return {name: pa.table(table) for name, table in columns.items()}


def _subscribers(q: CountingQuery, lines: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {
        "subscriber_id": q.references[lines],
        "segment": q.segment[lines].astype(np.int64),
        "home": q.home[lines].astype(np.int64),
    }


class Events(NamedTuple):
    """One bucket's events of the period: n lines by number, microseconds since 1970, and places."""

    line: NDArray[np.int64]
    at_us: NDArray[np.int64]
    place: NDArray[np.int64]


def events(question: CountingQuery, bucket: int) -> Events:
    """Return one bucket's events of the period's days, a day after the other."""
    q, days = question, [(np.zeros(0, np.int64),) * 3]
    for day in q.days:
        seen = q.store.bucket(day, bucket)
        start = np.int64((day.toordinal() - 719_163) * DAY_US)
        number = seen.people.astype(np.int64) * q.store.buckets + bucket
        visit = np.repeat(seen.visit, seen.count)
        at = start + (visit >> np.uint32(PLACE_BITS)).astype(np.int64) * HOUR_US
        at += q.store.moments(day, bucket).micros()
        place = (visit & np.uint32(MOST_PLACES - 1)).astype(np.int64)
        days.append((np.repeat(np.repeat(number, seen.visits), seen.count), at, place))
    return Events(*map(np.concatenate, zip(*days, strict=True)))


class Sums:
    """A result that grows with cells and contributions."""

    def __init__(self, question: CountingQuery, folder: Path) -> None:
        """Start from zero; contributions are written to files in `folder`."""
        self.q, self.folder = question, folder
        q = question
        self.people = np.zeros(q.keys, np.uint32)
        self.events = np.zeros(len(self.people), np.int64)
        self.totals = np.zeros(q.times, np.int64) if q.max_zones else None
        self.order = np.argsort(q.references)
        self.sorted = q.references[self.order]
        self.parts: list[Contributions] = []

    def _key(self, rows: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
        q = self.q
        place = rows["zone"].astype(np.int64)
        return (place * q.times + q.clock.step_at(rows["starts_at_us"])) * q.segments + rows["segment"]

    def add_cells(self, rows: dict[str, NDArray[Any]]) -> None:
        """Add cells, each of which is in `rows` once."""
        key = self._key(rows)
        self.people[key] += rows["people"].astype(np.uint32)
        self.events[key] += rows["events"]

    def add_totals(self, rows: dict[str, NDArray[Any]]) -> None:
        """Add the totals of times, each of which is in `rows` once."""
        assert self.totals is not None, "totals are asked for"
        self.totals[self.q.clock.step_at(rows["starts_at_us"])] += rows["people"]

    def add(
        self, cells: dict[str, NDArray[Any]], contributions: dict[str, NDArray[Any]], totals: dict[str, NDArray[Any]]
    ) -> None:
        """Add the result of one bucket's lines."""
        self.add_cells(cells)
        self.add_contributions(contributions["subscriber_id"], self._key(contributions))
        if totals:
            self.add_totals(totals)

    def add_contributions(self, who: NDArray[np.int64], key: NDArray[np.int64]) -> None:
        """Write contributions to files: the line of each, and its key."""
        number = len(self.parts)
        part = Contributions(self.folder / f"{number}.people", self.folder / f"{number}.keys", slice(None))
        first = np.flatnonzero(differs_from_before(who))
        line = self.order[np.searchsorted(self.sorted, who[first])].astype(np.uint32)
        np.repeat(line, np.diff(first, append=len(who))).tofile(part.people)
        key.astype(np.uint32).tofile(part.keys)
        self.parts.append(part)

    def add_packed(self, rows: dict[str, NDArray[Any]]) -> None:
        """Write contributions to files, and add them to their cells."""
        q, left, parts = self.q, rows["packed"], []
        for bits in reversed(_room(q)):
            parts.append(left & ((1 << bits) - 1))
            left = left >> bits
        events, segment, quarter = parts
        key = (left * q.times + q.clock.step[quarter]) * q.segments + segment
        self.add_contributions(rows["subscriber_id"], key)
        np.add.at(self.people, key, np.uint32(1))
        np.add.at(self.events, key, events)

    def answer(self) -> Aggregate:
        """Return the sums."""
        return Aggregate(self.q, self.people, self.events, self.totals, self.parts)


def on_duckdb(
    question: CountingQuery,
    database: duckdb.DuckDBPyConnection,
    folder: Path,
    report: ReportProgress,
    definition: Path = AGGREGATE,
) -> Aggregate:
    """Run the definition a bucket at a time: memory contains one bucket, and the rest spills."""
    import pyarrow as pa  # noqa: PLC0415

    q = question
    sums = Sums(q, folder)
    for name, table in tables(q).items():
        if name not in {"consent", "subscriber"}:
            input_files.load(database, name, **{column: table[column] for column in table.column_names})
    asked = [query(q, wanted, definition) for wanted in ("contribution", "cell", "total")]
    with ThreadPoolExecutor(1) as beside:  # while one bucket is counted, the next is read and the last one added
        next_events = beside.submit(_events_of, q, 0)
        adding: list[Future[None]] = []
        for bucket in range(q.store.buckets):
            event, next_events = next_events.result(), beside.submit(_events_of, q, bucket + 1)
            if event is not None:
                # A bucket's events can only meet its own lines and consents.
                lines = np.arange(bucket, len(q.references), q.store.buckets)
                own = (q.consent_line >= 0) & (q.consent_line % q.store.buckets == bucket)
                given = {
                    "subscriber": pa.table(_subscribers(q, lines[q.segment[lines] >= 0])),
                    "consent": pa.table({name: q.consent[n][own] for n, name in enumerate(CONSENT)}),
                    "event": event,
                }
                cells, contributions, totals = _counted(database, given, asked, has_totals=bool(q.max_zones))
                adding.append(beside.submit(sums.add, cells, contributions, totals))
            report("counting", 0.3 + 0.25 * (bucket + 1) / q.store.buckets)
        for added in adding:
            added.result()
    return sums.answer()


def _events_of(question: CountingQuery, bucket: int) -> pa.Table | None:
    """Return one bucket's events of the period; None if there are no events or no such bucket."""
    import pyarrow as pa  # noqa: PLC0415

    found = events(question, bucket) if bucket < question.store.buckets else None
    if found is None or not len(found.line):
        return None
    return pa.table(dict(zip(EVENT, (question.references[found.line], found.at_us, found.place), strict=True)))


def _counted(
    database: duckdb.DuckDBPyConnection, given: Mapping[str, pa.Table], asked: Sequence[str], *, has_totals: bool
) -> tuple[dict[str, NDArray[Any]], ...]:
    """Return one bucket's cells, contributions and totals (None: not wanted), as columns."""
    for name, table in given.items():
        database.register(name, table)
    of_contribution, of_cell, of_total = asked
    input_files.rows(database, f"CREATE OR REPLACE TABLE contribution AS {of_contribution}")
    cells = database.execute(of_cell).fetchnumpy()
    contributions = database.execute("FROM contribution").fetchnumpy()
    totals = database.execute(of_total).fetchnumpy() if has_totals else {}
    input_files.rows(database, "DROP TABLE contribution")
    for name in given:
        database.unregister(name)
    return cells, contributions, totals


def in_spark(question: CountingQuery, wanted: str, definition: Path = AGGREGATE) -> str:
    """Return the same query in Spark's dialect.

    Spark would sort all events to join them with consents; in buckets, a table of each bucket's consents is enough.
    """
    import sqlglot  # noqa: PLC0415

    text = sqlglot.parse_one(query(question, wanted, definition), read="duckdb")
    for part in text.find_all(sqlglot.exp.CTE):
        if part.alias == "consented":
            part.this.hint("SHUFFLE_HASH(current_consent)", dialect="spark", copy=False)
    return text.sql(dialect="spark")


def on_spark(question: CountingQuery, folder: Path, report: ReportProgress, definition: Path = AGGREGATE) -> Aggregate:
    """Run the definition on Spark; it reads and writes Parquet below `folder`, which every worker must see."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    q = question
    given = folder / "given"
    given.mkdir()
    with ThreadPoolExecutor(1) as beside:
        starting = beside.submit(start_spark, settings().spark_master, settings().memory_mb)
        given_tables = tables(q)
        for name, table in given_tables.items():
            pq.write_table(table, given / f"{name}.parquet")
        write_events(q, given / "event", report)
        session = starting.result()
    for name, table in given_tables.items():
        stated = " BIGINT, ".join(table.column_names) + " BIGINT"  # Spark would start a job to infer that
        session.read.schema(stated).parquet(str(given / f"{name}.parquet")).createOrReplaceTempView(name)
    session.sql("DROP TABLE IF EXISTS event")
    made = f"CREATE TABLE event ({' BIGINT, '.join(EVENT)} BIGINT) USING parquet CLUSTERED BY (subscriber_id)"
    session.sql(f"{made} INTO {BUCKETS} BUCKETS LOCATION '{given / 'event'}'")
    sums = Sums(q, folder)
    wanted = {"packed": sums.add_packed} | ({"total": sums.add_totals} if q.max_zones else {})
    for name, add in wanted.items():
        report("counting", 0.35)
        session.sql(in_spark(q, name, definition)).write.mode("overwrite").parquet(str(folder / name))
        for rows in _read_ahead(sorted((folder / name).glob("*.parquet"))):
            add(rows)
    return sums.answer()


def _read_ahead(files: Sequence[Path]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of each file, reading the next one ahead."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    def read(file: Path) -> dict[str, NDArray[Any]]:
        table = pq.read_table(file, use_threads=False)
        return {column: table[column].to_numpy() for column in table.column_names}

    with ThreadPoolExecutor(1) as reader:
        following = None
        for file in files:
            rows, following = following, reader.submit(read, file)
            if rows:
                yield rows.result()
        if following:
            yield following.result()


def write_events(question: CountingQuery, folder: Path, report: ReportProgress) -> None:
    """Write the period's events as Parquet, by Spark's buckets."""
    q = question
    hashed = buckets_of(q.references)
    with bucket_files(folder, EVENT) as files, ThreadPoolExecutor(THREADS) as writers:

        def write(bucket: int) -> None:
            found = events(q, bucket)
            columns = (q.references[found.line], found.at_us, found.place)
            files.write(hashed[found.line], found.line, columns)

        for done, _ in enumerate(writers.map(write, range(q.store.buckets)), 1):
            report("handing over", 0.3 + 0.05 * done / q.store.buckets)
