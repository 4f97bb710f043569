"""Columns and constraints of links between people and identities at providers."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import of_a_person
from marketplace.people.identity.tables import Person


class IdentityLink(Table, db=DB, tablename="identity_link"):
    """The person who signs in by an identity; they made the link while signed in here, never by an address."""

    personal_data = of_a_person("until removed")
    id = UUID(primary_key=True)
    issuer = Text()
    subject = Text()
    """The provider's own id of a person: with the issuer, it is one person for good."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    linked_at = Timestamptz()
    subject_is_named = Check("length(subject) BETWEEN 1 AND 255")
    one_person_each = Unique([issuer, subject])
    one_identity_each = Unique([person, issuer])
