"""Months closed by two people: one proposes a month whose checks pass, another agrees, and it is closed for ever.

The checks are made again as the second person agrees: what came in between stops the close, and the proposal waits.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.bookkeeping.closing import check_closable, close_month
from marketplace.bookkeeping.tables import MonthClose
from marketplace.database import fetch_row, transaction
from marketplace.errors import Conflict
from marketplace.ledger import two_people
from marketplace.ledger.periods import lock_periods
from marketplace.messages.actions import send
from marketplace.messages.kinds import month_to_close
from marketplace.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor


class WaitingMonth(Struct, frozen=True):
    """A month that somebody proposed to close, by its first day, with who did."""

    id: uuid.UUID
    month: dt.date
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    approved: bool | None
    proposer: str


class Proposed(Struct, frozen=True):
    """A proposal as stored."""

    month: dt.date
    proposed_by: uuid.UUID
    approved: bool | None


async def find_waiting_month() -> WaitingMonth | None:
    """Return the oldest month that waits for a second person."""
    return await fetch_row(
        WaitingMonth,
        """SELECT month_close.id, month, proposed_by, proposed_at, approved, person.name AS proposer
           FROM month_close JOIN person ON person.id = proposed_by WHERE approved IS NULL ORDER BY month LIMIT 1""",
    )


async def propose_month(month: dt.date, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Propose to close a month whose checks all pass, once a form; refuses what `close_month` does, and one that waits."""
    async with transaction():
        await check_closable(month)
        proposal = MonthClose(id=form_id, month=month, proposed_by=actor.person, proposed_at=clock.now())
        if await two_people.propose(proposal, otherwise=Conflict("Someone has proposed to close that month already.")):
            await note_action(actor, "period_close_proposed", month.isoformat()[:7])
            await send(month_to_close.KIND, form_id, [Recipient("role", "finance")], month=month.isoformat()[:7])


async def decide_month(close: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse the close that someone else proposed; approved, the month is closed in the same transaction.

    Refuses who proposed it, what was decided before, and a month of which a check fails by now.
    """
    async with transaction():
        if approve:  # in the order of `propose_month`, which holds the periods as it meets a proposal
            await lock_periods()
        row = await two_people.lock_proposal(Proposed, MonthClose, close)
        who = await two_people.decide(MonthClose, close, row, actor, approve=approve)
        if approve:
            await close_month(row.month, actor, who)
        else:
            await note_action(actor, "period_close_refused", row.month.isoformat()[:7], after=who)
