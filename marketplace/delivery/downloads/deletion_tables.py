"""Columns of partners' confirmations that they have no copy of a recalled release left."""

from __future__ import annotations

from piccolo.columns import ForeignKey, OnDelete, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person
from marketplace.sales.orders.tables import Entitlement


class DeletionConfirmation(Table, db=DB, tablename="deletion_confirmation"):
    """A partner's confirmation, one for each entitlement, that it deleted its copies of a recalled release."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="confirmed_by = me.person"
    )
    entitlement = ForeignKey(Entitlement, null=False, on_delete=OnDelete.restrict, primary_key=True)
    confirmed_at = Timestamptz()
    confirmed_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who confirmed; null for a key, or once the person is erased."""
