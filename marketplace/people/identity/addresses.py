"""Addresses of recipients: the people behind a recipient, and each one's email address and language."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.settings import settings
from marketplace.people.identity.names import SealedPerson, is_readable, unseal
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.tables import Invitation, Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.messages.rules import Recipient


OPERATOR: Final = "operator"
"""Used in place of a row's id for the operator's own mailbox, CONTACT_EMAIL."""


class PersonBehind(Struct, frozen=True):
    """A person behind a recipient, which is given by its place in the list, from 1."""

    ordinal: int
    person: uuid.UUID


class Address(Struct, frozen=True):
    """An email address, and the language to write in: fr or en."""

    email: str
    language: str


class StoredAddress(SealedPerson, frozen=True):
    """A person's address as stored."""

    language: str


async def list_people_behind(recipients: Sequence[Recipient]) -> list[PersonBehind]:
    """Return the people behind each recipient; nobody for an unclaimed line or an erased person."""
    audiences, ids = [one.audience for one in recipients], [one.id for one in recipients]
    return await fetch_rows(PersonBehind, SQL["list_people_behind"], audiences, ids)


async def find_address(person: uuid.UUID) -> Address | None:
    """Return a person's address; None if the person is gone, or none of our keys opens it."""
    row = await fetch_row(StoredAddress, select(StoredAddress, Person).where(Person.id == person))
    if row is None:
        return None
    identity = unseal(row)
    return Address(identity.email, row.language) if is_readable(identity) else None


async def find_unproven_address(row: str) -> Address | None:
    """Return an address that no person has proved yet, by the id of its row; one line below for each table."""
    if row == OPERATOR:
        return Address(settings().contact_email, "fr") if settings().contact_email else None
    email = await fetch_scalar(str, Invitation.select(Invitation.email).where(Invitation.id == uuid.UUID(row)))
    return Address(email, "fr") if email else None


async def list_gone(people: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Return the people of this list who are erased or were removed."""
    if not people:
        return []
    stayed = (Person.id.is_in(list(people))) & (Person.ended_at.is_null())
    there = await fetch_column(uuid.UUID, Person.select(Person.id).where(stayed))
    return sorted(set(people) - set(there))
