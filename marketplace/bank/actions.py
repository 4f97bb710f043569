"""The bank's side: statements imported once and whole, each line posted against the suspense account at once.

So the bank account in the books is the bank's own balance from the first moment, and what nobody has explained yet
stands in one account, which must be empty for a month to close.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.bank.camt import Line, Statement, read_statements
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.errors import Conflict, Invalid
from marketplace.identity.audit_trail import note_action
from marketplace.ledger import chart
from marketplace.ledger.actions import Entry, record, record_all
from marketplace.web.formats import PARIS

if TYPE_CHECKING:
    import uuid

    import asyncpg

LARGEST_FILE_BYTES = 20_000_000
BANK_LOCK = "bank statements"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought."""

    statements: int
    lines: int
    known: int
    """Statements that were here already; nothing of them was written again."""
    iban: str


def day_in_books(day: dt.date) -> dt.datetime:
    """Return the instant that dates a line of that day: its first in Paris."""
    return dt.datetime.combine(day, dt.time(), PARIS).astimezone(dt.UTC)


async def import_bank_statement(data: bytes, *, person: uuid.UUID | None, new_account: bool = False) -> Imported:
    """Import a camt.053 file whole, once; refuse it in one sentence and write nothing otherwise.

    A file or a statement that comes again changes nothing, under another message number too. `new_account` says that
    an IBAN never seen is ours.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise Invalid("The file is larger than {limit} MB.", limit=LARGEST_FILE_BYTES // 1_000_000)
    statements = read_statements(data)
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
        imported = Imported(len(statements) - known, lines, known, statements[0].iban)
        if imported.statements:
            await note_action(
                person, "bank_statement_imported", statements[0].message_id,
                after={"statements": imported.statements, "lines": lines, "iban": imported.iban, "sha256": digest},
            )  # fmt: skip
    return imported


async def _know_account(statement: Statement, person: uuid.UUID | None, *, is_new: bool) -> None:
    if await fetch_value("SELECT count(*) FROM bank_account WHERE iban = $1", statement.iban):
        return
    if not is_new:
        raise Conflict(
            "The account {iban} is not known as ours: say that it is a new one, if it is.", iban=statement.iban
        )
    await execute("INSERT INTO bank_account (iban, opened_at, opened_by) VALUES ($1, $2, $3)",
                  statement.iban, clock.now(), person)  # fmt: skip
    await _open(statement)


async def _open(statement: Statement) -> None:
    """Enter what the account held before its first statement."""
    opening = statement.opening_minor
    if opening:
        accounts = (chart.BANK, chart.OPENING_BALANCES) if opening > 0 else (chart.OPENING_BALANCES, chart.BANK)
        await record(
            "bank_opening", statement.iban, at=day_in_books(statement.opened_on), late=True,
            text=f"Opening balance of {statement.iban}", postings=[(*accounts, abs(opening))],
        )  # fmt: skip


async def _is_known(statement: Statement) -> bool:
    """Tell whether the statement is here, under this or another message number; refuse one that contradicts it."""
    rows = await fetch(
        """SELECT bank_line.reference, bank_line.amount_minor, bank_line.booked_on, bank_statement.statement_id
           FROM bank_line JOIN bank_statement ON bank_statement.id = bank_line.statement
           WHERE bank_line.iban = $1 AND bank_line.reference = ANY($2)""",
        statement.iban, [line.reference for line in statement.lines],
    )  # fmt: skip
    here = {row["reference"]: row for row in rows}
    for line in statement.lines:
        row = here.get(line.reference)
        if row and (row["amount_minor"], row["booked_on"]) != (line.amount_minor, line.booked_on):
            raise Conflict(
                "The entry {reference} was imported before with another amount or day: nothing was imported.",
                reference=line.reference,
            )
    same = await fetch_one(
        """SELECT count(*) FILTER (WHERE line_count = $5 AND opening_minor = $3 AND closing_minor = $4) AS alike, count(*) AS all
           FROM bank_statement WHERE iban = $1 AND (message_id, statement_id) = ($2, $6)""",
        statement.iban, statement.message_id, statement.opening_minor, statement.closing_minor, len(statement.lines),
        statement.statement_id,
    )  # fmt: skip
    if same and same["all"] and not (same["alike"] and len(here) == len(statement.lines)):
        raise Conflict(
            "The statement {name} was imported before with other figures: nothing was imported.",
            name=statement.statement_id,
        )
    if same and same["all"]:
        return True
    if here and len(here) < len(statement.lines):
        row = next(iter(here.values()))
        raise Conflict(
            "The entry {reference} was imported before, with the statement {name}: nothing was imported.",
            reference=row["reference"], name=row["statement_id"],
        )  # fmt: skip
    if here:
        return True
    return bool(
        await fetch_value(
            """SELECT count(*) FROM bank_statement WHERE iban = $1 AND statement_id = $2 AND line_count = 0
               AND (opening_minor, closing_minor, opened_on, closed_on) = ($3, $4, $5, $6)""",
            statement.iban, statement.statement_id, statement.opening_minor, statement.closing_minor,
            statement.opened_on, statement.closed_on,
        )
    )  # fmt: skip


async def _write(statement: Statement, person: uuid.UUID | None, digest: str) -> int:
    """Write a statement, its lines and their entries."""
    statement_id = await fetch_value(
        """INSERT INTO bank_statement (iban, message_id, statement_id, sequence, opened_on, closed_on, opening_minor,
                                       closing_minor, line_count, file_sha256, imported_at, imported_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id""",
        statement.iban, statement.message_id, statement.statement_id, statement.sequence, statement.opened_on,
        statement.closed_on, statement.opening_minor, statement.closing_minor, len(statement.lines), digest,
        clock.now(), person,
    )  # fmt: skip
    rows = await fetch(
        """INSERT INTO bank_line (statement, iban, reference, booked_on, value_on, amount_minor, end_to_end_id, batch_id,
                                  transaction_id, counterparty, counterparty_iban, remittance, code, return_reason)
           SELECT $1, $2, given.* FROM unnest($3::text[], $4::date[], $5::date[], $6::bigint[], $7::text[], $8::text[],
               $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]) AS given
           RETURNING id, reference, booked_on, amount_minor""",
        statement_id, statement.iban,
        *([getattr(line, column) for line in statement.lines] for column in Line.__slots__),
    )  # fmt: skip
    if rows:
        await record_all([_entry(row) for row in rows])
    return len(rows)


def _entry(row: asyncpg.Record) -> Entry:
    amount = row["amount_minor"]
    accounts = (chart.BANK, chart.SUSPENSE) if amount > 0 else (chart.SUSPENSE, chart.BANK)
    return Entry(
        "bank_line", str(row["id"]), day_in_books(row["booked_on"]), f"Bank {row['reference']}",
        [(*accounts, abs(amount))], late=True,
    )  # fmt: skip
