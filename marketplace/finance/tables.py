"""Columns and constraints of reconciliation: what a run saw, and why money was given back."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.purchases.tables import Order


class Reconciliation(Table, db=DB, tablename="reconciliation"):
    """One comparison of our books with Stripe's balance."""

    id = BigSerial(primary_key=True)
    at = Timestamptz()
    stripe_minor = BigInt()
    ledger_minor = BigInt()
    unmatched = Integer()
    note = Text(default="")


class RefundDecision(Table, db=DB, tablename="refund_decision"):
    """Who decided to give an order's money back, and why; the form's own id makes it once."""

    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    reason = Text()
    decided_at = Timestamptz()
    reason_is_given = Check("length(btrim(reason)) BETWEEN 3 AND 2000")
