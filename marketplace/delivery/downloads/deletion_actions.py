"""Confirm that copies were deleted, and remind partners that did not confirm."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.core.errors import Conflict
from marketplace.delivery.downloads.deletion_queries import SQL, find_confirmed
from marketplace.delivery.downloads.deletion_tables import DeletionConfirmation
from marketplace.delivery.message_kinds import DELETION_DUE, DELETION_MISSING
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient
from marketplace.sales.orders.queries import get_order

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

BETWEEN: Final = dt.timedelta(days=7)
"""The time from a recall to the first reminder, and between reminders."""
MOST: Final = 8
"""How many reminders a partner gets at most."""
STAFF_FROM: Final = 4
"""From this reminder on stewards get a message, once for each entitlement."""
BATCH_SIZE: Final = 500


class DueReminder(Struct, frozen=True):
    """An entitlement whose partner gets its reminder number `time`."""

    entitlement: uuid.UUID
    purchase_order: uuid.UUID
    number: str
    partner: uuid.UUID
    company: str
    time: int


async def confirm_deletion(who: Actor, order: uuid.UUID, lot: int = 1) -> dt.datetime:
    """Record that a partner deleted its copies of a lot's release; return when it first confirmed this.

    Refuses another partner's order, and a release that was not recalled.
    """
    assert who.partner
    row = await get_order(who.partner, order, lot)
    if row.recalled_at is None or row.entitlement is None:
        raise Conflict("This release was not called back: there is nothing to confirm.")
    confirmed = DeletionConfirmation(entitlement=row.entitlement, confirmed_at=clock.now(), confirmed_by=who.person)
    key = DeletionConfirmation.entitlement
    async with transaction():
        new = await DeletionConfirmation.insert(confirmed).on_conflict(action="DO NOTHING", target=key).returning(key)
        if new:
            await note_access(who, "deletion_confirmed", f"order {order}", partner=who.partner)
    at = await find_confirmed(row.entitlement)
    assert at, "it was written above, or before"
    return at


async def remind_of_deletion() -> int:
    """Remind partners that did not confirm, a week after a recall and weekly after that; a job. Return how many."""
    now = clock.now()
    async with transaction():
        due = await fetch_rows(DueReminder, SQL["list_due"], now - BETWEEN, now, BETWEEN, MOST, BATCH_SIZE)
        await send_each(
            DELETION_DUE,
            [
                (
                    f"{one.entitlement} {one.time}",
                    Recipient("partner", str(one.partner)),
                    {"order": one.number, "id": str(one.purchase_order)},
                )
                for one in due
            ],
        )
        await send_each(
            DELETION_MISSING,
            [
                (one.entitlement, Recipient("role", "steward"), {"order": one.number, "company": one.company})
                for one in due
                if one.time >= STAFF_FROM
            ],
        )
    return len(due)
