"""What can be done about delivery: open a download for an entitled partner, and record that it was made.

Only a release's sealed cells are reached, through `object_store.public_object`. The CSV is derived from them once, always the
same bytes, and kept beside them.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from marketplace import clock, object_store
from marketplace.database import execute, fetch_row, transaction
from marketplace.delivery import rules
from marketplace.delivery.queries import SQL, get_entitlement
from marketplace.delivery.rules import Validity
from marketplace.errors import NotFound
from marketplace.locks import lock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pyarrow as pa
    from _typeshed import ReadableBuffer as Buffer

CHUNK_BYTES = 1 << 20
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a partner may fetch now."""

    entitlement: uuid.UUID
    format: str
    key: str
    byte_count: int
    name: str
    tag: str
    modified: str
    sha256: str
    """Hex, of the file itself; empty for a derived one."""


async def open_download(partner: uuid.UUID, entitlement: uuid.UUID, file_format: str) -> Download:
    """Return what an entitlement opens now, making the CSV when nobody has yet.

    Refusals: another partner's entitlement, one that ended or was revoked, an unknown format.
    """
    now = clock.now()
    rules.check_format(file_format)
    row = await get_entitlement(partner, entitlement)
    rules.check_is_valid(row, now)
    key = object_store.public_object(
        object_store.edition_key(row.release, row.level) if row.level else object_store.cells_key(row.release)
    )
    if file_format == "csv":
        key = await _csv_of(key)
    return Download(
        entitlement=entitlement,
        format=file_format,
        key=key,
        byte_count=await object_store.size(key),
        name=rules.file_name(
            row.dataset, row.period_from, row.period_to, row.level, file_format, time_zone=row.time_zone
        ),
        tag=rules.entity_tag(row.cells_sha256, file_format),
        modified=rules.http_date(row.sealed_at),
        sha256=row.cells_sha256 if file_format == "parquet" else "",
    )


async def record_download(download: Download, *, is_part: bool) -> None:
    """Record a download, and refuse it when the entitlement ended meanwhile.

    The parts of one file, fetched side by side or one after another within a day, are one download.
    """
    async with transaction():
        await lock(f"download {download.entitlement}")
        await execute(
            "SELECT FROM licence WHERE id = (SELECT licence FROM entitlement WHERE id = $1) FOR SHARE",
            download.entitlement,
        )
        now = clock.now()  # Once nobody can revoke the licence: what is recorded happened within the entitlement.
        validity = await fetch_row(Validity, SQL["get_validity"], download.entitlement)
        assert validity
        rules.check_is_valid(validity, now)
        since = now - rules.PARTS_ARE_ONE_DOWNLOAD_FOR
        values = (download.format, download.byte_count, now, is_part, since)
        await execute(SQL["record_download"], uuid.uuid4(), download.entitlement, *values)


async def read(download: Download, part: rules.Part) -> AsyncIterator[bytes]:
    """Yield a part of a file in chunks of a mebibyte at most."""
    for start in range(part.start, part.end, CHUNK_BYTES):
        yield await object_store.get_range(download.key, start, min(start + CHUNK_BYTES, part.end))


async def _csv_of(cells_key: str) -> str:
    """Return where the CSV of sealed cells lies, writing it there first when it is missing."""
    key = object_store.public_object(cells_key.removesuffix("parquet") + "csv")
    try:
        await object_store.size(key)
    except NotFound:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cells.csv"
            await asyncio.to_thread(_write_csv, cells_key, path)
            await object_store.put(key, path)
    return key


def _write_csv(cells_key: str, path: Path) -> None:
    """Write the rows of a Parquet object as CSV, a batch at a time: text quoted, instants to the second in UTC.

    Source: RFC 4180, whose lines end in CR LF.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pacsv  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(cells_key), mode="r")) as cells:
        schema = _as_text(cells.schema_arrow.empty_table()).schema
        with path.open("wb") as file, pacsv.CSVWriter(cast("IO[bytes]", _EndingLines(file)), schema) as csv:
            for batch in cells.iter_batches(ROWS_AT_ONCE):
                csv.write_table(_as_text(pa.Table.from_batches([batch])))


class _EndingLines(io.RawIOBase):
    """A file in which every line ends in CR LF, as RFC 4180 has it and pyarrow's writer has not."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to `file`."""
        super().__init__()
        self.file = file

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Buffer) -> int:
        """Write `data` and return how many bytes of it were written."""
        self.file.write(bytes(data).replace(b"\n", b"\r\n"))
        return len(memoryview(data))


def _as_text(table: pa.Table) -> pa.Table:
    """Return the cells with instants as text, and with segments that no spreadsheet takes for a formula."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    column = table.schema.get_field_index("starts_at")
    instants: Any = table["starts_at"].cast(pa.timestamp("s"))
    instants = pc.strftime(instants, format="%Y-%m-%dT%H:%M:%SZ")
    table = table.set_column(column, "starts_at", instants)
    harmless = pc.replace_substring_regex(table["segment"], pattern=rules.FORMULA, replacement=r"'\1")
    return table.set_column(table.schema.get_field_index("segment"), "segment", harmless)
