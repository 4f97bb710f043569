"""The bank's side: statements imported once and whole, each line posted against the suspense account at once.

The bank account in the books is thus the bank's own balance from the first moment, and all unexplained amounts are in
one account, which must be empty for a month to close.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.formats import PARIS
from marketplace.finance.bank.camt import Line, Statement, read_file
from marketplace.finance.bank.queries import SQL
from marketplace.finance.bank.tables import BankAccount, BankStatement
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record, record_all
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    import uuid

LARGEST_FILE_BYTES = 20_000_000
BANK_LOCK = "bank statements"
BATCH_SIZE = 500
"""How many lines are emptied at a time."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import."""

    statements: int
    lines: int
    known: int
    """Statements that had been imported before; nothing was written again."""
    iban: str
    announced: int | None = None
    """New movements of a notification; None if the file was none."""


class ImportedLine(Struct, frozen=True):
    """A line imported before, with its statement."""

    reference: str
    amount_minor: int
    booked_on: dt.date
    statement_id: str


class SameNumber(Struct, frozen=True):
    """How many statements have a number, and how many of these have the same figures."""

    same_figures: int
    in_all: int


class WrittenLine(Struct, frozen=True):
    """A line just written."""

    id: int
    reference: str
    booked_on: dt.date
    amount_minor: int


def day_in_books(day: dt.date) -> dt.datetime:
    """Return the instant of a line of that day: its first in Paris."""
    return dt.datetime.combine(day, dt.time(), PARIS).astimezone(dt.UTC)


