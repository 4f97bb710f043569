"""Columns and constraints of personal links."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person
from marketplace.sales.orders.tables import Entitlement


class PersonalLink(Table, db=DB, tablename="personal_link"):
    """A link to an entitlement's files; its signature is derived from the site's secret and not in the database."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    entitlement = ForeignKey(Entitlement, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who made it; it ends with them. Null once that person is erased."""
    label = Text()
    created_at = Timestamptz()
    ends_at = Timestamptz()
    """At most the licence's end."""
    last_used_at = Timestamptz(null=True, default=None)
    """To the minute."""
    revoked_at = Timestamptz(null=True, default=None)
    label_is_given = Check("length(btrim(label)) BETWEEN 1 AND 80")
    ends_after_it_begins = Check("created_at < ends_at")
