"""Messages to the partners that have a licence: it ends soon, its release was called back, a newer one is on sale."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, transaction
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import licence_ending, new_release, release_recalled
from marketplace.messages.rules import Recipient
from marketplace.purchases.queries import SQL

BEFORE_END: Final = dt.timedelta(days=30)
NEW_FOR: Final = dt.timedelta(days=7)
"""A release is news for so long: who buys an older one later sees the newer one on its page."""
BATCH_SIZE: Final = 500


class LicensedOrder(Struct, frozen=True):
    """An entitlement, with its partner and order."""

    id: uuid.UUID
    partner: uuid.UUID
    purchase_order: uuid.UUID
    number: str


class NewRelease(Struct, frozen=True):
    """A release that a partner of an older one may want."""

    id: uuid.UUID
    partner: uuid.UUID
    dataset: str


async def write_reminders() -> int:
    """Write what licensees should know and were not written yet; a job. Return how many messages."""
    now = clock.now()
    async with transaction():
        recalled = await fetch_rows(LicensedOrder, SQL["list_unreported_recalls"], now, BATCH_SIZE)
        await send_each(release_recalled.KIND, [_of_order(one) for one in recalled])
        ending = await fetch_rows(LicensedOrder, SQL["list_unreported_ends"], now, now + BEFORE_END, BATCH_SIZE)
        await send_each(licence_ending.KIND, [_of_order(one) for one in ending])
        newer = await fetch_rows(NewRelease, SQL["list_unreported_releases"], now, now - NEW_FOR, BATCH_SIZE)
        facts = [(one.id, Recipient("partner", str(one.partner)), {"dataset": one.dataset}) for one in newer]
        await send_each(new_release.KIND, facts)
    return len(recalled) + len(ending) + len(newer)


def _of_order(one: LicensedOrder) -> tuple[uuid.UUID, Recipient, dict[str, str]]:
    return one.id, Recipient("partner", str(one.partner)), {"order": one.number, "id": str(one.purchase_order)}