async def import_bank_statement(data: bytes, *, person: uuid.UUID | None, new_account: bool = False) -> ImportResult:
    """Import a camt.053 file whole, once; otherwise refuse it in one sentence and write nothing.

    A repeated file or statement changes nothing, even under another message number. `new_account` confirms that an
    unknown IBAN is ours; the account that pays subscribers is known as ours.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise Invalid("The file is larger than {limit} MB.", limit=LARGEST_FILE_BYTES // 1_000_000)
    return await import_statements(await read_file(data), data, person=person, new_account=new_account)


async def import_statements(
    statements: list[Statement], data: bytes, *, person: uuid.UUID | None, new_account: bool
) -> ImportResult:
    """Import the statements read from a file of any format; see `import_bank_statement`."""
    digest = hashlib.sha256(data).hexdigest()
    async with transaction():
        await lock(BANK_LOCK)
        lines = known = 0
        for statement in statements:
            await _know_account(statement, person, is_new=new_account)
            if await _is_known(statement):
                known += 1
            else:
                lines += await _write(statement, person, digest)
        imported = ImportResult(len(statements) - known, lines, known, statements[0].iban)
        if imported.statements:
            await note_action(
                person,
                "bank_statement_imported",
                statements[0].message_id,
                after={"statements": imported.statements, "lines": lines, "iban": imported.iban, "sha256": digest},
            )
    return imported


def paid_from() -> str:
    """Return the account that pays subscribers, which is ours before any statement of it; empty if it is not set."""
    return settings().payout_iban.replace(" ", "").upper()


async def _know_account(statement: Statement, person: uuid.UUID | None, *, is_new: bool) -> None:
    if await BankAccount.exists().where(BankAccount.iban == statement.iban):
        return
    if not is_new and statement.iban != paid_from():
        raise Conflict(
            "The account {iban} is not known as ours: say that it is a new one, if it is.", iban=statement.iban
        )
    await BankAccount.insert(BankAccount(iban=statement.iban, opened_at=clock.now(), opened_by=person))
    await _open(statement)


async def _open(statement: Statement) -> None:
    """Enter the balance of the account before its first statement."""
    opening = statement.opening_minor
    if opening:
        accounts = (chart.BANK, chart.OPENING_BALANCES) if opening > 0 else (chart.OPENING_BALANCES, chart.BANK)
        await record(
            "bank_opening",
            statement.iban,
            at=day_in_books(statement.opened_on),
            late=True,
            text=f"Opening balance of {statement.iban}",
            postings=[(*accounts, abs(opening))],
        )


async def _is_known(statement: Statement) -> bool:
    """Return whether the statement is here, under this or another message number; refuse one that contradicts it."""
    known = await _known_lines(statement)
    for line in statement.lines:
        row = known.get(line.reference)
        if row and (row.amount_minor, row.booked_on) != (line.amount_minor, line.booked_on):
            raise Conflict(
                "The entry {reference} was imported before with another amount or day: nothing was imported.",
                reference=line.reference,
            )
    same = await fetch_row(
        SameNumber,
        """SELECT count(*) FILTER (WHERE line_count = $5 AND opening_minor = $3 AND closing_minor = $4) AS same_figures,
                  count(*) AS in_all
           FROM bank_statement WHERE iban = $1 AND (message_id, statement_id) = ($2, $6)""",
        statement.iban,
        statement.message_id,
        statement.opening_minor,
        statement.closing_minor,
        len(statement.lines),
        statement.statement_id,
    )
    if same and same.in_all:
        if not (same.same_figures and len(known) == len(statement.lines)):
            raise Conflict(
                "The statement {name} was imported before with other figures: nothing was imported.",
                name=statement.statement_id,
            )
        return True
    if known and len(known) < len(statement.lines):
        row = next(iter(known.values()))
        raise Conflict(
            "The entry {reference} was imported before, with the statement {name}: nothing was imported.",
            reference=row.reference,
            name=row.statement_id,
        )
    return bool(known) or await _is_known_without_lines(statement)


async def _known_lines(statement: Statement) -> dict[str, ImportedLine]:
    """Return the lines of a statement that were imported before, by reference."""
    rows = await fetch_rows(
        ImportedLine,
        """SELECT bank_line.reference, bank_line.amount_minor, bank_line.booked_on, bank_statement.statement_id
           FROM bank_line JOIN bank_statement ON bank_statement.id = bank_line.statement
           WHERE bank_line.iban = $1 AND bank_line.reference = ANY ($2)""",
        statement.iban,
        [line.reference for line in statement.lines],
    )
    return {row.reference: row for row in rows}


async def _is_known_without_lines(statement: Statement) -> bool:
    return await BankStatement.exists().where(
        (BankStatement.iban == statement.iban)
        & (BankStatement.statement_id == statement.statement_id)
        & (BankStatement.line_count == 0)
        & (BankStatement.opening_minor == statement.opening_minor)
        & (BankStatement.closing_minor == statement.closing_minor)
        & (BankStatement.opened_on == statement.opened_on)
        & (BankStatement.closed_on == statement.closed_on)
    )


async def _write(statement: Statement, person: uuid.UUID | None, digest: str) -> int:
    """Write a statement, its lines and their entries."""
    row = BankStatement(
        iban=statement.iban,
        message_id=statement.message_id,
        statement_id=statement.statement_id,
        sequence=statement.sequence,
        opened_on=statement.opened_on,
        closed_on=statement.closed_on,
        opening_minor=statement.opening_minor,
        closing_minor=statement.closing_minor,
        line_count=len(statement.lines),
        file_sha256=digest,
        imported_at=clock.now(),
        imported_by=person,
    )
    statement_id = await fetch_scalar(int, BankStatement.insert(row).returning(BankStatement.id))
    columns = ([getattr(line, column) for line in statement.lines] for column in Line.__slots__)
    rows = await fetch_rows(WrittenLine, SQL["write_lines"], statement_id, statement.iban, *columns)
    if rows:
        await record_all([_entry(row) for row in rows])
    return len(rows)


def _entry(row: WrittenLine) -> Entry:
    accounts = (chart.BANK, chart.SUSPENSE) if row.amount_minor > 0 else (chart.SUSPENSE, chart.BANK)
    return Entry(
        "bank_line",
        str(row.id),
        day_in_books(row.booked_on),
        f"Bank {row.reference}",
        [(*accounts, abs(row.amount_minor))],
        late=True,
    )


async def empty_old_statements(before: dt.datetime) -> None:
    """Empty the other party and the text of lines and notices booked before an instant; dates and amounts stay."""
    for statement in ("SELECT empty_old_lines($1, $2)", "SELECT empty_old_notices($1, $2)"):
        while await fetch_scalar(int, statement, before, BATCH_SIZE):
            pass
