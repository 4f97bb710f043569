"""Columns and constraints of the links that letters bring. A link's secret is made from the site's and never stored."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import Ends, Erasure, Of, PersonalData, of_a_person


class ResetLink(Table, db=DB, tablename="reset_link"):
    """Somebody asked for a new password: one row for each request, also where nobody has the address."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "a day",
        exported=False,
        erasure=Erasure.EXPIRES,
        ends=Ends("created_at", 1),
    )
    id = UUID(primary_key=True)
    person = UUID()
    """Whose password may be changed with it; an id of nobody's where nobody has the address."""
    created_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)


class ConfirmationLetter(Table, db=DB, tablename="confirmation_letter"):
    """A person was sent the link that confirms their address."""

    personal_data = of_a_person("until erased")
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade, primary_key=True)
    at = Timestamptz()


class AddressChange(Table, db=DB, tablename="address_change"):
    """A person gives another address, which both mailboxes confirm; the old one may refuse it, and undo it for some days."""

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
    """Which of PARTAGE_IDENTITY_KEYS sealed them."""
    created_at = Timestamptz()
    new_confirmed_at = Timestamptz(null=True, default=None)
    old_confirmed_at = Timestamptz(null=True, default=None)
    """Set at once where nobody had confirmed the old address: it may be somebody else's."""
    changed_at = Timestamptz(null=True, default=None)
    """When the person began to sign in with the new address."""
    ended_at = Timestamptz(null=True, default=None)
    """When it was refused, given up, replaced by another one or undone."""
    new_one_is_confirmed = Check("changed_at IS NULL OR new_confirmed_at IS NOT NULL")
