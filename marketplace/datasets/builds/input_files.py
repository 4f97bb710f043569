"""Inputs of a build: events and subscribers, Parquet or CSV, in a file, folder or bucket; read by DuckDB, never stored.

Checking comes before spending, so that a broken file costs no budget. It checks every row once: is there an identity,
an instant with its zone, a place on Earth? It stores nothing and answers only the operator. Refusals name the file and
the row, counted from 1 after a CSV's header, and never show the row's content.

Instants must state their zone (`2026-03-01T08:00:00Z`, or a timestamp with time zone in Parquet). Consent may depend on
it, so an instant without a zone is refused rather than guessed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.datasets.builds.csv_lines import count_lines, read_header, refuse_line_breaks
from marketplace.datasets.builds.parquet_sizes import refuse_long_texts, refuse_swollen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

SUFFIXES = (".parquet", ".csv")
INTEGERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT")
NUMBERS = ("DOUBLE", "FLOAT", *INTEGERS)
TEXT = "VARCHAR"
CSV = "CSV"
"""The type of every column of a CSV: text, read as the type it must have."""
INSTANT = "TIMESTAMP WITH TIME ZONE"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SPILL_FACTOR = 8
"""How many times its memory a build may spill to disk before it is stopped."""
WITH_ZONE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.]\d+)?)?(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)$"
NAME = "CASE WHEN strlen({c}) BETWEEN 1 AND 200 AND NOT regexp_matches({c}, '[[:cntrl:]]') THEN {c} END"
"""A short text on one line. A file of some kilobytes may contain a text of megabytes in millions of rows."""
BAND = "{file}, row {row} has an age band that the dataset does not declare."
KIND = f"CASE WHEN coalesce({{c}}, '') = '' THEN '' ELSE {NAME} END"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an input: its name, its types with their expressions, and the sentence for rows without it."""

    name: str
    types: Mapping[str, str]
    """DuckDB type → expression over {c} that gives the value, or NULL if the row is malformed."""
    lacks: str
    """The sentence, with fields {file} and {row}."""
    optional: bool = False


REFERENCE = "CASE WHEN TRY_CAST({c} AS BIGINT) >= 0 THEN TRY_CAST({c} AS BIGINT) END"
WITHIN = (
    # The engine trusts a file's statistics, which leave NaN out, even for isnan(); isfinite() reads the values.
    "CASE WHEN isfinite(TRY_CAST({{c}} AS DOUBLE)) AND TRY_CAST({{c}} AS DOUBLE) BETWEEN -{most} AND {most} "
    "THEN TRY_CAST({{c}} AS DOUBLE) END"
)

EVENT = (
    Column(
        "subscriber_id",
        dict.fromkeys(INTEGERS, REFERENCE) | {TEXT: f"CASE WHEN regexp_full_match({{c}}, '\\d+') THEN {REFERENCE} END"},
        "{file}, row {row} has no subscriber: a whole number, not negative, is needed.",
    ),
    Column(
        "at",
        {
            INSTANT: "CASE WHEN isfinite({c}) AND year({c}) BETWEEN 1 AND 9998 THEN epoch_us({c}) END",
            TEXT: f"CASE WHEN regexp_matches({{c}}, '{WITH_ZONE}') THEN epoch_us(TRY_CAST({{c}} AS TIMESTAMPTZ)) END",
        },
        "{file}, row {row} has no instant with its time zone, such as 2026-03-01T08:00:00Z.",
    ),
    Column(
        "latitude",
        dict.fromkeys((*NUMBERS, TEXT), WITHIN.format(most=90)),
        "{file}, row {row} is in no zone: its latitude is not between -90 and 90.",
    ),
    Column(
        "longitude",
        dict.fromkeys((*NUMBERS, TEXT), WITHIN.format(most=180)),
        "{file}, row {row} is in no zone: its longitude is not between -180 and 180.",
    ),
    Column("kind", {TEXT: KIND}, "{file}, row {row} has a kind that is not a short text.", optional=True),
)
SITE = Column(
    "site",
    dict.fromkeys(INTEGERS, "CAST({c} AS VARCHAR)") | {TEXT: NAME},
    "{file}, row {row} has no site: a short text is needed.",
)
EVENT_AT_SITE = (*EVENT[:2], SITE, EVENT[4])
"""The columns of a file that has the operator's own name of an antenna or place instead of latitude and longitude."""
SUBSCRIBER = (
    EVENT[0],
    Column("age_band", {TEXT: NAME}, "{file}, row {row} has no age band: a short text is needed."),
    Column(
        "home_zone",
        {TEXT: NAME, "BIGINT": "to_hex({c})", "UBIGINT": "to_hex({c})"},
        "{file}, row {row} has no home zone: a short text is needed.",
    ),
)

