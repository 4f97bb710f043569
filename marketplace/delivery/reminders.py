"""Messages to the partners that have a licence: it ends soon."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, transaction
from marketplace.delivery.queries import SQL
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import licence_ending
from marketplace.messages.rules import Recipient

BEFORE_END: Final = dt.timedelta(days=30)
BATCH_SIZE: Final = 500


class LicensedOrder(Struct, frozen=True):
    """An entitlement, with its partner and order."""

    id: uuid.UUID
    partner: uuid.UUID
    purchase_order: uuid.UUID
    number: str


async def write_reminders() -> int:
    """Write to who has a licence that ends within thirty days, once each; a job. Return how many messages."""
    now = clock.now()
    async with transaction():
        ending = await fetch_rows(LicensedOrder, SQL["list_unreported_ends"], now, now + BEFORE_END, BATCH_SIZE)
        facts = [
            (one.id, Recipient("partner", str(one.partner)), {"order": one.number, "id": str(one.purchase_order)})
            for one in ending
        ]
        await send_each(licence_ending.KIND, facts)
    return len(ending)
