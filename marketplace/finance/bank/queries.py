"""Queries of the bank for pages, finance and the close: accounts, statements, gaps between them, lines."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.finance.bank.tables import BankAccount, BankLine, BankStatement
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS

SQL: Final = load_statements(__package__)
STATEMENTS_BY: Final = {
    "": "closed_on DESC",
    "oldest": "closed_on, opened_on",
    "closes": "closing_minor DESC",
    "imported": "imported_at DESC",
}
"""The orders of statements."""
LARGEST_ID: Final = 2**63 - 1
OPEN_PAYOUTS: Final = SQL["open_payouts"]
"""SQL of id, amount_minor and at; $1 is the currency of the books."""
KEPT_BY_BANK: Final = SQL["kept_by_bank"]
"""SQL of id, run, at and amount_minor."""
GAPS: Final = SQL["gaps"]
"""SQL for the fields of `Gap`."""


class AccountRow(Struct, frozen=True):
    """One of our bank accounts: its latest statement, its closing balance in cents, and its unexplained lines."""

    iban: str
    closed_on: dt.date
    closing_minor: int
    statement_id: str
    unexplained: int


class StatementLine(Struct, frozen=True):
    """An imported statement as listed; balances in cents, `explained` of its `line_count` lines."""

    id: int
    statement_id: str
    opened_on: dt.date
    closed_on: dt.date
    opening_minor: int
    closing_minor: int
    line_count: int
    imported_at: dt.datetime
    by_name: str | None
    explained: int


class StatementRow(Struct, frozen=True):
    """An imported statement; balances in cents."""

    id: int
    iban: str
    message_id: str
    statement_id: str
    opened_on: dt.date
    closed_on: dt.date
    opening_minor: int
    closing_minor: int
    line_count: int


class Gap(Struct, frozen=True):
    """A statement with a gap before it, and the cents of the gap."""

    iban: str
    statement_id: str
    opened_on: dt.date
    before_id: str
    missing_minor: int


class LineOfStatement(Struct, frozen=True):
    """A line as its statement lists it; `kinds` are those of its explanations, comma-separated."""

    id: int
    reference: str
    booked_on: dt.date
    amount_minor: int
    counterparty: str
    remittance: str
    kinds: str


class LineRow(Struct, frozen=True):
    """A bank line; incoming cents are positive."""

    id: int
    statement: int
    reference: str
    booked_on: dt.date
    value_on: dt.date
    amount_minor: int
    end_to_end_id: str
    transaction_id: str
    counterparty: str
    counterparty_iban: str
    remittance: str
    code: str
    return_reason: str


class MatchRow(Struct, frozen=True):
    """An explanation of a line or a part of it, current or undone; `by_name` is None for the job."""

    id: uuid.UUID
    target_kind: str
    target_id: str
    amount_minor: int
    account: str
    reasons: str
    matched_at: dt.datetime
    undone_at: dt.datetime | None
    by_name: str | None


class WholeLine(Struct, frozen=True):
    """A line with all its explanations, current or undone."""

    line: LineRow
    matches: Sequence[MatchRow]

    @property
    def is_explained(self) -> bool:
        """Return whether a current match explains it."""
        return any(match.undone_at is None for match in self.matches)


class LastDay(Struct, frozen=True):
    """An account with the last day that its statements cover, if any."""

    iban: str
    closed_on: dt.date | None


async def list_accounts() -> list[AccountRow]:
    """Return our bank accounts: latest statement, its closing balance, and the number of unexplained lines."""
    return await fetch_rows(AccountRow, SQL["list_accounts"])


async def list_statements(page: int = 1, iban: str = "", sort: str = "") -> Paged[StatementLine]:
    """Return imported statements in an order of `STATEMENTS_BY`, with their numbers of explained lines.

    iban: narrows to an account's; empty for all.
    """
    return paged(await _list_statements(iban, sort, PAGE_SIZE + 1, offset(page)), page)


async def list_all_statements(iban: str = "", sort: str = "") -> list[StatementLine]:
    """Return the same as `list_statements`, up to `LARGEST_FILE_ROWS` in one list."""
    return await _list_statements(iban, sort, LARGEST_FILE_ROWS, 0)


async def _list_statements(iban: str, sort: str, limit: int, skipped: int) -> list[StatementLine]:
    order = STATEMENTS_BY.get(sort, STATEMENTS_BY[""])
    sql = f"{SQL['statements']} ORDER BY {order}, bank_statement.id DESC LIMIT $2 OFFSET $3"
    return await fetch_rows(StatementLine, sql, iban, limit, skipped)


async def list_gaps(before: dt.date | None = None) -> list[Gap]:
    """Return the gaps between statements; with `before`, only gaps before statements that open on an earlier day."""
    sql = f"SELECT * FROM ({GAPS}) AS gap WHERE $1::date IS NULL OR opened_on < $1 ORDER BY opened_on, iban"
    return await fetch_rows(Gap, sql, before)


async def get_statement(statement_id: int) -> StatementRow:
    """Return one imported statement."""
    by_id = select(StatementRow, BankStatement).where(BankStatement.id == min(statement_id, LARGEST_ID))
    return existing(await fetch_row(StatementRow, by_id), NotFound("There is no such bank statement."))


async def list_lines(statement_id: int, page: int = 1) -> Paged[LineOfStatement]:
    """Return a statement's lines in its order, each with its explanations."""
    rows = await fetch_rows(LineOfStatement, SQL["list_lines"], statement_id, PAGE_SIZE + 1, offset(page))
    return paged(rows, page)


async def get_line(line_id: int) -> WholeLine:
    """Return one bank line with its explanations, current or undone."""
    row = existing(
        await fetch_row(LineRow, select(LineRow, BankLine).where(BankLine.id == min(line_id, LARGEST_ID))),
        NotFound("There is no such bank line."),
    )
    matches = await fetch_rows(
        MatchRow,
        """SELECT bank_match.id, target_kind, target_id, amount_minor, account, reasons, matched_at, undone_at,
                  person.name AS by_name
           FROM bank_match LEFT JOIN person ON person.id = person
           WHERE line = $1 ORDER BY matched_at, bank_match.id""",
        row.id,
    )
    return WholeLine(row, matches)


async def count_accounts() -> int:
    """Return how many bank accounts are ours."""
    return int(await BankAccount.count())


async def list_behind(until: dt.date) -> list[LastDay]:
    """Return the accounts whose statements do not reach the day before `until`."""
    return await fetch_rows(
        LastDay,
        """SELECT bank_account.iban, max(closed_on) AS closed_on FROM bank_account
           LEFT JOIN bank_statement ON bank_statement.iban = bank_account.iban
           GROUP BY bank_account.iban HAVING max(closed_on) IS NULL OR max(closed_on) < $1::date - 1
           ORDER BY bank_account.iban""",
        until,
    )


async def closing_balance() -> int:
    """Return the sum of all accounts' last closing balances, in cents."""
    sql = """SELECT coalesce(sum(closing_minor), 0)::bigint FROM (
                 SELECT DISTINCT ON (iban) closing_minor FROM bank_statement
                 ORDER BY iban, closed_on DESC, opened_on DESC, sequence DESC NULLS LAST, page_of(statement_id) DESC,
                          id DESC) AS last"""
    return await fetch_scalar(int, sql) or 0
