"""What the bank announces before its statement: kept once, beside the books, until a line of a statement has it.

Only statements move the books, so a movement that is announced and then stated is entered once, whichever comes first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.bank.actions import BANK_LOCK, Imported
from marketplace.bank.queries import SQL
from marketplace.bank.tables import BankAccount, BankNotice
from marketplace.database import fetch_rows, transaction
from marketplace.errors import Conflict, Invalid
from marketplace.locks import lock
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.bank.camt import Notice

AWAITED: Final = SQL["awaited"]
"""SQL of what `Awaited` has."""


class Known(Struct, frozen=True):
    """A movement that was announced or stated before, in signed cents."""

    reference: str
    amount_minor: int
    booked_on: dt.date
    is_announced: bool
    """Else it is known from a statement alone."""


class Awaited(Struct, frozen=True):
    """A movement that was announced, and that no statement has yet."""

    id: int
    iban: str
    notice_id: str
    reference: str
    booked_on: dt.date
    amount_minor: int
    counterparty: str
    remittance: str


class Announced(Struct, frozen=True):
    """A part of an entry, as the bank announced it."""

    reference: str
    amount_minor: int
    end_to_end_id: str
    counterparty: str
    remittance: str


async def list_known(iban: str, references: Sequence[str]) -> dict[str, Known]:
    """Return what is known of references of an account: announced before, or on a statement; its figures are the statement's where both."""
    rows = await fetch_rows(Known, SQL["list_known_movements"], iban, list(references))
    return {row.reference: row for row in rows}


async def list_awaited(page: int = 1) -> Paged[Awaited]:
    """Return what was announced and is on no statement yet, the earliest first."""
    sql = f"SELECT * FROM ({AWAITED}) AS awaited ORDER BY booked_on, id LIMIT $1 OFFSET $2"
    return paged(await fetch_rows(Awaited, sql, PAGE_SIZE + 1, offset(page)), page)


async def list_parts(line: int) -> list[Announced]:
    """Return the parts that were announced of a bank line, which the statement has as one; none where it was one part."""
    return await fetch_rows(
        Announced,
        """SELECT notice.reference, notice.amount_minor, notice.end_to_end_id, notice.counterparty, notice.remittance
           FROM bank_line AS line JOIN bank_notice AS notice ON notice.iban = line.iban AND notice.entry = line.reference
           WHERE line.id = $1 AND notice.reference <> notice.entry ORDER BY notice.id""",
        line,
    )


async def import_notices(notices: Sequence[Notice], data: bytes, *, person: uuid.UUID | None) -> Imported:
    """Keep what a file announces, each movement once; refuse in one sentence, and keep nothing otherwise.

    Refuses a movement of a day to come, one known with another amount or day, and an account that is not known as ours.
    """
    digest, now = hashlib.sha256(data).hexdigest(), clock.now()
    new = known = 0
    async with transaction():
        await lock(BANK_LOCK)
        for notice in notices:
            if not await BankAccount.exists().where(BankAccount.iban == notice.iban):
                raise Conflict(
                    "The account {iban} is not known as ours: import a statement of it first.", iban=notice.iban
                )
            before = await list_known(notice.iban, [line.reference for line in notice.lines])
            _check(notice, before, now.date())
            rows = [
                BankNotice(
                    iban=notice.iban,
                    notice_id=notice.notice_id,
                    entry=entry,
                    reference=line.reference,
                    booked_on=line.booked_on,
                    value_on=line.value_on,
                    amount_minor=line.amount_minor,
                    end_to_end_id=line.end_to_end_id,
                    counterparty=line.counterparty,
                    counterparty_iban=line.counterparty_iban,
                    remittance=line.remittance,
                    file_sha256=digest,
                    imported_at=now,
                    imported_by=person,
                )
                for line, entry in zip(notice.lines, notice.entries, strict=True)
                if line.reference not in before or not before[line.reference].is_announced
            ]
            if rows:
                await BankNotice.insert(*rows)
            new += len(rows)
            known += len(notice.lines) - len(rows)
        if new:
            await note_action(
                person,
                "bank_notice_imported",
                notices[0].message_id,
                after={"lines": new, "iban": notices[0].iban, "sha256": digest},
            )
    return Imported(0, 0, known, notices[0].iban, announced=new)


def _check(notice: Notice, before: dict[str, Known], today: dt.date) -> None:
    """Refuse a notification that announces days to come, or contradicts what is known."""
    for line in notice.lines:
        if line.booked_on > today + dt.timedelta(days=1):
            raise Invalid(
                "In the statement {name}, the day {day} is to come.", name=notice.notice_id, day=line.booked_on
            )
        row = before.get(line.reference)
        if row and (row.amount_minor, row.booked_on) != (line.amount_minor, line.booked_on):
            raise Conflict(
                "The entry {reference} was imported before with another amount or day: nothing was imported.",
                reference=line.reference,
            )
