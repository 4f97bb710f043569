"""Orders under spending limits: each is counted where it is placed, and not any more once it lapsed and cannot be paid."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from marketplace.core.database import fetch_column, fetch_scalar
from marketplace.core.statements import load_statements
from marketplace.people.spending.actions import return_spent, spend
from marketplace.people.spending.rules import Purchase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.spending.rules import Spender
    from marketplace.sales.orders.tables import Order

SQL: Final = load_statements(__package__, "limit_queries.sql")
RETURNED_WITHIN: Final = dt.timedelta(days=40)
"""Longer than an order of this month or a transfer may wait before it lapses."""
BATCH_SIZE: Final = 200


async def count_order(by: Spender, order: Order, datasets: Sequence[str], purposes: Sequence[str]) -> None:
    """Count an order of these datasets against the spending limit of who places it, in the transaction that writes it.

    Refuses, with BeyondLimit, what the limit does not allow.
    """
    await return_lapsed(by.partner)
    await spend(by, Purchase(order.id, order.net_minor, datasets, purposes), order.ordered_at)


async def is_stopped(order: uuid.UUID) -> bool:
    """Return whether the spending limit of an order is not in force any more."""
    return bool(await fetch_scalar(bool, SQL["is_stopped"], order))


async def return_lapsed(partner: uuid.UUID | None = None) -> int:
    """Return to spending limits what lapsed orders had counted for that nobody can pay; return how many.

    partner: whose; None: everybody's.
    """
    lapsed = await fetch_column(uuid.UUID, SQL["list_lapsed"], partner, RETURNED_WITHIN, BATCH_SIZE)
    return await return_spent(lapsed)
