"""Disputes that banks decide, and payments that failed after they were made; effects on licence, entitlement and books.

A dispute suspends the entitlement while it is open, restores it when won and ends it when lost. Each pass is one
transaction.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import execute, fetch_rows, transaction
from marketplace.sales.orders.queries import SQL
from marketplace.sales.orders.returns import (
    ReturnableOrder,
    lock_licences,
    make_return,
    revoke_entitlements,
    settle_contests,
    write_returns,
)

BATCH_SIZE: Final = 200


class DisputedOrder(Struct, frozen=True):
    """An order whose payment is disputed, or whose invoice is long overdue."""

    id: uuid.UUID
    is_disputed: bool


class LostOrder(ReturnableOrder, frozen=True):
    """An order with a lost dispute over `disputed_minor` cents."""

    dispute: str
    disputed_minor: int


async def follow_disputes() -> int:
    """Suspend disputed or overdue orders, restore won ones, end lost ones and late failures.

    Return how many orders changed.
    """
    async with transaction():
        opened = await fetch_rows(DisputedOrder, SQL["lock_disputed_orders"], BATCH_SIZE)
        ids = [order.id for order in opened]
        now = await lock_licences(ids)
        await execute(
            """UPDATE entitlement SET suspended_at = $2 FROM licence
               WHERE licence.id = entitlement.licence AND licence.purchase_order = ANY ($1)""",
            ids,
            now,
        )
        contest = "UPDATE licence SET contested_at = coalesce(contested_at, $2) WHERE purchase_order = ANY ($1)"
        await execute(contest, [order.id for order in opened if order.is_disputed], now)
    return len(opened) + await _record_losses() + await _record_failures() + await _restore()


async def _record_losses() -> int:
    async with transaction():
        lost = await fetch_rows(LostOrder, SQL["lock_lost_orders"], BATCH_SIZE)
        ids = [order.id for order in lost]
        now = await lock_licences(ids)
        returns = [
            make_return(order, min(order.disputed_minor, order.left_minor), "dispute", now, order.dispute)
            for order in lost
        ]
        await write_returns(returns, now, is_refund=False)
        await revoke_entitlements(ids, now)
        await settle_contests()
    return len(lost)


async def _record_failures() -> int:
    """Return the sales whose money Stripe withdrew again because the payment failed after it was made."""
    async with transaction():
        failed = await fetch_rows(ReturnableOrder, SQL["lock_failed_orders"], BATCH_SIZE)
        now = await lock_licences([order.id for order in failed])
        returns = [make_return(order, order.left_minor, "failure", now) for order in failed]
        await write_returns(returns, now, is_refund=False)
    return len(failed)


async def _restore() -> int:
    """Restore orders that no dispute and no overdue invoice suspends any more."""
    async with transaction():
        restored = await execute(SQL["restore_entitlements"])
        await settle_contests()
    return restored
