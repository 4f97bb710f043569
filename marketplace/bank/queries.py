"""What pages and the close read of the bank: accounts, statements, what is missing between them, lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

GAPS = """
SELECT iban, statement_id, opened_on, opening_minor, sequence, before_id, before_closing_minor, before_sequence,
       opening_minor - before_closing_minor AS missing_minor
FROM (
    SELECT iban, statement_id, opened_on, closed_on, opening_minor, sequence, id,
           lag(statement_id) OVER told AS before_id, lag(closing_minor) OVER told AS before_closing_minor,
           lag(sequence) OVER told AS before_sequence
    FROM bank_statement WINDOW told AS (PARTITION BY iban ORDER BY closed_on, opened_on, sequence, id)
) AS told
WHERE before_id IS NOT NULL AND (opening_minor <> before_closing_minor OR sequence > before_sequence + 1)
"""
"""SQL: statements that do not begin where the one before ended, or whose number skips some."""


async def list_accounts() -> list[asyncpg.Record]:
    """Return our bank accounts: latest statement, its closing balance, and how many lines nobody has explained."""
    return await fetch(
        """SELECT bank_account.iban, last.closed_on, last.closing_minor, last.statement_id,
                  (SELECT count(*) FROM bank_line WHERE bank_line.iban = bank_account.iban AND NOT EXISTS (
                       SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)) AS unexplained
           FROM bank_account JOIN LATERAL (
               SELECT * FROM bank_statement WHERE bank_statement.iban = bank_account.iban
               ORDER BY closed_on DESC, opened_on DESC, sequence DESC NULLS LAST, id DESC LIMIT 1
           ) AS last ON true ORDER BY bank_account.iban"""
    )


async def list_statements(page: int = 1) -> Paged[Any]:
    """Return imported statements, newest first, with how many of their lines are explained."""
    rows = await fetch(
        """SELECT bank_statement.*, person.name AS by_name, (
               SELECT count(*) FROM bank_line WHERE statement = bank_statement.id AND EXISTS (
                   SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)) AS explained
           FROM bank_statement LEFT JOIN person ON person.id = imported_by
           ORDER BY closed_on DESC, bank_statement.id DESC LIMIT $1 OFFSET $2""",
        PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def list_gaps() -> list[asyncpg.Record]:
    """Return what is missing between statements."""
    return await fetch(GAPS + " ORDER BY opened_on, iban")


async def get_statement(statement_id: int) -> asyncpg.Record:
    """Return one imported statement."""
    row = await fetch_one("SELECT * FROM bank_statement WHERE id = $1", min(statement_id, 2**63 - 1))
    if row is None:
        raise NotFound("There is no such bank statement.")
    return row


async def list_lines(statement_id: int, page: int = 1) -> Paged[Any]:
    """Return a statement's lines in its order, each with what explains it."""
    rows = await fetch(
        """SELECT bank_line.*, coalesce(string_agg(target_kind, ',' ORDER BY bank_match.amount_minor, bank_match.id), '') AS kinds
           FROM bank_line LEFT JOIN bank_match ON line = bank_line.id AND undone_at IS NULL
           WHERE statement = $1 GROUP BY bank_line.id ORDER BY bank_line.id LIMIT $2 OFFSET $3""",
        statement_id, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def get_line(line_id: int) -> dict[str, Any]:
    """Return one bank line with what explains it, live or undone, and its entries' sources."""
    row = await fetch_one("SELECT * FROM bank_line WHERE id = $1", min(line_id, 2**63 - 1))
    if row is None:
        raise NotFound("There is no such bank line.")
    matches: Sequence[asyncpg.Record] = await fetch(
        """SELECT bank_match.*, person.name AS by_name FROM bank_match LEFT JOIN person ON person.id = person
           WHERE line = $1 ORDER BY matched_at, bank_match.id""",
        row["id"],
    )
    return {**row, "matches": matches, "is_explained": any(match["undone_at"] is None for match in matches)}
