"""Ingestion: the operator's daily files of events into the event store, checked row by row, in any order.

A Parquet file in plain columns is read as arrays. Any other file, and any with a faulty row, is read by `input_files`
as text, which names the row. The store has what each file last said:

- a file with the same appearance is not read again; a renamed copy, with the bytes of a known file, changes nothing;
- a file of a known name with other bytes is a correction: its old rows go and its new rows come, in one step;
- a new file adds to its days, but is refused if it repeats most of what another gave: it is a version of that one;
- with `replace`, the files are complete for the days that they have events of.

A faulty file stops the ingestion. What was committed before stays; the file can be corrected and the ingestion run
again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.core.errors import Conflict
from marketplace.core.progress import no_progress
from marketplace.datasets.builds import input_files
from marketplace.datasets.builds.digests import sha256_of
from marketplace.datasets.builds.event_store_writer import Writer
from marketplace.datasets.builds.parquet_sizes import most_bytes, read_footer, swollen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.consent.switches.ingesting import AtIngest
    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.builds.event_store import Store
    from marketplace.datasets.builds.retracted_events import RetractedEvents


BATCH = 1 << 20
"""Rows read at once."""
ENOUGH = 8_000_000
"""Rows that wait before their days are written; fewer wait for the next files."""
THREADS = 2
FIRST_US, LAST_US = 0, 253_402_300_800_000_000
"""Instants from 1970 to before the year 10000 are read as arrays."""
FEW = 1 << 24
"""Sites that are whole numbers below this are looked up in an array."""


class AtFaultError(Exception):
    """These rows are not plain, or one of them is malformed: the slow reader must read them and name it."""


class Reader:
    """Reads files of events into a writer; it reuses sites, places and kinds it has seen for the next rows."""

    def __init__(self, writer: Writer, scratch: Path, retracted: RetractedEvents | None = None) -> None:
        """Read for `writer` all that is not retracted; the slow reader may use `scratch`."""
        self.writer, self.scratch, self.retracted = writer, scratch, retracted
        self.site_numbers = np.zeros(FEW, np.uint32)
        """For each site its place's number and one, or zero while it was not seen: memory that no site needs is not touched."""

    def read(self, file: InputFile) -> None:
        """Add every row of `file`; a malformed one is refused by file and row, and others may then wait."""
        source = self.writer.source_number(file.sha256)
        try:
            for batch in _batches(file.path):
                self._add(batch, source)
        except AtFaultError:
            self._read_slowly(file.path, source)
        file.refuse_changes()

    def _add(self, batch: pa.RecordBatch, source: int) -> None:
        import pyarrow as pa  # noqa: PLC0415

        people = _plain(batch.column("subscriber_id")).astype(np.int64, copy=False)
        at_us = _microseconds(batch.column("at"))
        if people.min(initial=0) < 0 or at_us.min(initial=0) < FIRST_US or at_us.max(initial=0) >= LAST_US:
            raise AtFaultError
        if self.retracted is not None and (gone := self.retracted.covers(people, at_us)).any():
            batch, people, at_us = batch.filter(pa.array(~gone)), people[~gone], at_us[~gone]
        if "site" in batch.schema.names:
            place = self._sites(batch.column("site"))
        else:
            place = self._spots(_plain(batch.column("latitude")), _plain(batch.column("longitude")))
        kind = (
            self._kinds(batch.column("kind"))
            if "kind" in batch.schema.names
            else np.broadcast_to(self.writer.kind_numbers([""]), (len(batch),))
        )
        self.writer.add(self.writer.numbers.number(people), at_us, place, kind, source)

    def _sites(self, column: pa.Array[Any]) -> NDArray[np.uint32]:
        import pyarrow as pa  # noqa: PLC0415

        if not pa.types.is_integer(column.type):
            return self._named(column, self.writer.place_numbers, None)
        sites = _plain(column)
        if len(sites) and (sites.min() < 0 or sites.max() >= FEW):
            return self._named(column.cast(pa.string()), self.writer.place_numbers, None)
        found: NDArray[np.uint32] = self.site_numbers[sites]
        if not found.all():
            new = np.unique(sites[found == 0])
            self.site_numbers[new] = self.writer.place_numbers([str(site) for site in new.tolist()]) + 1
            found = self.site_numbers[sites]
        return found - np.uint32(1)

    def _spots(self, latitude: NDArray[Any], longitude: NDArray[Any]) -> NDArray[np.uint32]:
        """Return the number of each place on Earth; each distinct place is looked up once."""
        if not (np.all(np.abs(latitude) <= 90) and np.all(np.abs(longitude) <= 180)):  # noqa: PLR2004 (a globe's)
            raise AtFaultError
        # Zero is one number, with either sign.
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
        return self._named(column, self.writer.kind_numbers, "")

    def _named(self, column: pa.Array[Any], numbers: Callable[[list[str]], Any], absent: str | None) -> NDArray[Any]:
        """Return the number of each text, of `absent` for a missing one; a dictionary's text is looked up once."""
        coded: Any = column if hasattr(column, "dictionary") else column.dictionary_encode()
        texts, at = coded.dictionary, coded.indices
        if (at.null_count and absent is None) or texts.null_count or texts.nbytes > most_bytes(len(texts)):
            raise AtFaultError
        found = numbers([*map(str, texts.to_pylist()), *([str(absent)] if at.null_count else [])])
        return np.asarray(found[at.fill_null(len(texts)).to_numpy()])

    def _read_slowly(self, file: Path, source: int) -> None:
        database = input_files.scratch_database(self.scratch)
        try:
            for batch in input_files.stream_events(database, file):
                self._add(batch, source)
        finally:
            database.close()


