"""Recording what the operator collected, millions of words at once: all of them or, where one is wrong, none.

Rows are copied into a table of the transaction, compared there with lines, purposes and notices, and recorded by one
statement. A word that is recorded already, with its line, purpose, notice, instant and channel, is not recorded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.consent.queries import SQL
from marketplace.consent.rules import BROUGHT, CONTRACT
from marketplace.database import copy_columns, execute, execute_long, fetch_row, fetch_scalar, transaction
from marketplace.errors import Invalid
from marketplace.instants import microseconds
from marketplace.locks import lock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = ("file_number", "row_number", "reference", "purpose", "version", "given", "at_us", "channel")
"""Of a staged word, whole numbers all: its file and row, the line, the purpose's place in a list from 1 or 0 for none
of it, the notice's version, 1 for given and 0 for withdrawn, microseconds since 1970, the channel's place in BROUGHT
from 1."""
SENTENCES = {
    "line": "{file}, row {row} is of a line that is not known here.",
    "purpose": "{file}, row {row} is of a purpose that does not exist.",
    "notice": "{file}, row {row} is of a version of the notice that does not exist.",
    "future": "{file}, row {row} is of an instant in the future.",
    "unpublished": "{file}, row {row} is of a version of the notice that was published after its instant.",
    "ended": "{file}, row {row} gives consent for a line that had ended by then.",
    "kind": "{file}, row {row} gives consent for a child’s line, or by contract for a business or shared one.",
    "outdated": "{file}, row {row} gives consent under a notice that had been replaced by one that asks anew.",
    "twice": "{file}, row {row} contradicts another row: one line, purpose and instant, given and withdrawn.",
}
"""What can be wrong with a row that is well formed."""
SORTED_IN_MEMORY: Final = "64MB"
"""What PostgreSQL may use of memory for each step of comparing words."""
MORE: Final = " Rows that are wrong besides: {more}."


class Recorded(Struct, frozen=True):
    """How many rows a file has, and how many consents and withdrawals were recorded of them; the rest were known."""

    rows: int
    given: int
    withdrawn: int


class WrongRow(Struct, frozen=True):
    """The first row at fault, by file and row, with its fault and how many rows are at fault in all."""

    file_number: int
    row_number: int
    fault: str
    faulty: int


class Counts(Struct, frozen=True):
    """How many words are new, by kind."""

    given: int
    withdrawn: int


async def record_words(
    batches: AsyncIterator[Mapping[str, NDArray[np.int64]]], purposes: Sequence[str], files: Sequence[str]
) -> Recorded:
    """Record the words in `batches` of COLUMNS, and return how many were new; the same again records nothing.

    purposes: the codes that the column `purpose` counts. files: what a refusal calls each file. Refused, with nothing
    recorded: a row that names what is not there, is of the future, or contradicts another.
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
        narrowed = await fetch_scalar(bool, "SELECT EXISTS (SELECT FROM consent_record WHERE covers IS NOT NULL)")
        await execute_long(SQL["record_new_words"], list(purposes), list(BROUGHT), narrowed)
        counts = await fetch_row(Counts, "SELECT given, withdrawn FROM counted") or counts
        await execute("DROP TABLE said, faulty, counted")
        if counts.given or counts.withdrawn:
            new = {"files": len(files), "given": counts.given, "withdrawn": counts.withdrawn}
            await note_action(None, "consents_imported", files[0].rpartition("/")[2] if files else "", after=new)
    return Recorded(rows, counts.given, counts.withdrawn)


async def _refuse_first(files: Sequence[str]) -> None:
    wrong = await fetch_row(WrongRow, SQL["get_first_faulty_word"])
    assert wrong is not None, "a row was found faulty"
    where = {"file": files[wrong.file_number], "row": wrong.row_number}
    raise Invalid(SENTENCES[wrong.fault] + (MORE if wrong.faulty > 1 else ""), **where, more=wrong.faulty - 1)
