"""Columns and constraints of links in letters. A link's secret is derived from the site's and never stored."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person


class ResetLink(Table, db=DB, tablename="reset_link"):
    """A request for a new password: one row for each request, also if nobody has the address."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "a day",
        exported=False,
        erasure=Erasure.EXPIRES,
        ends=Ends("created_at", 1),
    )
    id = UUID(primary_key=True)
    person = UUID()
    """The person whose password it may change; an id of nobody if nobody has the address."""
    created_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)


class AddressChange(Table, db=DB, tablename="address_change"):
    """A person's new address. Both mailboxes confirm it; the old one may refuse it, and undo it for some days."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "31 days",
        exported=False,
        erasure=Erasure.DELETED,
        ends=Ends("created_at", 31),
    )
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    sealed = Bytea()
    """Both addresses, sealed in the vault for this row."""
    key_id = Text()
    """The key of PARTAGE_IDENTITY_KEYS that sealed them."""
    created_at = Timestamptz()
    new_confirmed_at = Timestamptz(null=True, default=None)
    old_confirmed_at = Timestamptz(null=True, default=None)
    """Set at once if nobody had confirmed the old address, which may be somebody else's."""
    changed_at = Timestamptz(null=True, default=None)
    """When the person began to sign in with the new address."""
    ended_at = Timestamptz(null=True, default=None)
    """When it was refused, cancelled, replaced by another one or undone."""
    new_one_is_confirmed = Check("changed_at IS NULL OR new_confirmed_at IS NOT NULL")
