"""Confirming that copies were deleted, and reminding partners that did not."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_rows, transaction
from marketplace.deletions.queries import SQL, find_confirmed
from marketplace.deletions.tables import DeletionConfirmation
from marketplace.errors import Conflict
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import deletion_due, deletion_missing
from marketplace.messages.rules import Recipient
from marketplace.purchases.queries import get_order

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

BETWEEN: Final = dt.timedelta(days=7)
"""Between a recall and the first reminder, and between reminders."""
MOST: Final = 8
"""So often a partner is reminded."""
STAFF_FROM: Final = 4
"""With this reminder stewards get a message, once an order."""
BATCH_SIZE: Final = 500


class Due(Struct, frozen=True):
    """An order whose partner is reminded for the `time`-th time."""

    purchase_order: uuid.UUID
    number: str
    partner: uuid.UUID
    company: str
    time: int


async def confirm_deletion(who: Actor, order: uuid.UUID) -> dt.datetime:
    """Write down that a partner deleted its copies of what it bought, and return when it first said so.

    Refuses another partner's order, and one of a release that was not called back.
    """
    assert who.partner
    row = await get_order(who.partner, order)
    if row.recalled_at is None or row.entitlement is None:
        raise Conflict("This release was not called back: there is nothing to confirm.")
    confirmed = DeletionConfirmation(purchase_order=order, confirmed_at=clock.now(), confirmed_by=who.person)
    key = DeletionConfirmation.purchase_order
    async with transaction():
        new = await DeletionConfirmation.insert(confirmed).on_conflict(action="DO NOTHING", target=key).returning(key)
        if new:
            await note_access(who, "deletion_confirmed", f"order {order}", partner=who.partner)
    at = await find_confirmed(order)
    assert at, "it was written above, or before"
    return at


async def remind_of_deletion() -> int:
    """Remind partners that did not confirm, a week after a recall and each week from then on; a job. Return how many."""
    now = clock.now()
    async with transaction():
        due = await fetch_rows(Due, SQL["list_due"], now - BETWEEN, now, BETWEEN, MOST, BATCH_SIZE)
        await send_each(
            deletion_due.KIND,
            [
                (
                    f"{one.purchase_order} {one.time}",
                    Recipient("partner", str(one.partner)),
                    {"order": one.number, "id": str(one.purchase_order)},
                )
                for one in due
            ],
        )
        await send_each(
            deletion_missing.KIND,
            [
                (one.purchase_order, Recipient("role", "steward"), {"order": one.number, "company": one.company})
                for one in due
                if one.time >= STAFF_FROM
            ],
        )
    return len(due)
