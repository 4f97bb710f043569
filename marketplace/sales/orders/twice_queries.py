"""Queries of a release that is ordered twice: pages on which it may be paid again, and orders that paid it again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar
from marketplace.core.statements import load_statements
from marketplace.sales.orders.queries import NumberedOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__, "twice_queries.sql")
PAID_TWICE_EXCEPTIONS: Final = SQL["list_paid_twice_exceptions"]


class PaidTwice(Struct, frozen=True):
    """An order that was paid although its partner had paid for the same before, and the number of the first."""

    id: uuid.UUID
    partner: uuid.UUID
    number: str
    first: str


async def find_page(partner: uuid.UUID, release: uuid.UUID, level: int) -> uuid.UUID | None:
    """Return an order of a release at a level with a payable page, or None."""
    return await fetch_scalar(uuid.UUID, SQL["find_page"], partner, release, level)


async def find_unpaid(partner: uuid.UUID, release: uuid.UUID, level: int) -> uuid.UUID | None:
    """Return an unpaid order of a release at a level beside which its partner may have no other, or None."""
    return await fetch_scalar(uuid.UUID, SQL["find_unpaid"], partner, release, level)


async def list_other_pages(orders: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Return the unpaid orders whose pages would pay again for what these paid orders bought, locked."""
    return await fetch_column(uuid.UUID, SQL["list_other_pages"], orders)


async def list_paid_twice(orders: Sequence[uuid.UUID]) -> Sequence[PaidTwice]:
    """Return which of these paid orders were paid although their partner had paid for the same before."""
    return await fetch_rows(PaidTwice, SQL["list_paid_twice"], orders)


async def find_paid_before(partner: uuid.UUID, order: uuid.UUID) -> NumberedOrder | None:
    """Return the order by which a partner paid for the same before this own order, or instead of it, or None."""
    return await fetch_row(NumberedOrder, SQL["find_paid_before"], order, partner)
