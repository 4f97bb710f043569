"""Deciding about duplicate orders: the page of one is closed once the other is paid, and what was paid all the same goes back.

Each is decided in one transaction that locks both, with the command that Stripe is sent: whichever worker stops, and
wherever, nobody keeps both payments and nobody sends both back. The refund's id is the order's own, so that it is one.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_row, fetch_rows, transaction
from marketplace.duplicate_orders.queries import SQL
from marketplace.duplicate_orders.tables import DuplicateOrder
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import paid_twice
from marketplace.messages.rules import Recipient
from marketplace.purchases.actions import lapse
from marketplace.purchases.refunds import request_order_refund

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.database import Values

BATCH_SIZE: Final = 200
DECIDED_BY: Final = "the site (paid twice)"


class OwnOrder(Struct, frozen=True):
    """An order and whose it is."""

    id: uuid.UUID
    partner: uuid.UUID


class First(Struct, frozen=True):
    """The order that was paid first."""

    id: uuid.UUID
    number: str


class Second(Struct, frozen=True):
    """A duplicate order, and what was decided of its money before."""

    id: uuid.UUID
    number: str
    state: str
    is_returned: bool
    is_claimed: bool
    is_disputed: bool


async def decide_duplicates() -> int:
    """Close the pages of duplicate orders and give back what was paid twice; a job. Return how many were decided."""
    found = [
        one
        for statement in (SQL["list_undecided"], SQL["list_undecided_on_credit"])
        for one in await fetch_rows(OwnOrder, statement, BATCH_SIZE)
    ]
    return sum([await _decide(one) for one in found])


async def _decide(own: OwnOrder) -> bool:
    """Decide of one duplicate order in one transaction; return whether it was decided here and now."""
    now, order = clock.now(), own.id
    async with transaction():
        await lock(f"duplicates {own.partner}")
        second = await fetch_row(Second, SQL["lock_second"], order)
        first = await _lock_first(order, now) if second else None
        state = _state_of(second, first)
        if state == "closed":
            await lapse(order)
        if second and first and state == "refunded":
            await request_order_refund(order, DECIDED_BY, refund_id=uuid.uuid5(order, "paid twice"), bears_loss=True)
            details = {"order": second.number, "first": first.number, "id": str(order)}
            await send(paid_twice.KIND, order, [Recipient("partner", str(own.partner))], **details)
        if state:
            decided: Values = {DuplicateOrder.state: state, DuplicateOrder.first: first.id if first else None}
            await DuplicateOrder.update(decided).where(DuplicateOrder.purchase_order == order)
    return bool(state)


def _state_of(second: Second | None, first: First | None) -> str:
    """Return what becomes of a duplicate order beside the one that was paid first; empty where nothing does yet."""
    if second is None or second.state == "lapsed":
        return ""
    if second.state == "awaiting_payment":
        return "closed" if first else ""
    is_decided = second.state != "paid" or second.is_returned or second.is_claimed or second.is_disputed
    return "kept" if first is None or is_decided else "refunded"


async def _lock_first(order: uuid.UUID, now: dt.datetime) -> First | None:
    """Return the order that was paid first and that its partner has, locked; None where none is left."""
    for one in await fetch_rows(OwnOrder, SQL["list_firsts"], order):
        if first := await fetch_row(First, SQL["lock_first"], one.id, now):
            return first
    return None