@dataclass
class InputFile:
    """One file to ingest: its path, its name in the store, its appearance and, once it is needed, its SHA-256."""

    path: Path
    name: str
    look: str = ""
    sha256: str = ""
    seen: str = ""
    """Its appearance when its SHA-256 was computed."""

    def digest(self) -> str:
        """Return the SHA-256 of the file, empty if it cannot be read: reading its rows will then refuse it."""
        try:
            self.seen = look_at(self.path)
            self.sha256 = sha256_of(self.path)
        except OSError:
            self.sha256 = ""
        return self.sha256

    def refuse_changes(self) -> None:
        """Refuse a file that changed since its SHA-256 was computed."""
        if self.sha256 and look_at(self.path) != self.seen:
            raise Conflict("{file} changed while it was read: run it again.", file=self.name)


def look_at(file: Path) -> str:
    """Return a file's appearance from outside: its size, and the times of its last changes."""
    seen = file.stat()
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


@dataclass
class Plan:
    """The plan of an ingestion: the files to read, corrections first, and the files whose events are removed."""

    corrections: list[InputFile] = field(default_factory=list)
    """Files of a known name with other bytes."""
    new: list[InputFile] = field(default_factory=list)
    known: list[InputFile] = field(default_factory=list)
    """Files whose bytes the store has already, under any name: they are not read."""
    replaced: set[str] = field(default_factory=set)
    """SHA-256 of the files that are corrected, unless another file has their bytes."""
    forgotten: set[str] = field(default_factory=set)
    """Names of files that are gone and whose bytes are replaced."""


def _is_unchanged(recorded: dict[str, str] | None, look: str) -> bool:
    return recorded is not None and bool(look) and look == recorded["look"]


def _plan(store: Store, files: Sequence[InputFile], pool: ThreadPoolExecutor, *, replace: bool) -> Plan:
    """Return the plan for these files, leaving out files that look unchanged."""
    plan, recorded = Plan(), store.state.files
    sha256 = {name: file["sha256"] for name, file in recorded.items()}
    changed = [file for file in files if replace or not _is_unchanged(recorded.get(file.name), file.look)]
    list(pool.map(InputFile.digest, changed))
    given = {file.name for file in files}
    now = sha256 | {file.name: file.sha256 for file in changed}
    current = {digest for name, digest in now.items() if name in given or Path(name).exists()}
    plan.replaced = {sha256[file.name] for file in changed if file.name in sha256} - current
    plan.forgotten = {name for name, digest in now.items() if digest in plan.replaced}
    if replace:
        plan.corrections = changed
        return plan
    had = set(sha256.values()) - plan.replaced
    for file in changed:
        if file.sha256 and file.sha256 in had:
            plan.known.append(file)
            continue
        had.add(file.sha256)
        is_correction = sha256.get(file.name) in plan.replaced
        (plan.corrections if is_correction else plan.new).append(file)
    return plan


