"""Columns of what partners confirmed: that no copy of a release that was called back is left."""

from __future__ import annotations

from piccolo.columns import ForeignKey, OnDelete, Timestamptz
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.purchases.tables import Order


class DeletionConfirmation(Table, db=DB, tablename="deletion_confirmation"):
    """A partner's word, once an order, that it deleted its copies of what was called back."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="confirmed_by = me.person"
    )
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, primary_key=True)
    confirmed_at = Timestamptz()
    confirmed_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who said so; null for a key, or where the person was erased."""
