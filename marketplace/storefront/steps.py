"""What has happened to an order, step by step: each with its instant, in the order of time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.queries import QuotePage
    from marketplace.purchases.invoices import InvoiceRow
    from marketplace.purchases.queries import OrderPage


class Step(Struct, frozen=True):
    """One thing that happened; of a credit note, its number and what it is of, in cents."""

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
    """Return what happened to an order until now: quoted, ordered, paid, delivered, called back, credited, shares released, ended."""
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
    return sorted(steps, key=lambda step: step.at)  # Steps of one instant stay as they are written above.
