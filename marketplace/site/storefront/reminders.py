"""Messages to bidders whose payment for an award is due soon."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient
from marketplace.site.message_kinds import PAYMENT_DUE
from marketplace.site.storefront.queries import SQL

BEFORE_DUE: Final = dt.timedelta(days=1)
BATCH_SIZE: Final = 500


class UnpaidAward(Struct, frozen=True):
    """A partner's unpaid award of an auction."""

    id: uuid.UUID
    partner: uuid.UUID
    auction: uuid.UUID


async def write_to_bidders() -> int:
    """Remind winners whose time to pay ends within a day, once each; a job. Return how many messages."""
    now = clock.now()
    async with transaction():
        rows = await fetch_rows(UnpaidAward, SQL["list_unpaid"], BATCH_SIZE, now, now + BEFORE_DUE)
        facts = [(row.id, Recipient("partner", str(row.partner)), {"auction": str(row.auction)}) for row in rows]
        await send_each(PAYMENT_DUE, facts)
    return len(rows)