SITE_ZONE = (SITE, Column("zone", {TEXT: NAME}, "{file}, row {row} has no zone: a short text is needed."))


def gather(address: str, scratch: Path, what: str) -> list[Path]:
    """Return the Parquet and CSV files at `address`, by name; a bucket's are first fetched into `scratch`."""
    return list(gather_named(address, scratch, what))


def gather_named(address: str, scratch: Path, what: str) -> dict[Path, str]:
    """Return the same files with the permanent name of each: its full path, or its address in the bucket."""
    if is_bucket(address):
        return _fetch(address, scratch, what)
    return {file: str(file.resolve()) for file in _of_this_machine(address)}


def is_bucket(address: str) -> bool:
    """Return whether an address is a bucket's, and not a path of this machine."""
    return "://" in address and not address.startswith("file://")


def _of_this_machine(address: str) -> list[Path]:
    path = Path(unquote(urlsplit(address).path) if address.startswith("file://") else address)
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise Invalid("{path} is neither a .parquet nor a .csv file.", path=path)
        return [path]
    if not path.is_dir():
        raise Invalid("There is no file or folder {path}.", path=path)
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise Invalid("The folder {path} holds no .parquet and no .csv file.", path=path)
    return files


def _fetch(address: str, scratch: Path, what: str) -> dict[Path, str]:
    """Copy a bucket's files unchanged into `scratch`; return them with their addresses."""
    import obstore  # noqa: PLC0415 (only builds from buckets)
    from obstore.store import from_url  # noqa: PLC0415

    files: dict[Path, str] = {}
    try:
        address, _, name = address.rpartition("/") if address.endswith(SUFFIXES) else (address, "", "")
        bucket = from_url(address)
        keys = [name] if name else sorted(item["path"] for page in obstore.list(bucket) for item in page)
        for number, key in enumerate(key for key in keys if key.endswith(SUFFIXES)):
            fetched = scratch / what / f"{number:06}-{Path(key).name}"
            fetched.parent.mkdir(parents=True, exist_ok=True)
            with fetched.open("wb") as file:
                file.writelines(obstore.get(bucket, key).stream())
            files[fetched] = f"{address}/{key}"
    except (OSError, ValueError, obstore.exceptions.BaseError) as error:
        raise Invalid("{address} cannot be read: {why}.", address=address, why=type(error).__name__) from None
    if not files:
        raise Invalid("{address} holds no .parquet and no .csv file.", address=address)
    return files


