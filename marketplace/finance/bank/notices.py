"""The bank's announcements before its statement: stored once, outside the books, until a statement has the movement.

Only statements move the books, so a movement that is announced and then stated is entered once, in either order.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.finance.bank.actions import BANK_LOCK, ImportResult
from marketplace.finance.bank.queries import SQL
from marketplace.finance.bank.tables import BankAccount, BankNotice
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.finance.bank.camt import Notice

AWAITED: Final = SQL["awaited"]
"""SQL for the fields of `AwaitedMovement`."""


class KnownMovement(Struct, frozen=True):
    """A movement that was announced or stated before, in signed cents."""

    reference: str
    amount_minor: int
    booked_on: dt.date
    is_announced: bool
    """If false, it is known from a statement alone."""


class AwaitedMovement(Struct, frozen=True):
    """An announced movement that no statement has yet."""

    id: int
    iban: str
    notice_id: str
    reference: str
    booked_on: dt.date
    amount_minor: int
    counterparty: str
    remittance: str


class AnnouncedEntry(Struct, frozen=True):
    """A part of an entry, as the bank announced it."""

    reference: str
    amount_minor: int
    end_to_end_id: str
    counterparty: str
    remittance: str


async def list_known(iban: str, references: Sequence[str]) -> dict[str, KnownMovement]:
    """Return the known movements of an account's references, from announcements and statements.

    A statement's figures come first.
    """
    rows = await fetch_rows(KnownMovement, SQL["list_known_movements"], iban, list(references))
    return {row.reference: row for row in rows}


async def list_awaited(page: int = 1) -> Paged[AwaitedMovement]:
    """Return the announced movements that no statement has yet, the earliest first."""
    sql = f"SELECT * FROM ({AWAITED}) AS awaited ORDER BY booked_on, id LIMIT $1 OFFSET $2"
    return paged(await fetch_rows(AwaitedMovement, sql, PAGE_SIZE + 1, offset(page)), page)


async def list_parts(line: int) -> list[AnnouncedEntry]:
    """Return the announced parts of a bank line that is one line on the statement; empty if it was one part."""
    return await fetch_rows(
        AnnouncedEntry,
        """SELECT notice.reference, notice.amount_minor, notice.end_to_end_id, notice.counterparty, notice.remittance
           FROM bank_line AS line JOIN bank_notice AS notice ON notice.iban = line.iban AND notice.entry = line.reference
           WHERE line.id = $1 AND notice.reference <> notice.entry ORDER BY notice.id""",
        line,
    )


async def import_notices(notices: Sequence[Notice], data: bytes, *, person: uuid.UUID | None) -> ImportResult:
    """Store the announcements of a file, each movement once; otherwise refuse in one sentence, and store nothing.

    Refuses a movement of a future day, one known with another amount or day, and an account that is not known as ours.
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
    return ImportResult(0, 0, known, notices[0].iban, announced=new)


def _check(notice: Notice, before: dict[str, KnownMovement], today: dt.date) -> None:
    """Refuse a notification that announces future days, or contradicts known movements."""
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
