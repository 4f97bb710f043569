"""What getting back in changes: a password without the old one, and whether an address is known to be the person's.

Who calls has checked by a letter's link that it is them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import fetch_row, fetch_scalar, select
from marketplace.errors import NotFound
from marketplace.identity import names, passwords, rules
from marketplace.identity.tables import Person, Session

if TYPE_CHECKING:
    from marketplace.database import Values


async def find_person_by_email(email: str) -> uuid.UUID | None:
    """Return who signs in with this email."""
    return await fetch_scalar(uuid.UUID, Person.select(Person.id).where(Person.email.is_in(names.stored_as(email))))


async def find_identity(person: uuid.UUID) -> names.Identity | None:
    """Return a person's name and email; None when there is no such person."""
    row = await fetch_row(names.SealedPerson, select(names.SealedPerson, Person).where(Person.id == person))
    return names.unseal(row) if row else None


async def hash_new_password(person: uuid.UUID, password: str) -> str:
    """Return the hash of a person's new password; refuses one that is easy to guess."""
    identity = await find_identity(person)
    if identity is None:
        raise NotFound("There is no such person.")
    rules.check_password(password, identity.email, identity.name)
    return await passwords.hash_password(password)


async def set_password(person: uuid.UUID, hashed: str) -> None:
    """Change a password and end every session of the person, in the caller's transaction."""
    changed: Values = {Person.password_hash: hashed}
    await Person.update(changed).where(Person.id == person)
    await Session.delete().where(Session.person == person)


async def confirm_email(person: uuid.UUID) -> None:
    """Record that a person's address was shown to be theirs; again changes nothing."""
    confirmed: Values = {Person.email_confirmed_at: clock.now()}
    await Person.update(confirmed).where(Person.id == person, Person.email_confirmed_at.is_null())
