"""Writing an exception off: one person proposes with a reason, another approves or refuses; the books follow the approval."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import asyncpg
from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import check_reason, note_action
from marketplace.bank.matching import Match, match_lines
from marketplace.database import fetch_row, fetch_rows, transaction
from marketplace.errors import Conflict
from marketplace.finance.exception_queries import SQL, ExceptionRow, get_exception
from marketplace.finance.exceptions.registry import EXCEPTIONS
from marketplace.finance.rules import may_write_off, write_off_postings
from marketplace.finance.tables import WriteOff
from marketplace.ledger import chart, two_people
from marketplace.ledger.actions import record
from marketplace.ledger.queries import LARGEST_FILE_ROWS
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import write_off_to_decide
from marketplace.messages.rules import Recipient
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.payouts import actions as payouts

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

WHICH: Final = ("waiting", "approved", "refused")
WRITE_OFFS_BY: Final = {
    "": "approved IS NOT NULL, proposed_at DESC",
    "amount": "abs(amount_minor) DESC NULLS LAST",
    "proposed": "proposed_at DESC",
    "decided": "decided_at DESC NULLS LAST",
}
"""How write-offs can be sorted; those that wait first where nothing is said."""


class WriteOffRow(Struct, frozen=True):
    """A write-off as stored; `amount_minor` in cents, `approved` None until somebody decides."""

    id: uuid.UUID
    why: str
    subject: str
    reference: str
    amount_minor: int | None
    happened_at: dt.datetime
    reason: str
    proposed_by: uuid.UUID
    approved: bool | None


class WriteOffLine(Struct, frozen=True):
    """A write-off in a list, with the names of both people; `amount_minor` in cents."""

    id: uuid.UUID
    why: str
    subject: str
    reference: str
    amount_minor: int | None
    reason: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None


class WaitingWriteOff(Struct, frozen=True):
    """A write-off that waits for a second person; `amount_minor` in cents."""

    id: uuid.UUID
    reference: str
    amount_minor: int | None
    reason: str
    proposed_by: uuid.UUID
    proposer: str


async def propose_write_off(why: str, subject: str, actor: Actor, *, reason: str, form_id: uuid.UUID) -> None:
    """Propose to write an exception off; once a form, and one proposal an exception at a time."""
    reason = check_reason(reason)
    async with transaction():
        if await WriteOff.exists().where(WriteOff.id == form_id):
            return
        row = await _get_writable(why, subject)
        proposal = WriteOff(
            id=form_id,
            why=why,
            subject=subject,
            reference=row.reference,
            amount_minor=row.amount_minor,
            happened_at=row.at,
            reason=reason,
            proposed_by=actor.person,
            proposed_at=clock.now(),
        )
        try:
            await WriteOff.insert(proposal)
        except asyncpg.UniqueViolationError:
            raise Conflict("Someone has proposed to write that off already.") from None
        await note_action(
            actor,
            "write_off_proposed",
            f"{why} {row.reference}",
            reason=reason,
            after={"amount_minor": row.amount_minor},
        )
        await send(write_off_to_decide.KIND, form_id, [Recipient("role", "finance")])


async def decide_write_off(write_off: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse what someone else proposed; approved, the books follow in the same transaction.

    Refuses who proposed it, what was decided before, and what is no longer the amount it was proposed over.
    """
    async with transaction():
        # All that explains bank lines takes turns, and this writes off what a line may settle.
        await lock(payouts.LOCK)
        row = await two_people.lock_proposal(WriteOffRow, WriteOff, write_off)
        if approve and row.approved is None:
            current = await _get_writable(row.why, row.subject)
            if current.amount_minor != row.amount_minor:
                raise Conflict("It is about another amount by now: refuse it, and propose it again.")
        who = await two_people.decide(WriteOff, write_off, row, actor, approve=approve)
        if approve:
            await _post(row)
        await note_action(
            actor,
            "write_off_approved" if approve else "write_off_refused",
            f"{row.why} {row.reference}",
            reason=row.reason,
            before={"approved": None},
            after={"approved": approve, "amount_minor": row.amount_minor} | who,
        )


async def _get_writable(why: str, subject: str) -> ExceptionRow:
    row = await get_exception(why, subject)
    if not may_write_off(why, row.amount_minor):
        raise Conflict("That cannot be written off: it must be corrected where it comes from.")
    return row


async def _post(row: WriteOffRow) -> None:
    amount, how = row.amount_minor, EXCEPTIONS[row.why].write_off
    if how is not None and how.is_match:
        assert amount, "a bank line moves something"
        account = chart.DIFFERENCES_GAINED if amount > 0 else chart.DIFFERENCES_LOST
        match = Match(int(row.subject), "write_off", str(row.id), amount, account, reasons=("chosen",))
        await match_lines([match], person=row.proposed_by)
    elif postings := write_off_postings(row.why, amount):
        await record(
            "write_off",
            row.id,
            at=row.happened_at,
            late=True,
            text=f"{row.reference}: {row.reason[:200]}",
            postings=postings,
        )


async def list_write_offs(page: int = 1, which: str = "", sort: str = "") -> Paged[WriteOffLine]:
    """Return write-offs in an order of `WRITE_OFFS_BY`; `which` is one of WHICH, or empty for all."""
    return paged(await _list_write_offs(which, sort, PAGE_SIZE + 1, offset(page)), page)


async def list_all_write_offs(which: str = "", sort: str = "") -> list[WriteOffLine]:
    """Return the same as `list_write_offs`, up to `LARGEST_FILE_ROWS` in one list."""
    return await _list_write_offs(which, sort, LARGEST_FILE_ROWS, 0)


async def _list_write_offs(which: str, sort: str, limit: int, skipped: int) -> list[WriteOffLine]:
    order = WRITE_OFFS_BY.get(sort, WRITE_OFFS_BY[""])
    sql = f"{SQL['write_offs']} ORDER BY {order}, write_off.id LIMIT $2 OFFSET $3"
    return await fetch_rows(WriteOffLine, sql, which, limit, skipped)


async def find_waiting(why: str, subject: str) -> WaitingWriteOff | None:
    """Return the write-off that someone proposed for an exception and nobody has decided."""
    return await fetch_row(
        WaitingWriteOff,
        """SELECT write_off.id, reference, amount_minor, reason, proposed_by, person.name AS proposer
           FROM write_off JOIN person ON person.id = proposed_by
           WHERE why = $1 AND subject = $2 AND approved IS NULL""",
        why,
        subject,
    )