def ingest(
    store: Store,
    files: Sequence[Path],
    scratch: Path,
    *,
    known: Mapping[str, str] | None = None,
    names: Mapping[Path, str] | None = None,
    tables: dict[str, bytes] | None = None,
    replace: bool = False,
    retracted: RetractedEvents | None = None,
    switches: AtIngest | None = None,
    report: ReportProgress | None = None,
    most_rows: int | None = None,
) -> dict[str, int]:
    """Update the store with the files; return the number of events of each day that was written.

    `known`: the present appearance of each file (path → fingerprint); files that the store ingested whole with the same
    one are left out. `names`: the names of files in the store, by default their paths. `tables`: the operator's,
    `subscribers` and `sites`, checked, as Parquet. `replace`: the files are complete for their days. Events that are
    `retracted` are left out, and events that `switches` leave out.
    `report` receives each step and the share done. Refused: a malformed file, one that changes while it is read, and a
    new one that repeats most of what another gave of a day. Whole files are committed; corrections together.
    """
    report = report or no_progress
    known, names = known or {}, names or {}
    inputs = [InputFile(file, names.get(file, str(file)), known.get(str(file), "")) for file in files]
    writer = Writer(store, scratch, **({} if most_rows is None else {"most_rows": most_rows}))
    writer.switches = switches
    kept: dict[str, int] = {}
    try:
        reader = Reader(writer, scratch, retracted)
        with ThreadPoolExecutor(THREADS) as pool:
            report("looking at files", 0.0)
            plan = _plan(writer.store, inputs, pool, replace=replace)
            writer.replaced, writer.replaces_days = plan.replaced, replace
            _name_sources(writer, inputs)
            to_read = [*plan.corrections, *plan.new]
            done: list[InputFile] = []
            for start in range(0, len(to_read), THREADS):
                report("reading events", start / len(to_read))
                few = to_read[start : start + THREADS]
                for file in few:  # in the files' order, not in that of the threads
                    writer.source_number(file.sha256)
                list(pool.map(reader.read, few))
                done += few
                end = start + THREADS
                if len(plan.corrections) <= end < len(to_read) and writer.has_waiting(ENOUGH):
                    report("sorting days", (start + THREADS / 2) / len(to_read))
                    kept |= _write(writer, pool)
                    writer.commit(_recorded(done), forgotten=plan.forgotten)
            report("sorting days", 0.9)
            kept |= _write(writer, pool)
            # A copy of a file read in this run is recognised only after that file's events.
            done += [file for file in plan.known if writer.state.files.get(file.name) != _recorded([file])[file.name]]
            if done or kept or tables:
                writer.commit(_recorded(done), tables=tables, forgotten=plan.forgotten)
        report("ingested", 1.0)
    finally:
        writer.close()
    return {day: events for day, events in kept.items() if day in writer.state.days}


def _write(writer: Writer, pool: ThreadPoolExecutor) -> dict[str, int]:
    """Write the days that change; return their numbers of events."""
    days = writer.days()
    return dict(zip(map(str, days), pool.map(writer.write_day, days), strict=True))


def _recorded(files: Sequence[InputFile]) -> dict[str, dict[str, str]]:
    """Return the entries in the state for files that are ingested whole."""
    return {file.name: {"look": file.look, "sha256": file.sha256} for file in files}


def _name_sources(writer: Writer, files: Sequence[InputFile]) -> None:
    """Give the writer the first name of known and of new bytes, for refusals."""
    for name, recorded in writer.state.files.items():
        writer.called.setdefault(recorded["sha256"], name)
    for file in files:
        writer.called.setdefault(file.sha256, file.name)


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a Parquet file with plain columns; AtFaultError for other columns or a damaged file."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    if file.suffix != ".parquet":
        raise AtFaultError
    try:
        metadata = read_footer(file)
        texts = [name for name in metadata.schema.names if name in {"site", "kind"}]
        with pq.ParquetFile(file, metadata=metadata, read_dictionary=texts) as parquet:
            if swollen(metadata) or not _is_plain(parquet.schema_arrow):
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
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
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
