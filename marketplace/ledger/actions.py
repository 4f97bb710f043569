"""Recording in the books: an entry joins the transaction of the business change it records, and is written once.

A posting is (debit, credit, amount > 0), so no entry can be out of balance; a correction is a new entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from marketplace import clock
from marketplace.database import execute, fetch, fetch_value
from marketplace.errors import Conflict, Invalid
from marketplace.ledger.chart import TITLES
from marketplace.ledger.periods import closed_until
from marketplace.web.formats import date

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence


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
    currency: str = "EUR"
    late: bool = False
    """The fact may have come too late for its own month: then it is entered at the first instant still open."""

    def moves(self) -> list[tuple[str, str, int]]:
        """Return the postings that move something; refuse a negative amount and an entry that moves nothing."""
        if any(amount < 0 for _, _, amount in self.postings):
            raise Invalid(
                "The entry {kind} {source_id} has a negative amount.", kind=self.kind, source_id=self.source_id
            )
        moved = [posting for posting in self.postings if posting[2]]
        if not moved:
            raise Invalid("The entry {kind} {source_id} moves nothing.", kind=self.kind, source_id=self.source_id)
        return moved


async def record(
    kind: str, source_id: str | uuid.UUID | int, *, at: dt.datetime, text: str,
    postings: Sequence[tuple[str, str, int]], currency: str = "EUR", late: bool = False,
) -> bool:  # fmt: skip
    """Record one fact; False when it was recorded before. Zero amounts are dropped, negative ones refused."""
    return bool(await record_all([Entry(kind, str(source_id), at, text, postings, currency, late)]))


async def record_all(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Record many facts in one statement and return (kind, source_id) of those that were not recorded before.

    A fact dated in a closed period is refused, unless it is `late`: then the text says its own day.
    """
    moves = [(entry.kind, entry.source_id, *posting) for entry in entries for posting in entry.moves()]
    rows = await _write(
        """
        WITH closed AS MATERIALIZED (SELECT max(ends_at) AS until FROM period), new AS (
            INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
            SELECT kind, source_id, CASE WHEN late THEN greatest(at, until) ELSE at END, $1, currency,
                   CASE WHEN late AND at < until
                        THEN text || to_char(at AT TIME ZONE 'Europe/Paris', ' (YYYY-MM-DD)') ELSE text END
            FROM closed, unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $12::boolean[])
                 AS given (kind, source_id, at, currency, text, late)
            ORDER BY kind, source_id
            ON CONFLICT (kind, source_id) DO NOTHING
            RETURNING id, kind, source_id
        ), posted AS (
            INSERT INTO posting (entry, debit, credit, amount_minor)
            SELECT new.id, move.debit, move.credit, move.amount_minor
            FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[]) WITH ORDINALITY
                 AS move (kind, source_id, debit, credit, amount_minor, position)
            JOIN new USING (kind, source_id)
            ORDER BY new.id, move.position
        )
        SELECT kind, source_id FROM new
        """,
        clock.now(),
        *_columns([(entry.kind, entry.source_id, entry.at, entry.currency, entry.text) for entry in entries], 5),
        *_columns(moves, 5),
        [entry.late for entry in entries],
    )
    return {(row["kind"], row["source_id"]) for row in rows}


async def reverse_all(sources: Sequence[tuple[str, str]], *, text: str) -> int:
    """Take entries back, each by a new entry that points to it and moves the same the other way; return how many.

    sources: (kind, source id) of what was recorded. A new one bears the day of what it takes back, so that a month that
    is still open shows neither; where that month is closed, the first instant still open.
    """
    rows = await _write(
        """
        WITH wanted AS MATERIALIZED (
            SELECT journal_entry.id, greatest(at, (SELECT max(ends_at) FROM period)) AS at, currency FROM journal_entry
            JOIN unnest($1::text[], $2::text[]) AS given (kind, source_id) USING (kind, source_id)
            WHERE kind <> 'reversal'
        ), new AS (
            INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text, reverses)
            SELECT 'reversal', wanted.id::text, at, $3, currency, $4, wanted.id FROM wanted ORDER BY wanted.id
            ON CONFLICT (kind, source_id) DO NOTHING
            RETURNING id, reverses
        ), posted AS (
            INSERT INTO posting (entry, debit, credit, amount_minor)
            SELECT new.id, posting.credit, posting.debit, posting.amount_minor
            FROM new JOIN posting ON posting.entry = new.reverses ORDER BY new.id, posting.id
        )
        SELECT id FROM new
        """,
        [kind for kind, _ in sources], [source for _, source in sources], clock.now(), text,
    )  # fmt: skip
    return len(rows)


async def reverse(entry_id: int, *, text: str) -> int:
    """Take one entry back and return the new entry's id; refuse one that was, or that takes another back."""
    entry = await fetch("SELECT kind, source_id FROM journal_entry WHERE id = $1", entry_id)
    if not entry or not await reverse_all([(entry[0]["kind"], entry[0]["source_id"])], text=text):
        raise Conflict("That entry cannot be taken back, or was already.")
    made: int = await fetch_value("SELECT id FROM journal_entry WHERE reverses = $1", entry_id)
    return made


async def _write(sql: str, *values: object) -> list[asyncpg.Record]:
    """Run what writes entries; say it in words when the period they are dated in is closed."""
    try:
        return await fetch(sql, *values)
    except asyncpg.RestrictViolationError as refusal:
        if getattr(refusal, "constraint_name", "") != "period_is_open":
            raise
    until = await _closed_day()
    raise Conflict("The books are closed until {day}: an entry dated before it is refused.", day=until)


async def _closed_day() -> str:
    """Return the day the open books begin with; a refused statement leaves its transaction unable to say."""
    try:
        until = await closed_until()
    except asyncpg.InFailedSQLTransactionError:
        until = None
    return date(until) if until else "…"


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]


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
