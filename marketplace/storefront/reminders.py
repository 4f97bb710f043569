"""Messages to bidders: outbid, won, a payment due soon, a deposit that ended, a debt. Each is pulled from what auctions recorded."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, transaction
from marketplace.messages.actions import send_each
from marketplace.messages.kinds import debt_due, deposit_captured, deposit_released, outbid, payment_due, won
from marketplace.messages.rules import Recipient
from marketplace.storefront.queries import SQL

if TYPE_CHECKING:
    from marketplace.messages.rules import MessageKind

BEFORE_DUE: Final = dt.timedelta(days=1)
RECENT: Final = dt.timedelta(days=7)
"""What happened longer ago is no news: a site that was down for a week does not send it then."""
BATCH_SIZE: Final = 500


class BidderFact(Struct, frozen=True):
    """What concerns one bidder of one auction."""

    id: uuid.UUID
    partner: uuid.UUID
    auction: uuid.UUID


async def write_to_bidders() -> int:
    """Write what bidders should know and were not written yet; a job. Return how many messages."""
    now = clock.now()
    recent, soon = now - RECENT, now + BEFORE_DUE
    released, captured = deposit_released.KIND, deposit_captured.KIND
    async with transaction():
        written = await _write(outbid.KIND, SQL["list_outbid"])
        written += await _write(won.KIND, SQL["list_won"], recent)
        written += await _write(payment_due.KIND, SQL["list_unpaid"], now, soon)
        written += await _write(released, SQL["list_ended_deposits"], recent, "released", released.code)
        written += await _write(captured, SQL["list_ended_deposits"], recent, "forfeited", captured.code)
        written += await _write(debt_due.KIND, SQL["list_debts"], recent)
    return written


async def _write(kind: MessageKind, statement: str, *values: object) -> int:
    """Write a message of a kind for each row of a statement, whose first parameter is how many rows."""
    rows = await fetch_rows(BidderFact, statement, BATCH_SIZE, *values)
    facts = [(row.id, Recipient("partner", str(row.partner)), {"auction": str(row.auction)}) for row in rows]
    await send_each(kind, facts)
    return len(facts)
