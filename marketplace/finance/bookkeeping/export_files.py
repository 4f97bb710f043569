"""The books as files: a FEC for the tax inspector, beancount and hledger for anyone who wants to check us with other tools.

Someone asks, a job writes: one snapshot of the books, one statement, a line at a time. A format may check its file:
one with a fault is not handed out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from marketplace.core import clock, object_store
from marketplace.core.database import transaction
from marketplace.core.errors import Invalid, NotFound, existing
from marketplace.core.working_folders import working_folder
from marketplace.finance.bookkeeping.exports.format import Days, ExportWriter
from marketplace.finance.bookkeeping.exports.registry import EXPORT_FORMATS
from marketplace.finance.bookkeeping.queries import WaitingExport, count_lines, find_file_name, find_waiting
from marketplace.finance.bookkeeping.tables import ExportFile
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import AsyncIterator

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

CHUNK_BYTES, REPORT_EVERY_SECONDS = 2**20, 0.5


async def request_export(
    export: uuid.UUID, actor: Actor, *, file_format: str, first_day: dt.date, last_day: dt.date
) -> None:
    """Ask for a file of the books from one day to another, both included; the same `export` again is the same file.

    Refuses a format that there is not, days in the wrong order, and days that the format has no file of.
    """
    if file_format not in EXPORT_FORMATS:
        raise Invalid("There is no such format.")
    if last_day < first_day:
        raise Invalid("The last day must not be before the first.")
    days, check_days = Days(first_day, last_day), EXPORT_FORMATS[file_format].check_days
    if check_days:
        check_days(days)
    async with transaction():
        if await ExportFile.exists().where(ExportFile.id == export):
            return
        row = ExportFile(
            id=export,
            format=file_format,
            first_day=first_day,
            last_day=last_day,
            person=actor.person,
            requested_at=clock.now(),
            lines_expected=await count_lines(*days.bounds),
        )
        made = await ExportFile.insert(row).on_conflict(action="DO NOTHING").returning(ExportFile.id)
        if made:
            noted = {"format": file_format, "first_day": first_day, "last_day": last_day}
            await note_action(actor, "export_books", export, after=noted)


async def write_exports() -> int:
    """Write the files that are waited for; a job. Return how many, those that failed their check included."""
    written = 0
    while row := await find_waiting():
        await _write(row)
        written += 1
    return written


async def _write(row: WaitingExport) -> None:
    file_format, days = EXPORT_FORMATS[row.format], Days(row.first_day, row.last_day)
    name = file_format.name_of(days)
    with working_folder() as folder:
        path = folder / name
        with path.open("wb") as file:
            out = ExportWriter(file, file_format.encoding, line_ending=file_format.line_ending)
            reporting = asyncio.create_task(_report_progress(row.id, out))
            fault = None
            try:
                await file_format.write(out, days)
            except Invalid as refusal:  # a setting that cannot be: the file says so, and others are written
                fault = str(refusal)
            finally:
                reporting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reporting
        find_fault = file_format.find_fault
        if fault is None and find_fault:
            fault = await asyncio.to_thread(find_fault, path, days)
        if fault is None:
            await object_store.put(_key(row.id), path)
    done: Values = {
        ExportFile.state: "failed" if fault else "done",
        ExportFile.lines_written: out.lines,
        ExportFile.file_name: name,
        ExportFile.sha256: out.digest.hexdigest(),
        ExportFile.fault: fault,
        ExportFile.done_at: clock.now(),
    }
    await ExportFile.update(done).where(ExportFile.id == row.id)


async def _report_progress(export: uuid.UUID, out: ExportWriter) -> None:
    """Save how far a file has come, while it is written."""
    while True:
        await asyncio.sleep(REPORT_EVERY_SECONDS)
        progress: Values = {ExportFile.lines_written: out.lines}
        await ExportFile.update(progress).where(ExportFile.id == export)


def _key(export: uuid.UUID) -> str:
    return f"{object_store.PRIVATE}exports/{export}"


async def open_export(export: uuid.UUID) -> tuple[str, int, AsyncIterator[bytes]]:
    """Return a finished file's name, its size in bytes, and its bytes, a piece at a time; refuses NotFound."""
    name = existing(await find_file_name(export), NotFound("There is no such file, or not yet."))
    size = await object_store.size(_key(export))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, CHUNK_BYTES):
            yield await object_store.get_range(_key(export), start, min(start + CHUNK_BYTES, size))

    return name, size, pieces()
