"""Recording in the books: an entry joins the transaction of the business change it records, and is written once.

A posting is (debit, credit, amount > 0), so no entry can be out of balance; a correction is a new entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import fetch
from marketplace.errors import Invalid

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
    postings: Sequence[tuple[str, str, int]], currency: str = "EUR",
) -> bool:  # fmt: skip
    """Record one fact; False when it was recorded before. Zero amounts are dropped, negative ones refused."""
    return bool(await record_all([Entry(kind, str(source_id), at, text, postings, currency)]))


async def record_all(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Record many facts in one statement and return (kind, source_id) of those that were not recorded before."""
    moves = [(entry.kind, entry.source_id, *posting) for entry in entries for posting in entry.moves()]
    rows = await fetch(
        """
        WITH new AS (
            INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
            SELECT kind, source_id, at, $1, currency, text
            FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
                 AS given (kind, source_id, at, currency, text)
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
    )
    return {(row["kind"], row["source_id"]) for row in rows}


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]
