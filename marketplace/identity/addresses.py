"""Where messages reach people: the people behind a recipient, and each one's address and language."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.identity.names import SealedPerson, is_readable, unseal
from marketplace.identity.queries import SQL
from marketplace.identity.tables import Invitation, Person
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.messages.rules import Recipient


OPERATOR: Final = "operator"
"""In place of a row's id: the operator's own mailbox, CONTACT_EMAIL."""


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
    """Return the people behind each recipient; none for a line that nobody claimed, or somebody who is erased."""
    audiences, ids = [one.audience for one in recipients], [one.id for one in recipients]
    return await fetch_rows(PersonBehind, SQL["list_people_behind"], audiences, ids)


async def find_address(person: uuid.UUID) -> Address | None:
    """Return a person's address; None where there is no such person any more, or none of our keys opens it."""
    row = await fetch_row(StoredAddress, select(StoredAddress, Person).where(Person.id == person))
    if row is None:
        return None
    identity = unseal(row)
    return Address(identity.email, row.language) if is_readable(identity) else None


async def find_unproven_address(row: str) -> Address | None:
    """Return the address of somebody who is no person yet, by the id of the row that has it; a line below for each table."""
    if row == OPERATOR:
        return Address(settings().contact_email, "fr") if settings().contact_email else None
    email = await fetch_scalar(str, Invitation.select(Invitation.email).where(Invitation.id == uuid.UUID(row)))
    return Address(email, "fr") if email else None


async def list_gone(people: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Return which of these people are erased, or were removed."""
    if not people:
        return []
    stayed = (Person.id.is_in(list(people))) & (Person.ended_at.is_null())
    there = await fetch_rows(_Id, Person.select(Person.id).where(stayed))
    return sorted(set(people) - {row.id for row in there})


class _Id(Struct, frozen=True):
    id: uuid.UUID
