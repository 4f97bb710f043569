"""Columns and constraints of reconciliation: what a run saw."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Integer, Text, Timestamptz
from piccolo.table import Table

from marketplace.database import DB


class Reconciliation(Table, db=DB, tablename="reconciliation"):
    """One comparison of our books with Stripe's balance."""

    id = BigSerial(primary_key=True)
    at = Timestamptz()
    stripe_minor = BigInt()
    ledger_minor = BigInt()
    unmatched = Integer()
    note = Text(default="")