def scratch_database(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that spills into `folder`, within a build's limits of memory and spill."""
    import duckdb  # noqa: PLC0415 (a sixth of a second that only builds need)

    memory = settings().memory_mb
    database = duckdb.connect(
        config={
            "memory_limit": f"{memory}MB",
            "temp_directory": str(folder / "spill"),
            "max_temp_directory_size": f"{SPILL_FACTOR * memory}MB",
            "threads": str(os.cpu_count() or 1),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    database.execute("SET enable_progress_bar = false")  # it would be printed among the answers of a command
    return database


def stream_events(database: duckdb.DuckDBPyConnection, file: Path) -> Iterator[pa.RecordBatch]:
    """Check every row of a file of events, then yield its plain columns; refusals name the file and the row."""
    shape = _columns(database, file)
    columns = EVENT_AT_SITE if "site" in {name for name, _ in shape} else EVENT
    open_checked(database, "event_as_read", [file], columns)
    names = ", ".join(f'"{column.name}"' for column in columns if column.name != "at")
    read = database.sql(f"""SELECT make_timestamptz("at") AS "at", {names} FROM event_as_read""")
    yield from read.to_arrow_reader(1 << 20)


def check_subscribers(database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make the view `subscriber_as_read`, in which every row is well formed and nobody is twice."""
    open_checked(database, "subscriber_as_read", files, SUBSCRIBER)
    _refuse_twice(
        database, files, "subscriber", "subscriber_id", "{file}, row {row} repeats a subscriber: each may appear once."
    )


def check_sites(database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make the view `site_as_read`, in which every row is well formed and no site is twice."""
    open_checked(database, "site_as_read", files, SITE_ZONE)
    _refuse_twice(database, files, "site", "site", "{file}, row {row} repeats a site: each may appear once.")


def _refuse_twice(
    database: duckdb.DuckDBPyConnection, files: Sequence[Path], what: str, key: str, sentence: str
) -> None:
    """Refuse a table in which a key has two rows; the rows are looked up only if there are such."""
    if rows(database, f"SELECT count(*) = count(DISTINCT {key}) FROM {what}_as_read")[0][0]:
        return
    twice = f"""SELECT file_number, row_number FROM {what}_as_read
                QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY file_number, row_number) = 2
                ORDER BY 1, 2 LIMIT 1"""
    ((file, row),) = rows(database, twice)
    raise Invalid(sentence, file=files[file], row=row)


def clear(scratch: Path) -> None:
    """Delete a scratch folder, if it is there."""
    shutil.rmtree(scratch, ignore_errors=True)


def read_subscribers(
    database: duckdb.DuckDBPyConnection, files: Sequence[Path], s: Specification, *, are_checked: bool
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int32]]:
    """Return for each subscriber the reference, once each, age band and home zone (position in the key set, or -1).

    are_checked: the files are the event store's table, whose rows were checked at ingestion.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    place = {zone: at for at, zone in enumerate(s.zones)}
    band = {band: at for at, band in enumerate(s.age_bands)}
    no_zone = (
        "{file}, row {row} has a home zone that is neither one of the operator's zones nor an H3 cell."
        if s.geography.code
        else "{file}, row {row} has a home zone that is not an H3 cell."
    )

    def homes(names: list[str]) -> list[int | None]:
        return [None if zone is None else place.get(zone, -1) for zone in s.geography.find(names, s.resolution)]

    if are_checked:
        table = pq.ParquetFile(files[0], read_dictionary=["age_band", "home_zone"]).read()
    else:
        check_subscribers(database, files)
        table = database.sql("SELECT subscriber_id, age_band, home_zone FROM subscriber_as_read").to_arrow_table()
    found = []
    for column, positions, sentence in (
        ("age_band", lambda names: [band.get(name) for name in names], BAND),
        ("home_zone", homes, no_zone),
    ):
        coded: Any = table[column].dictionary_encode().unify_dictionaries().combine_chunks()
        names = coded.dictionary.to_pylist()
        numbers = positions(names)
        if None in numbers:
            check_subscribers(database, files)
            first = f"SELECT file_number, row_number FROM subscriber_as_read WHERE {column} = ? ORDER BY 1, 2 LIMIT 1"
            at, row = database.execute(first, [names[numbers.index(None)]]).fetchall()[0]
            raise Invalid(sentence, file=files[at], row=row)
        found.append(np.array(numbers, np.int32)[coded.indices.to_numpy()])
    return np.asarray(table["subscriber_id"].to_numpy(), np.int64), found[0].astype(np.int16), found[1]


def open_checked(
    database: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], columns: Sequence[Column]
) -> None:
    """Make the view `name` over all `files` with `columns`, file_number and row_number, and check every row."""
    shapes = [(_shape(database, file, columns), number) for number, file in enumerate(files)]
    parts: list[str] = []
    for shape, group in groupby(sorted(shapes), key=lambda item: item[0]):
        parts.append(_select(dict(shape), [(number, files[number]) for _, number in group], columns))
    single = {files[number]: _select(dict(shape), [(number, files[number])], columns) for shape, number in shapes}
    of_lines = [number for number, file in enumerate(files) if file.suffix == ".csv"]
    lines = sum(count_lines(files[number]) - 1 for number in of_lines)
    wanted = [f"count(*) FILTER (list_contains({of_lines}::INT[], file_number))"]
    wanted += [f'count(*) FILTER ("{column.name}" IS NULL)' for column in columns]
    found, *counts = _scan(database, ", ".join(wanted), parts, single)
    if found != lines:
        refuse_line_breaks([files[number] for number in of_lines])
    rows(database, f"CREATE OR REPLACE VIEW {name} AS {' UNION ALL '.join(parts)}")
    for column, count in zip(columns, counts, strict=True):
        if count:
            bad = f'SELECT file_number, row_number FROM {name} WHERE "{column.name}" IS NULL ORDER BY 1, 2 LIMIT 1'
            ((file, row),) = rows(database, bad)
            raise Invalid(column.lacks, file=files[file], row=row)


def _shape(database: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """Return a file's columns and types, in the file's order; refuse missing, unknown and mistyped ones."""
    shape = _columns(database, file)
    names = [name for name, _ in shape]
    known = {column.name: column for column in columns}
    for column in columns:
        if column.name not in names and not column.optional:
            raise Invalid("{file} has no column {column}.", file=file, column=column.name)
    for name, kind in shape:
        if name not in known:
            raise Invalid("{file} has a column {column} that a build does not know.", file=file, column=name or "''")
        if names.count(name) > 1:
            raise Invalid("{file} has the column {column} twice.", file=file, column=name)
        if kind.startswith("TIMESTAMP") and kind != INSTANT:
            raise Invalid(
                "{file}: the column {column} has no time zone; write instants of UTC.", file=file, column=name
            )
        if kind != CSV and _reading(known[name], kind) is None:
            raise Invalid("{file}: the column {column} is of type {kind}.", file=file, column=name, kind=kind)
    return tuple(shape)


def _columns(database: duckdb.DuckDBPyConnection, file: Path) -> list[tuple[str, str]]:
    """Return the columns of a file, with their types for a Parquet file."""
    import duckdb  # noqa: PLC0415

    if file.suffix == ".csv":
        return [(name, CSV) for name in read_header(file)]
    refuse_swollen(file)
    try:
        described = rows(database, f"DESCRIBE SELECT * FROM read_parquet({_text(file)}, hive_partitioning = false)")
    except duckdb.Error:
        raise Invalid("{file} is not a Parquet file that can be read.", file=file) from None
    return refuse_long_texts(database, file, described)


def _reading(column: Column, kind: str) -> str | None:
    """Return the expression that reads a column of this type, None if the column cannot have it."""
    if kind.startswith("DECIMAL"):
        kind = "DOUBLE"
    if kind.startswith("ENUM"):
        return column.types.get(TEXT, "").replace("{c}", "CAST({c} AS VARCHAR)") or None
    if column.name == "kind" and kind in INTEGERS:
        return "coalesce(CAST({c} AS VARCHAR), '')"
    return column.types.get(kind)


def _select(shape: Mapping[str, str], files: Sequence[tuple[int, Path]], columns: Sequence[Column]) -> str:
    """Return the SELECT over files of one shape."""
    values = []
    for column in columns:
        if column.name in shape:
            kind = TEXT if shape[column.name] == CSV else shape[column.name]
            values.append(f'{(_reading(column, kind) or "").replace("{c}", _name(column.name))} AS "{column.name}"')
        else:
            values.append(f"'' AS \"{column.name}\"")
    if CSV in shape.values():
        types = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in shape)
        return " UNION ALL ".join(
            f"""SELECT {", ".join(values)}, {number} AS file_number, row_number() OVER () AS row_number
                FROM read_csv({_text(file)}, columns = {{{types}}}, auto_detect = false, header = true,
                              delim = ',', quote = '"', escape = '"', hive_partitioning = false)"""
            for number, file in files
        )
    numbers = "MAP {" + ", ".join(f"{_text(file)}: {number}" for number, file in files) + "}"
    return f"""SELECT {", ".join(values)}, {numbers}[filename] AS file_number, file_row_number + 1 AS row_number
               FROM read_parquet([{", ".join(_text(file) for _, file in files)}], filename = true,
                                 file_row_number = true, hive_partitioning = false)"""


def _scan(
    database: duckdb.DuckDBPyConnection, wanted: str, parts: Sequence[str], single: Mapping[Path, str]
) -> tuple[int, ...]:
    """Return the row of `SELECT wanted` over all `parts`; if it fails, name the file that cannot be read."""
    import duckdb  # noqa: PLC0415

    try:
        return tuple(rows(database, f"SELECT {wanted} FROM ({' UNION ALL '.join(parts)})")[0])
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        for file, select in single.items():
            try:
                rows(database, f"SELECT {wanted} FROM ({select})")
            except duckdb.Error as error:
                if (line := re.search(r"Line: (\d+)", str(error))) and file.suffix == ".csv":
                    row = int(line[1]) - 1
                    raise Invalid("{file}, row {row} cannot be read as CSV.", file=file, row=row) from None
                raise Invalid("{file} cannot be read: it is damaged or gone.", file=file) from None
        raise


def rows(database: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Run `sql` to its end and return its rows: the engine accepts no other statement before that."""
    return database.execute(sql).fetchall()


def load(database: duckdb.DuckDBPyConnection, table: str, **columns: pa.Array[Any] | pa.ChunkedArray[Any]) -> None:
    """Make a table of Arrow columns, replacing one of that name: a database may be used more than once."""
    import pyarrow as pa  # noqa: PLC0415

    database.register("arriving", pa.table(columns))
    rows(database, f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM arriving")
    database.unregister("arriving")


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
