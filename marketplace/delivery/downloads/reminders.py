"""Messages to partners whose licence ends soon."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.delivery.downloads.queries import SQL
from marketplace.delivery.message_kinds import LICENCE_ENDING
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient

BEFORE_END: Final = dt.timedelta(days=30)
BATCH_SIZE: Final = 500


class LicensedOrder(Struct, frozen=True):
    """An entitlement, with its partner and order."""

    id: uuid.UUID
    partner: uuid.UUID
    purchase_order: uuid.UUID
    number: str


async def write_reminders() -> int:
    """Notify each partner once of a licence that ends within thirty days; a job. Return how many messages."""
    now = clock.now()
    async with transaction():
        ending = await fetch_rows(LicensedOrder, SQL["list_unreported_ends"], now, now + BEFORE_END, BATCH_SIZE)
        facts = [
            (one.id, Recipient("partner", str(one.partner)), {"order": one.number, "id": str(one.purchase_order)})
            for one in ending
        ]
        await send_each(LICENCE_ENDING, facts)
    return len(ending)
