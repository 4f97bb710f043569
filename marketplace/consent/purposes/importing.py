"""Recording consents that the operator collected, millions at once: all of them or, if one is wrong, none.

Rows are copied into a table of the transaction, compared there with lines, purposes and notices, and recorded by one
statement. A record that exists already, with its line, purpose, notice, instant and channel, is not added again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.consent.purposes.actions import NotedWord, note_imported
from marketplace.consent.purposes.queries import SQL
from marketplace.consent.purposes.rules import BROUGHT, CONTRACT
from marketplace.consent.purposes.tables import ConsentRecord
from marketplace.core import clock
from marketplace.core.database import (
    copy_columns,
    execute,
    execute_long,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Invalid
from marketplace.core.instants import microseconds
from marketplace.core.locks import lock
from marketplace.core.notes.actions import state_note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = ("file_number", "row_number", "reference", "purpose", "version", "given", "at_us", "channel")
"""Columns of a staged record, all whole numbers: its file and row, the line, the purpose's position in a list from 1,
or 0 if it is not in it, the notice's version, 1 for given and 0 for withdrawn, microseconds since 1970, the channel's
position in BROUGHT from 1."""
SENTENCES = {
    "line": "{file}, row {row} is of a line that is not known here.",
    "purpose": "{file}, row {row} is of a purpose that does not exist.",
    "notice": "{file}, row {row} is of a version of the notice that does not exist.",
    "future": "{file}, row {row} is of an instant in the future.",
    "unpublished": "{file}, row {row} is of a version of the notice that was published after its instant.",
    "ended": "{file}, row {row} gives consent for a line that had ended by then.",
    "kind": "{file}, row {row} gives consent for a child’s line, or by contract for a business or shared one.",
    "outdated": "{file}, row {row} gives consent under a notice that had been replaced by one that asks again.",
    "twice": "{file}, row {row} contradicts another row: one line, purpose and instant, given and withdrawn.",
}
"""The faults that a well-formed row can have."""
SORTED_IN_MEMORY: Final = "64MB"
"""PostgreSQL's memory for each step of comparing records."""
WORDS_A_NOTE: Final = 500
MORE: Final = " Rows that are wrong besides: {more}."


class ImportedConsents(Struct, frozen=True):
    """How many rows a file has, and how many new consents and withdrawals were recorded; the others were known."""

    rows: int
    given: int
    withdrawn: int


class WrongRow(Struct, frozen=True):
    """The first faulty row, by file and row, with its fault and the number of faulty rows."""

    file_number: int
    row_number: int
    fault: str
    faulty: int


class Counts(Struct, frozen=True):
    """How many records are new, by kind."""

    given: int
    withdrawn: int


async def record_words(
    batches: AsyncIterator[Mapping[str, NDArray[np.int64]]], purposes: Sequence[str], files: Sequence[str]
) -> ImportedConsents:
    """Record the rows in `batches` of COLUMNS, and return how many were new; the same again records nothing.

    purposes: the codes that the column `purpose` numbers. files: the names of files in refusals. Refused, with nothing
    recorded: a row with an unknown name, with a future instant, or that contradicts another.
    """
    now, rows, counts = microseconds(clock.now()), 0, Counts(0, 0)
    async with transaction():
        await lock("record words")
        await execute(SQL["stage_words"])
        await execute(SQL["stage_faulty_words"])
        await execute(SQL["stage_counted_words"])
        await execute(f"SET LOCAL work_mem = '{SORTED_IN_MEMORY}'")
        async for batch in batches:
            await copy_columns("said", batch)
            rows += len(batch["row_number"])
        await execute("ANALYZE said")
        if await execute_long(SQL["find_faulty_words"], list(purposes), now, BROUGHT.index(CONTRACT) + 1):
            await _refuse_first(files)
        last = await fetch_scalar(int, "SELECT max(id) FROM consent_record") or 0
        narrowed = await fetch_scalar(bool, "SELECT EXISTS (SELECT FROM consent_record WHERE covers IS NOT NULL)")
        await execute_long(SQL["record_new_words"], list(purposes), list(BROUGHT), narrowed)
        counts = await fetch_row(Counts, "SELECT given, withdrawn FROM counted") or counts
        await execute("DROP TABLE said, faulty, counted")
        if counts.given or counts.withdrawn:
            source = files[0].rpartition("/")[2] if files else ""
            new = {"files": len(files), "given": counts.given, "withdrawn": counts.withdrawn}
            await note_imported(source, clock.now(), **new)
            await _note_withdrawals(last)
    return ImportedConsents(rows, counts.given, counts.withdrawn)


async def _note_withdrawals(last: int) -> None:
    """Note each withdrawal recorded after the number `last`: a file that is imported again gives consents back alone."""
    while True:
        new = select(NotedWord, ConsentRecord).where(ConsentRecord.id > last, ConsentRecord.given == False)  # noqa: E712
        words = await fetch_rows(NotedWord, new.order_by(ConsentRecord.id).limit(WORDS_A_NOTE))
        if not words:
            return
        await state_note("consent", {"words": words})
        receipt = words[-1].receipt
        last = (
            await fetch_scalar(int, ConsentRecord.select(ConsentRecord.id).where(ConsentRecord.receipt == receipt)) or 0
        )


async def _refuse_first(files: Sequence[str]) -> None:
    wrong = await fetch_row(WrongRow, SQL["get_first_faulty_word"])
    assert wrong is not None, "a row was found faulty"
    where = {"file": files[wrong.file_number], "row": wrong.row_number}
    raise Invalid(SENTENCES[wrong.fault] + (MORE if wrong.faulty > 1 else ""), **where, more=wrong.faulty - 1)
