"""Refunds that staff decide: requested from Stripe, and recorded once payments reports them as done.

A partial refund leaves the licence and its shares as they are; a full one ends the licence at once.
Each pass is one transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.money.credit.actions import reduce_credit
from marketplace.money.payments import actions as payments
from marketplace.money.payments.queries import find_refund_amount, get_payment, has_last_refund_failed
from marketplace.sales.orders.queries import SQL, get_order
from marketplace.sales.orders.returns import (
    ReturnableOrder,
    end_licences,
    end_lots,
    lock_licences,
    make_return,
    settle_contests,
    write_returns,
)
from marketplace.sales.orders.tables import Order, OrderReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values

BATCH_SIZE: Final = 200


class OrderToRefund(ReturnableOrder, frozen=True):
    """An order and the amount that may be refunded; amounts in cents."""

    state: str
    returned_minor: int
    is_disputed: bool
    is_on_credit: bool


class LicencesToEnd(Struct, frozen=True):
    """Until when the shares of an order's licences in force are held, and when the last was cancelled; None: some are in force."""

    hold_until: dt.datetime
    cancelled_at: dt.datetime | None


class RecalledLot(Struct, frozen=True):
    """A lot whose release was called back while its licence lasted; what is left of its price, in cents with VAT."""

    quote: uuid.UUID
    cancelled_at: dt.datetime | None
    left_minor: int


class RefundedOrder(ReturnableOrder, frozen=True):
    """An order for which Stripe refunded `more_minor` cents more than is in the books."""

    more_minor: int


async def return_money_of_recalled(partner: uuid.UUID, order_id: uuid.UUID, *, by: str, refund_id: uuid.UUID) -> None:
    """Refund all of a partner's money for the releases of an order that were called back while their licences lasted.

    The operator called them back, and bears what people were already paid. Refuses any other order, and another
    partner's.
    """
    lots = (await get_order(partner, order_id)).lots
    async with transaction():
        order, _ = await _lock(order_id)
        recalled = await fetch_rows(RecalledLot, SQL["list_recalled_lots"], order_id)
        if order.state != "paid" or not recalled:
            raise Conflict("Only an order whose release was called back while its licence lasted is paid back at once.")
        is_again = await has_last_refund_failed(order_id) or await find_refund_amount(refund_id) is not None
        if not (owed := [lot for lot in recalled if is_again or lot.cancelled_at is None]):
            return
        amount = None if len(owed) == lots else sum(lot.left_minor for lot in owed)
        ended = [lot.quote for lot in owed]
        await request_order_refund(
            order_id, f"{by} (called back)", refund_id=refund_id, amount_minor=amount, bears_loss=True, ended=ended
        )


async def check_order_refund(order_id: uuid.UUID, amount_minor: int | None, *, bears_loss: bool) -> tuple[str, int]:
    """Return the order's number and what a refund of it gives back, in cents; refuse one that cannot be requested now.

    It locks the order. amount_minor: VAT included; None: all that remains.
    """
    order, licence = await _lock(order_id)
    if order.state != "paid" or licence is None:
        raise Conflict("Only a paid order can be refunded; this one is not paid.")
    if licence.cancelled_at is not None and not await has_last_refund_failed(order_id):
        raise Conflict("All of this payment goes back already.")
    return order.number, _check_refund(order, licence, amount_minor, clock.now(), bears_loss=bears_loss)


async def _lock(order_id: uuid.UUID) -> tuple[OrderToRefund, LicencesToEnd | None]:
    """Return an order and, if it has licences, when the last of them ends its hold and was cancelled, all locked."""
    order = existing(await fetch_row(OrderToRefund, SQL["lock_order"], order_id), NotFound("There is no such order."))
    await lock_licences([order_id])
    return order, await fetch_row(LicencesToEnd, SQL["get_licences_to_end"], order_id)


