"""Settling paid orders, and lapsing unpaid ones.

Payments are pulled: a job asks which orders' payments changed and writes the effects, each in one transaction with its
journal entry. Money that arrives after an order lapsed is honoured: the partner paid a price that we had signed.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from typing import Final

from msgspec import Struct

from marketplace.catalogue.offers.demand import record_posted_sales
from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_rows, transaction
from marketplace.core.instants import months_later
from marketplace.core.settings import settings
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.money.payments import actions as payments
from marketplace.money.payments.outbox import trace_payments
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.spending.actions import count_late
from marketplace.sales.message_kinds import PAID_TWICE
from marketplace.sales.orders.invoices import issue_invoices
from marketplace.sales.orders.limits import return_lapsed
from marketplace.sales.orders.queries import SQL
from marketplace.sales.orders.tables import Order
from marketplace.sales.orders.twice_queries import list_other_pages, list_paid_twice

TIME_TO_PAY: Final = dt.timedelta(minutes=45)
"""Stripe's hosted page lives at least half an hour; a quote that was ordered in time may be paid a little later."""
TIME_TO_TRANSFER: Final = dt.timedelta(days=14)
"""How long a bank transfer is awaited after the order."""
BATCH_SIZE: Final = 200


class PaidOrder(Struct, frozen=True):
    """An order that was paid, or sold on credit, at `money_at`, and is not settled yet; amounts in cents."""

    id: uuid.UUID
    number: str
    net_minor: int
    vat_minor: int
    currency: str
    money_at: dt.datetime
    credit_sale: uuid.UUID | None


class SoldLot(Struct, frozen=True):
    """A quote that a paid order bought, and for how many months."""

    purchase_order: uuid.UUID
    quote: uuid.UUID
    months: int


async def settle_paid() -> int:
    """Grant paid orders: licence, entitlement and sale entry, once an order; return how many were settled."""
    settled = 0
    while batch := await _settle_some():
        settled += batch
    return settled


async def _settle_some() -> int:
    began_ns = time.time_ns()
    async with transaction():
        if not (paid := await fetch_rows(PaidOrder, SQL["lock_paid_orders"], BATCH_SIZE)):
            return 0
        chosen, hold = settings(), dt.timedelta(days=settings().hold_days)
        ids, sold = [one.id for one in paid], {one.id: one for one in paid}
        lots = await fetch_rows(SoldLot, SQL["list_sold_lots"], ids)
        licences, quotes = [uuid.uuid4() for _ in lots], [lot.quote for lot in lots]
        await execute(
            """UPDATE purchase_order SET state = 'paid', paid_at = given.at
               FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, at) WHERE purchase_order.id = given.id""",
            ids,
            [one.money_at for one in paid],
        )
        await count_late(ids)
        rates = (chosen.subscribers_basis_points, chosen.operator_basis_points)
        await execute(SQL["write_licences"], quotes, licences, *rates, hold)
        ends = [months_later(sold[lot.purchase_order].money_at, lot.months) for lot in lots]
        await execute(SQL["write_entitlements"], licences, ends)
        await execute(SQL["write_of_past_recalls"], ids, clock.now())
        money = {lot.quote: sold[lot.purchase_order] for lot in lots}
        await record_posted_sales({quote: (one.money_at, one.credit_sale) for quote, one in money.items()})
        await record_all([_sale(one) for one in paid])
        await issue_invoices(ids)
        for other in await list_other_pages(ids):
            await lapse(other)
        for twice in await list_paid_twice(ids):
            details = {"order": twice.number, "first": twice.first, "id": str(twice.id)}
            await send(PAID_TWICE, twice.id, [Recipient("partner", str(twice.partner))], **details)
    await trace_payments("settle order", ids, began_ns)
    return len(paid)


def _sale(order: PaidOrder) -> Entry:
    postings = [
        (chart.PARTNERS, chart.LICENCES_SOLD, order.net_minor),
        (chart.PARTNERS, chart.VAT_COLLECTED, order.vat_minor),
    ]
    return Entry("sale", str(order.id), order.money_at, order.number, postings, order.currency, late=True)


async def lapse_unpaid() -> int:
    """Lapse the orders that were not paid in time, and have Stripe close their pages; return how many lapsed.

    A debit that its bank has yet to honour is awaited without limit, a bank transfer for two weeks. What was ordered
    under a spending limit that is not in force any more lapses at once.
    """
    now = clock.now()
    async with transaction():
        late = await fetch_column(uuid.UUID, SQL["lapse_orders"], now - TIME_TO_PAY, BATCH_SIZE, now - TIME_TO_TRANSFER)
        for one in late:
            await payments.request_expiry(one)
        await return_lapsed()
    return len(late)


async def lapse(order_id: uuid.UUID) -> None:
    """Lapse an unpaid order that may no longer be paid, in the caller's transaction, and have Stripe close its page."""
    await Order.update({Order.state: "lapsed"}).where(Order.id == order_id, Order.state == "awaiting_payment")
    await payments.request_expiry(order_id)
