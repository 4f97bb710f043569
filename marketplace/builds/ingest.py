"""Ingestion: the operator's daily files of events into the event store, checked row by row, in whatever order they come.

A Parquet file in plain columns is read as arrays; any other file, and any with a row at fault, goes through `inputs`,
which reads text and names the row. A file that was ingested whole and looks as it did is not read again; one that is
read again adds nothing, because a day's events are a set. A file at fault stops the ingestion: the days kept before it
stay, and it can be mended and the ingestion run again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.builds import input_files
from marketplace.builds.event_store_writer import Writer
from marketplace.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.builds.event_store import Store
    from marketplace.progress import ReportProgress


BATCH = 1 << 20
"""Rows read at once."""
ENOUGH = 8_000_000
"""Rows that wait before the days they are of are kept; fewer wait for the next files."""
THREADS = 2
FIRST_US, LAST_US = 0, 253_402_300_800_000_000
"""Instants from 1970 to before the year 10000 are read as arrays."""
FEW = 1 << 24
"""Sites that are whole numbers below this are looked up in an array."""


class AtFaultError(Exception):
    """These rows are not plain, or one of them is malformed: read them the slow way, which names it."""


class Reader:
    """Reads files of events into a writer; what it learns of sites, places and kinds serves the next rows."""

    def __init__(self, writer: Writer, scratch: Path) -> None:
        """Read for `writer`; `scratch` is where the slow way may keep its own."""
        self.writer, self.scratch = writer, scratch
        self.site_numbers = np.full(FEW, -1, np.int32)

    def read(self, file: Path) -> None:
        """Add every row of `file`; a malformed one is refused by file and row, and may leave others of it waiting."""
        try:
            for batch in _batches(file):
                self._add(batch)
        except AtFaultError:
            self._read_slowly(file)

    def _add(self, batch: pa.RecordBatch) -> None:
        people = _plain(batch.column("subscriber_id")).astype(np.int64, copy=False)
        at_us = _microseconds(batch.column("at"))
        if people.min(initial=0) < 0 or at_us.min(initial=0) < FIRST_US or at_us.max(initial=0) >= LAST_US:
            raise AtFaultError
        if "site" in batch.schema.names:
            place = self._sites(batch.column("site"))
        else:
            place = self._spots(_plain(batch.column("latitude")), _plain(batch.column("longitude")))
        kind = (
            self._kinds(batch.column("kind"))
            if "kind" in batch.schema.names
            else np.broadcast_to(self.writer.kind_numbers([""]), (len(batch),))
        )
        self.writer.add(self.writer.numbers.number(people), at_us, place, kind)

    def _sites(self, column: pa.Array[Any]) -> NDArray[np.uint32]:
        import pyarrow as pa  # noqa: PLC0415

        if not pa.types.is_integer(column.type):
            return self._named(column, self.writer.place_numbers)
        sites = _plain(column)
        if len(sites) and (sites.min() < 0 or sites.max() >= FEW):
            return self._named(column.cast(pa.string()), self.writer.place_numbers)
        found: NDArray[np.int32] = self.site_numbers[sites]
        if (found < 0).any():
            new = np.unique(sites[found < 0])
            self.site_numbers[new] = self.writer.place_numbers([str(site) for site in new.tolist()])
            found = self.site_numbers[sites]
        return np.asarray(found.view(np.uint32))

    def _spots(self, latitude: NDArray[Any], longitude: NDArray[Any]) -> NDArray[np.uint32]:
        """Return the number of each place on Earth; each distinct one is asked for once."""
        if not (np.all(np.abs(latitude) <= 90) and np.all(np.abs(longitude) <= 180)):  # noqa: PLR2004 (a globe's)
            raise AtFaultError
        # Zero is one number, however its sign is written.
        both = np.ascontiguousarray(np.stack([latitude + 0.0, longitude + 0.0], axis=1), np.float64)
        spots, number = np.unique(both.view(np.complex128).ravel(), return_inverse=True)
        named = self.writer.place_numbers([(spot.real, spot.imag) for spot in spots.tolist()])
        return np.asarray(named[number])

    def _kinds(self, column: pa.Array[Any]) -> NDArray[np.uint16]:
        import pyarrow as pa  # noqa: PLC0415

        if pa.types.is_integer(column.type):
            values = _plain(column)
            if not len(values) or (values.min() >= 0 and values.max() < BATCH):
                distinct = np.flatnonzero(np.bincount(values, minlength=1))
                number = np.zeros(int(values.max(initial=0)) + 1, np.uint16)
                number[distinct] = self.writer.kind_numbers([str(kind) for kind in distinct.tolist()])
                return np.asarray(number[values])
            column = column.cast(pa.string())
        return self._named(column.fill_null("") if column.null_count else column, self.writer.kind_numbers)

    def _named(self, column: pa.Array[Any], numbers: Callable[[list[str]], NDArray[Any]]) -> NDArray[Any]:
        import pyarrow as pa  # noqa: PLC0415

        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        if column.null_count or not pa.types.is_string(column.type):
            raise AtFaultError
        coded = column.dictionary_encode()
        names = [str(name) for name in coded.dictionary.to_pylist()]
        return np.asarray(numbers(names)[coded.indices.to_numpy()])

    def _read_slowly(self, file: Path) -> None:
        database = input_files.scratch_database(self.scratch)
        try:
            for batch in input_files.stream_events(database, file):
                self._add(batch)
        finally:
            database.close()


def ingest(
    store: Store,
    files: Sequence[Path],
    scratch: Path,
    *,
    known: dict[str, str] | None = None,
    tables: dict[str, bytes] | None = None,
    report: ReportProgress | None = None,
    most_rows: int | None = None,
) -> dict[str, int]:
    """Add the files' events to the store; return its rows by day ingested.

    `known` says what each file looks like now (name → fingerprint): those that the store ingested whole so are left
    out. `tables` are the operator's, `subscribers` and `sites`, checked, as Parquet. `report` receives each step and the share done.
    """
    report = report or no_progress
    known = known or {}
    writer = Writer(store, scratch, **({} if most_rows is None else {"most_rows": most_rows}))
    try:
        reader = Reader(writer, scratch)
        files = [
            file for file in files if str(file) not in known or store.state.files.get(str(file)) != known[str(file)]
        ]
        kept: dict[str, int] = {}
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(files), THREADS):
                report("reading events", start / len(files))
                list(pool.map(reader.read, files[start : start + THREADS]))
                is_last = start + THREADS >= len(files)
                if is_last or sum(len(rows) for parts in writer.waiting.values() for rows in parts) >= ENOUGH:
                    report("sorting days", min(1.0, (start + THREADS / 2) / len(files)))
                    days = writer.days() if is_last else sorted(writer.waiting)
                    kept |= dict(zip(map(str, days), pool.map(writer.commit, days), strict=True))
        if files or tables:
            writer.record({str(file): known[str(file)] for file in files if str(file) in known}, tables or {})
        report("ingested", 1.0)
    finally:
        writer.close()
    return kept


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a Parquet file whose columns are plain; AtFaultError when they are not, or it is damaged."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    if file.suffix != ".parquet":
        raise AtFaultError
    try:
        with pq.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            if not _is_plain(schema):
                raise AtFaultError
            yield from parquet.iter_batches(BATCH, use_threads=False)
    except (pa.ArrowException, OSError):
        raise AtFaultError from None


def _is_plain(schema: pa.Schema) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    names = schema.names
    place = {"site"} if "site" in names else {"latitude", "longitude"}
    if len(set(names)) < len(names) or set(names) - {"kind"} != {"subscriber_id", "at"} | place:
        return False
    at = schema.field("at").type
    kinds = [schema.field(name).type for name in names if name in {"site", "kind"}]
    return (
        pa.types.is_integer(schema.field("subscriber_id").type)
        and schema.field("subscriber_id").type != pa.uint64()
        and pa.types.is_timestamp(at)
        and at.tz is not None
        and at.unit in {"us", "ms", "s"}
        and all(pa.types.is_floating(schema.field(name).type) for name in place - {"site"})
        and all((pa.types.is_integer(kind) and kind != pa.uint64()) or pa.types.is_string(kind) for kind in kinds)
    )


def _plain(column: pa.Array[Any]) -> NDArray[Any]:
    if column.null_count:
        raise AtFaultError
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _microseconds(column: pa.Array[Any]) -> NDArray[np.int64]:
    import pyarrow as pa  # noqa: PLC0415

    if column.null_count:
        raise AtFaultError
    longer = {"us": 1, "ms": 1_000, "s": 1_000_000}[column.type.unit]
    values = np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if longer > 1 and len(values) and max(abs(int(values.min())), abs(int(values.max()))) > LAST_US // longer:
        raise AtFaultError
    return values * longer if longer > 1 else values
