"""An order's history, step by step, each with its instant, in the order of time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.queries import QuotePage
    from marketplace.sales.orders.invoices import InvoiceRow
    from marketplace.sales.orders.queries import OrderPage


class Step(Struct, frozen=True):
    """One step of an order's history; for a credit note, its number and its amount in cents."""

    at: dt.datetime
    what: str
    number: str = ""
    amount_minor: int = 0


def steps_of(
    order: OrderPage,
    quote: QuotePage,
    documents: Sequence[InvoiceRow],
    released_at: dt.datetime | None,
    now: dt.datetime,
) -> list[Step]:
    """Return an order's history: quoted, ordered, paid, delivered, recalled, credited, shares released, ended."""
    ended_at = order.revoked_at or order.ends_at
    known = (
        (quote.quoted_at, "quoted"),
        (order.ordered_at, "ordered"),
        (order.paid_at, "paid"),
        (order.starts_at, "delivered"),
        (order.recalled_at, "recalled"),
        (released_at, "released"),
        (ended_at, "ended"),
    )
    steps = [Step(at, what) for at, what in known if at and at <= now]
    steps += [
        Step(row.issued_at, "credited", row.number, row.total_minor) for row in documents if row.kind == "credit_note"
    ]
    return sorted(steps, key=lambda step: step.at)  # Steps of one instant stay in the order above.
