"""Letting an exception go: one proposes with a reason, another approves or refuses; the books follow the approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from marketplace import clock
from marketplace.bank.matching import Match, match_lines
from marketplace.database import execute, fetch, fetch_one, lock, transaction
from marketplace.earnings import payouts
from marketplace.errors import Conflict, NotAllowed, NotFound
from marketplace.finance.exceptions import get_exception
from marketplace.finance.rules import may_write_off, write_off_postings
from marketplace.identity.audit_trail import check_reason, note_action
from marketplace.ledger import chart
from marketplace.ledger.actions import record
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid

    from marketplace.identity.actors import Actor


async def propose_write_off(why: str, subject: str, actor: Actor, *, reason: str, form_id: uuid.UUID) -> None:
    """Propose to let an exception go; once a form, and one proposal an exception at a time."""
    reason = check_reason(reason)
    async with transaction():
        if await fetch_one("SELECT 1 FROM write_off WHERE id = $1", form_id):
            return
        row = await _get_what_may_go(why, subject)
        try:
            await execute(
                """INSERT INTO write_off (id, why, subject, reference, amount_minor, happened_at, reason, proposed_by, proposed_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                form_id, why, subject, row["reference"], row["amount_minor"], row["at"], reason, actor.person,
                clock.now(),
            )  # fmt: skip
        except asyncpg.UniqueViolationError:
            raise Conflict("Someone has proposed to write that off already.") from None
        await note_action(
            actor,
            "write_off_proposed",
            f"{why} {row['reference']}",
            reason=reason,
            after={"amount_minor": row["amount_minor"]},
        )


async def decide_write_off(write_off: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse what someone else proposed; approved, the books follow in the same transaction.

    Refuses who proposed it, what was decided before, and what is no longer the amount it was proposed over.
    """
    async with transaction():
        await lock(
            payouts.LOCK
        )  # Whatever explains a bank line takes turns, and this lets go of what a line may settle.
        row = await fetch_one("SELECT * FROM write_off WHERE id = $1 FOR UPDATE", write_off)
        if row is None:
            raise NotFound("There is no such write-off.")
        if row["approved"] is not None:
            raise Conflict("That write-off is decided already.")
        if row["proposed_by"] == actor.person:
            raise NotAllowed("You proposed it: someone else must decide.")
        if approve:
            there = await _get_what_may_go(row["why"], row["subject"])
            if there["amount_minor"] != row["amount_minor"]:
                raise Conflict("It is about another amount by now: refuse it, and propose it again.")
        await execute(
            "UPDATE write_off SET decided_by = $2, decided_at = $3, approved = $4 WHERE id = $1",
            write_off, actor.person, clock.now(), approve,
        )  # fmt: skip
        if approve:
            await _post(row)
        await note_action(
            actor, "write_off_approved" if approve else "write_off_refused", f"{row['why']} {row['reference']}",
            reason=row["reason"], before={"approved": None}, after={"approved": approve, "amount_minor": row["amount_minor"]},
        )  # fmt: skip


async def _get_what_may_go(why: str, subject: str) -> asyncpg.Record:
    row = await get_exception(why, subject)
    if not may_write_off(why, row["amount_minor"]):
        raise Conflict("That cannot be written off: it must be mended where it comes from.")
    return row


async def _post(row: asyncpg.Record) -> None:
    amount = row["amount_minor"]
    if row["why"] == "line_unexplained":
        account = chart.DIFFERENCES_GAINED if amount > 0 else chart.DIFFERENCES_LOST
        await match_lines(
            [Match(int(row["subject"]), "write_off", str(row["id"]), amount, account, reasons=("chosen",))],
            person=row["proposed_by"],
        )
    elif postings := write_off_postings(row["why"], amount):
        await record(
            "write_off", row["id"], at=row["happened_at"], late=True, text=f"{row['reference']}: {row['reason'][:200]}",
            postings=postings,
        )  # fmt: skip


async def list_write_offs(page: int = 1, *, waiting: bool = False) -> Paged[Any]:
    """Return write-offs, those that wait first, then the newest."""
    rows = await fetch(
        """SELECT write_off.*, proposer.name AS proposer, decider.name AS decider
           FROM write_off JOIN person AS proposer ON proposer.id = proposed_by
           LEFT JOIN person AS decider ON decider.id = decided_by
           WHERE NOT $1 OR approved IS NULL
           ORDER BY approved IS NOT NULL, proposed_at DESC, write_off.id LIMIT $2 OFFSET $3""",
        waiting, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def find_waiting(why: str, subject: str) -> dict[str, Any] | None:
    """Return the write-off that someone proposed for an exception and nobody has decided."""
    row = await fetch_one(
        """SELECT write_off.*, person.name AS proposer FROM write_off JOIN person ON person.id = proposed_by
           WHERE why = $1 AND subject = $2 AND approved IS NULL""",
        why, subject,
    )  # fmt: skip
    return dict(row) if row else None