async def request_order_refund(
    order_id: uuid.UUID,
    by: str,
    *,
    refund_id: uuid.UUID,
    amount_minor: int | None = None,
    bears_loss: bool = False,
    ended: Sequence[uuid.UUID] = (),
) -> None:
    """Refund a paid order, or a part of it; `by` names who decided.

    ended: the quotes of the lots that it gives back whole; their licences end.

    `refund_id` is the form's: a form sent twice refunds once.

    amount_minor: VAT included; None: all that remains. While shares are held they follow; once the hold is over they
    stay the subscribers', and this refuses unless a person confirms that the operator `bears_loss`. A full refund that
    Stripe refused, or the partner's bank returned, may be requested again at any time: the shares were cancelled with
    the first.
    """
    async with transaction():
        order, licence = await _lock(order_id)
        asked_minor = await find_refund_amount(refund_id)
        if asked_minor is not None:
            await payments.request_refund(order_id, amount_minor=amount_minor or asked_minor, refund_id=refund_id)
            return
        if order.state == "refunded" or await OrderReturn.exists().where(OrderReturn.id == refund_id):
            await _send_again(order, refund_id)
            return
        if order.state != "paid" or licence is None:
            raise Conflict("Only a paid order can be refunded; this one is not paid.")
        if licence.cancelled_at is not None and not await has_last_refund_failed(order_id):
            return
        now = clock.now()
        amount = _check_refund(order, licence, amount_minor, now, bears_loss=bears_loss)
        decided: Values = {Order.refund_requested_at: now, Order.refund_requested_by: by}
        await Order.update(decided).where(Order.id == order_id)
        if order.is_on_credit:
            await end_lots(ended, now)
            await _return_on_credit(order, amount, refund_id)
            return
        await payments.request_refund(order_id, amount_minor=amount, refund_id=refund_id)
        await (end_licences([order_id], now) if amount == order.left_minor else end_lots(ended, now))
        contested = "UPDATE licence SET contested_at = coalesce(contested_at, $2) WHERE purchase_order = $1"
        await execute(contested, order_id, now)


def _check_refund(
    order: OrderToRefund, licence: LicencesToEnd, amount_minor: int | None, now: dt.datetime, *, bears_loss: bool
) -> int:
    """Return how much of a paid order is refunded, in cents; refuse disputed money, released shares, and too much."""
    if order.is_disputed:
        raise Conflict("This payment is disputed: whether the money goes back is the bank’s to say now.")
    if licence.cancelled_at is None and licence.hold_until <= now and not bears_loss:
        raise Conflict(
            "The hold has ended and the shares stay the subscribers’: say that the operator bears the loss, or do not refund."
        )
    amount = order.left_minor if amount_minor is None else amount_minor
    if not 0 < amount <= order.left_minor:
        raise Invalid("That is not between one cent and what is left of this payment.")
    return amount


async def _return_on_credit(order: OrderToRefund, amount_minor: int, return_id: uuid.UUID) -> None:
    """Return an amount of a sale on credit: the debt is reduced at once, without Stripe."""
    now = await lock_licences([order.id])
    await write_returns([make_return(order, amount_minor, "refund", now, return_id=return_id)], now, is_refund=True)
    await reduce_credit(order.id, amount_minor, return_id=return_id, at=now)
    await settle_contests()


async def _send_again(order: OrderToRefund, refund_id: uuid.UUID) -> None:
    """Send a refunded order's money once more, if the partner's bank returned it; otherwise nothing is owed."""
    if order.is_on_credit:
        return
    refunded = (await get_payment(order.id)).refunded_minor
    if refunded < order.returned_minor:
        await payments.request_refund(order.id, amount_minor=order.returned_minor - refunded, refund_id=refund_id)


async def record_refunds() -> int:
    """Record the refunds that payments report: entry, credit note, remaining licence and shares; return how many."""
    async with transaction():
        orders = await fetch_rows(RefundedOrder, SQL["lock_refunded_orders"], BATCH_SIZE)
        now = await lock_licences([order.id for order in orders])
        returns = [make_return(order, min(order.more_minor, order.left_minor), "refund", now) for order in orders]
        await write_returns(returns, now, is_refund=True)
        await settle_contests()
    return len(orders)
