"""Columns and constraints of what links a person with an identity at a provider."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import of_a_person


class IdentityLink(Table, db=DB, tablename="identity_link"):
    """Who signs in when a provider names somebody: linked by the person, signed in here, and never by an address."""

    personal_data = of_a_person("until removed")
    id = UUID(primary_key=True)
    issuer = Text()
    subject = Text()
    """The provider's own name for somebody: with the issuer, one person of the world for good."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    linked_at = Timestamptz()
    subject_is_named = Check("length(subject) BETWEEN 1 AND 255")
    one_person_each = Unique([issuer, subject])
    one_identity_each = Unique([person, issuer])
