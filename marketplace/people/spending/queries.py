"""What is read of spending limits: who may spend what, and who spent what in which month."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from marketplace.people.spending.rules import month_of

SQL: Final = load_statements(__package__)
MOST_ROWS: Final = 5_000
"""More months and people than a page or file shows."""


class Holder(Struct, frozen=True):
    """A colleague or key with what it may spend and has spent this month; cents before VAT, None without a limit."""

    id: uuid.UUID
    name: str
    is_key: bool
    is_owner: bool
    may_order: bool
    spending_limit: uuid.UUID | None
    order_minor: int | None
    month_minor: int | None
    approval_minor: int | None
    spent_minor: int
    datasets: list[str]
    purposes: list[str]
    ends_at: dt.datetime | None
    revoked_at: dt.datetime | None


class NamedHolder(Struct, frozen=True):
    """A colleague by name, or a key by its label."""

    id: uuid.UUID
    name: str
    is_key: bool
    may_order: bool


class SpentInMonth(Struct, frozen=True):
    """What one colleague or key ordered in a month of Paris, and what its open bids may cost; cents before VAT.

    name: empty for a person who is erased.
    """

    month: dt.date
    name: str
    is_key: bool
    orders: int
    ordered_minor: int
    bid_minor: int


class OwnLimit(Struct, frozen=True):
    """A holder's own limit and what it has spent this month; cents before VAT. Empty datasets or purposes mean any."""

    order_minor: int
    month_minor: int
    approval_minor: int | None
    spent_minor: int
    datasets: list[str]
    purposes: list[str]
    ends_at: dt.datetime

    @property
    def left_minor(self) -> int:
        """What is left of this month."""
        return max(0, self.month_minor - self.spent_minor)


async def list_holders(partner: uuid.UUID, now: dt.datetime) -> list[Holder]:
    """Return a partner's colleagues and keys with their limits and what they spent this month."""
    return await fetch_rows(Holder, SQL["list_holders"], partner, month_of(now), now)


async def get_holder(partner: uuid.UUID, holder: uuid.UUID) -> NamedHolder:
    """Return a partner's colleague or key; refuses any other id with NotFound."""
    return existing(
        await fetch_row(NamedHolder, SQL["find_holder"], partner, holder), NotFound("There is no such person or key.")
    )


async def list_spent(partner: uuid.UUID) -> list[SpentInMonth]:
    """Return what a partner spent by month and by colleague or key, the latest month first."""
    return await fetch_rows(SpentInMonth, SQL["list_spent"], partner, MOST_ROWS)


async def find_own(holder: uuid.UUID | None, now: dt.datetime) -> OwnLimit | None:
    """Return a colleague's or key's own limit, or None."""
    return await fetch_row(OwnLimit, SQL["find_own"], holder, month_of(now))
