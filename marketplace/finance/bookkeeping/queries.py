"""What pages and the writing job read of exports; the statements of the books as lines of text."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.statements import load_statements
from marketplace.finance.bookkeeping.tables import ExportFile

SQL: Final = load_statements(__package__)
SHOWN: Final = 25


class ExportRow(Struct, frozen=True):
    """A file that somebody asked for, both days included; `name` is the person's."""

    id: uuid.UUID
    format: str
    first_day: dt.date
    last_day: dt.date
    requested_at: dt.datetime
    state: str
    lines_expected: int
    lines_written: int
    file_name: str
    fault: str | None
    name: str


class WaitingExport(Struct, frozen=True):
    """A file that is to be written, both days included."""

    id: uuid.UUID
    format: str
    first_day: dt.date
    last_day: dt.date


async def list_exports() -> list[ExportRow]:
    """Return the last exports that were asked for, the latest first, with the person who asked."""
    return await fetch_rows(
        ExportRow,
        """SELECT export_file.id, format, first_day, last_day, requested_at, state, lines_expected, lines_written, file_name,
                  fault, person.name
           FROM export_file JOIN person ON person.id = export_file.person
           ORDER BY requested_at DESC, export_file.id LIMIT $1""",
        SHOWN,
    )


async def find_waiting() -> WaitingExport | None:
    """Return the file that waits longest to be written."""
    waiting = select(WaitingExport, ExportFile).where(ExportFile.state == "waiting")
    return await fetch_row(WaitingExport, waiting.order_by(ExportFile.requested_at, ExportFile.id).limit(1))


async def find_file_name(export: uuid.UUID) -> str | None:
    """Return the name of a finished file."""
    done = (ExportFile.id == export, ExportFile.state == "done")
    return await fetch_scalar(str, ExportFile.select(ExportFile.file_name).where(*done))


async def count_lines(starts_at: dt.datetime, ends_at: dt.datetime) -> int:
    """Return about how many lines a file from `starts_at` until `ends_at` (excluded) will have: two a posting."""
    sql = """SELECT count(*) * 2 FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
             WHERE at >= $1::timestamptz AND at < $2::timestamptz"""
    return await fetch_scalar(int, sql, starts_at, ends_at) or 0
