"""Recording in the books: an entry joins the transaction of the business change it records, and is written once.

A posting is (debit, credit, amount > 0), so no entry can be out of balance; a correction is a new entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncpg
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, select
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.formats import paris_day
from marketplace.money.ledger.chart import TITLES
from marketplace.money.ledger.entry_kinds import check_moves
from marketplace.money.ledger.periods import closed_until
from marketplace.money.ledger.queries import SQL, find_reversal
from marketplace.money.ledger.tables import JournalEntry
from pricing.money import EUR

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence


Row = TypeVar("Row", bound=Struct)


class Unsummed(Struct, frozen=True):
    """An entry that is in no sum yet."""

    entry: int


class RecordedFact(Struct, frozen=True):
    """The fact that an entry records."""

    kind: str
    source_id: str


class Reversal(Struct, frozen=True):
    """A new entry that reverses another."""

    id: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One business fact about to be recorded."""

    kind: str
    source_id: str
    at: dt.datetime
    """When the fact happened."""
    text: str
    postings: Sequence[tuple[str, str, int]]
    """Debit account, credit account, amount in cents."""
    currency: str = EUR
    late: bool = False
    """The fact may have come too late for its own month: then it is entered at the first instant still open."""

    def moves(self) -> list[tuple[str, str, int]]:
        """Return the postings that move something.

        Refuses a negative amount and an entry that moves nothing; fails on a kind of entry that is not registered and
        on accounts that its kind does not move.
        """
        if any(amount < 0 for _, _, amount in self.postings):
            raise Invalid(
                "The entry {kind} {source_id} has a negative amount.", kind=self.kind, source_id=self.source_id
            )
        moved = [posting for posting in self.postings if posting[2]]
        check_moves(self.kind, [(debit, credit) for debit, credit, _ in moved])
        if not moved:
            raise Invalid("The entry {kind} {source_id} moves nothing.", kind=self.kind, source_id=self.source_id)
        return moved


async def record(
    kind: str,
    source_id: str | uuid.UUID | int,
    *,
    at: dt.datetime,
    text: str,
    postings: Sequence[tuple[str, str, int]],
    currency: str = EUR,
    late: bool = False,
) -> bool:
    """Record one fact; False when it was recorded before. Zero amounts are dropped, negative ones refused."""
    return bool(await record_all([Entry(kind, str(source_id), at, text, postings, currency, late)]))


async def record_all(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Record many facts in one statement and return (kind, source_id) of those that were not recorded before.

    A fact dated in a closed period is refused, unless it is `late`: then the text says its own day.
    """
    moves = [(entry.kind, entry.source_id, *posting) for entry in entries for posting in entry.moves()]
    rows = await _write(
        RecordedFact,
        SQL["record_entries"],
        clock.now(),
        *_columns([(entry.kind, entry.source_id, entry.at, entry.currency, entry.text) for entry in entries], 5),
        *_columns(moves, 5),
        [entry.late for entry in entries],
    )
    return {(row.kind, row.source_id) for row in rows}


async def reverse_all(sources: Sequence[tuple[str, str]], *, text: str) -> int:
    """Reverse entries, each by a new one that points to it and moves the same the other way; return how many.

    sources: (kind, source id) of what was recorded. A new entry bears the day of the one it reverses, so that a month
    that is still open shows neither; where that month is closed, the first instant still open.
    """
    kinds, source_ids = [kind for kind, _ in sources], [source for _, source in sources]
    return len(await _write(Reversal, SQL["reverse_entries"], kinds, source_ids, clock.now(), text))


async def reverse(entry_id: int, *, text: str) -> int:
    """Reverse one entry and return the new entry's id; refuse one that was reversed, or that reverses another."""
    entry = await fetch_row(RecordedFact, select(RecordedFact, JournalEntry).where(JournalEntry.id == entry_id))
    if entry is None or not await reverse_all([(entry.kind, entry.source_id)], text=text):
        raise Conflict("That entry cannot be reversed, or was already.")
    made = await find_reversal(entry_id)
    assert made is not None
    return made


async def _write(row: type[Row], sql: str, *values: object) -> list[Row]:
    """Run a statement that writes entries; refuse in words an entry dated in a closed period."""
    try:
        return await fetch_rows(row, sql, *values)
    except asyncpg.RestrictViolationError as refusal:
        if getattr(refusal, "constraint_name", "") != "period_is_open":
            raise
    until = await _closed_day()
    raise Conflict("The books are closed until {day}: an entry dated before it is refused.", day=until)


async def _closed_day() -> dt.date | str:
    """Return the day the open books begin with; a refused statement leaves its transaction unable to say."""
    try:
        until = await closed_until()
    except asyncpg.InFailedSQLTransactionError:
        until = None
    return paris_day(until) if until else "…"


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]


async def fold_day_sums() -> int:
    """Add together the rows that postings left in the sums of a day and an account; return how many sums. A job."""
    return await execute(SQL["fold_day_sums"])


async def write_chart() -> None:
    """Open the accounts of the chart that the books lack, and update titles that changed. Run by every `migrate`."""
    await execute(
        """INSERT INTO account AS old (code, title_fr, title_en) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
           ON CONFLICT (code) DO UPDATE SET title_fr = excluded.title_fr, title_en = excluded.title_en
           WHERE (old.title_fr, old.title_en) <> (excluded.title_fr, excluded.title_en)""",
        list(TITLES),
        [french for french, _ in TITLES.values()],
        [english for _, english in TITLES.values()],
    )


async def claim_unsummed(most: int) -> list[int]:
    """Return at most `most` entries that are in no sum yet, and claim them in the caller's transaction, which sums them.

    They wait until it commits, so that each is summed once though a process is killed.
    """
    claimed = await fetch_rows(Unsummed, SQL["claim_unsummed"], most)
    return [row.entry for row in claimed]
