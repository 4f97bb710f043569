"""Messages to bidders: what they won is to be paid soon."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, transaction
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import payment_due
from marketplace.messages.rules import Recipient
from marketplace.storefront.queries import SQL

BEFORE_DUE: Final = dt.timedelta(days=1)
BATCH_SIZE: Final = 500


class UnpaidAward(Struct, frozen=True):
    """What a partner won in an auction and did not pay yet."""

    id: uuid.UUID
    partner: uuid.UUID
    auction: uuid.UUID


async def write_to_bidders() -> int:
    """Write to winners whose time to pay ends within a day, once each; a job. Return how many messages."""
    now = clock.now()
    async with transaction():
        rows = await fetch_rows(UnpaidAward, SQL["list_unpaid"], BATCH_SIZE, now, now + BEFORE_DUE)
        facts = [(row.id, Recipient("partner", str(row.partner)), {"auction": str(row.auction)}) for row in rows]
        await send_each(payment_due.KIND, facts)
    return len(rows)
