"""Files of consents that the operator collected, CSV or Parquet: all rows are checked, then all are recorded, or none.

Malformed rows are refused here, by file and row; `consent` refuses rows with an unknown line, purpose or notice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.consent.purposes.importing import COLUMNS, ImportedConsents, record_words
from marketplace.consent.purposes.queries import list_purposes
from marketplace.consent.purposes.rules import BROUGHT
from marketplace.core.errors import Conflict
from marketplace.core.locks import exclusive
from marketplace.core.progress import WAITING, no_progress
from marketplace.core.settings import settings
from marketplace.datasets.builds import input_files
from marketplace.datasets.builds.input_files import EVENT, INTEGERS, NAME, TEXT, Column

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress

ROWS: Final = 1 << 20
"""Rows per read."""
_SUBSCRIBER, _AT = EVENT[:2]
_VERSION: Final = "CASE WHEN TRY_CAST({c} AS INTEGER) > 0 THEN TRY_CAST({c} AS BIGINT) END"
_CHANNELS: Final = ", ".join(f"'{channel}'" for channel in BROUGHT)
CONSENT: Final = (
    Column("reference", _SUBSCRIBER.types, "{file}, row {row} has no line: a whole number, not negative, is needed."),
    Column("purpose", {TEXT: NAME}, "{file}, row {row} has no purpose."),
    Column(
        "notice_version",
        dict.fromkeys(INTEGERS, _VERSION) | {TEXT: f"CASE WHEN regexp_full_match({{c}}, '\\d+') THEN {_VERSION} END"},
        "{file}, row {row} has no version of a notice: a whole number from 1 is needed.",
    ),
    Column(
        "word",
        {TEXT: "CASE {c} WHEN 'given' THEN 1 WHEN 'withdrawn' THEN 0 END"},
        "{file}, row {row} says neither given nor withdrawn.",
    ),
    _AT,
    Column(
        "channel",
        {TEXT: f"nullif(list_position([{_CHANNELS}], {{c}}), 0)"},
        "{file}, row {row} has no known channel: app, site, shop, call_centre, letter or contract.",
    ),
)
"""`word` is 1 for given and 0 for withdrawn, `at` is in microseconds, `channel` is its place in BROUGHT, from 1."""
READ: Final = """
    SELECT file_number::BIGINT AS file_number, row_number::BIGINT AS row_number, reference::BIGINT AS reference, purpose,
           notice_version::BIGINT AS version, word::BIGINT AS given, "at"::BIGINT AS at_us, channel::BIGINT AS channel
    FROM consent_as_read"""


async def import_consents(address: str, progress: ReportProgress | None = None) -> ImportedConsents:
    """Record the consents and withdrawals in the files at `address`, and return how many were new.

    address: a file, a folder, or a bucket's. The same files again record nothing. Refuses, with nothing recorded, a
    file that cannot be read and a row that is malformed, names something unknown or contradicts another, by file and
    row.
    """
    report = progress or no_progress
    scratch = settings().state / "consents"
    async with exclusive("import consents", on_wait=lambda: report(WAITING, 0.0)):
        try:
            report("looking for files", 0.0)
            files = await asyncio.to_thread(input_files.gather, address, scratch, "consents")
            purposes = [purpose.code for purpose in await list_purposes()]
            batches = _batches(files, scratch, purposes, report)
            return await record_words(batches, purposes, [str(file) for file in files])
        except OSError as error:
            if error.errno in input_files.DISK_FULL:
                raise Conflict("The disk is full: make room, then run it again.") from None
            raise
        finally:
            input_files.clear(scratch)


async def _batches(
    files: list[Path], scratch: Path, purposes: list[str], report: ReportProgress
) -> AsyncIterator[Mapping[str, NDArray[np.int64]]]:
    """Yield the rows of the files as `record_words` needs them; a thread reads them."""
    numbers = {code: number for number, code in enumerate(purposes, 1)}
    rows = _stream(files, scratch)
    report("checking rows", 0.0)
    while (batch := await asyncio.to_thread(next, rows, None)) is not None:
        report("recording", 0.5)
        yield {name: _purposes(batch, numbers) if name == "purpose" else _whole(batch, name) for name in COLUMNS}


def _stream(files: list[Path], scratch: Path) -> Iterator[pa.RecordBatch]:
    database = input_files.scratch_database(scratch)
    try:
        input_files.open_checked(database, "consent_as_read", files, CONSENT)
        yield from database.sql(READ).to_arrow_reader(ROWS)
    finally:
        database.close()


def _whole(batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


def _purposes(batch: pa.RecordBatch, numbers: Mapping[str, int]) -> NDArray[np.int64]:
    """Return each row's purpose as its place in the list, 0 if it is not in the list."""
    coded = batch.column("purpose").dictionary_encode()
    known = np.array([numbers.get(str(code), 0) for code in coded.dictionary.to_pylist()], np.int64)
    return known[coded.indices.to_numpy()] if len(known) else np.empty(0, np.int64)
