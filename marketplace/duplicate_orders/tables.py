"""Columns and constraints of duplicate orders."""

from __future__ import annotations

from piccolo.columns import ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS
from marketplace.purchases.tables import Order


class DuplicateOrder(Table, db=DB, tablename="duplicate_order"):
    """An order of a release that its partner paid by another order, both made before either was paid, without a reason.

    A trigger of orders notes it in the transaction that settles a payment; the job decides.
    """

    personal_data = NOBODYS
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, primary_key=True)
    noted_at = Timestamptz()
    state = Text()
    """noted → closed (its page, before it was paid) → refunded | kept (the first one's licence had ended when it was paid)."""
    first = ForeignKey(Order, null=True, default=None, on_delete=OnDelete.restrict)
    """The order that was paid first, as it was decided."""
    known_state = Check("state IN ('noted', 'closed', 'refunded', 'kept')")
    decided_beside_the_first = Check("state NOT IN ('closed', 'refunded') OR first IS NOT NULL")
    is_not_its_own = Check("first <> purchase_order")
