"""Changes of credentials: a password, and whether an address is known to be the person's.

The caller has proved the person's identity, by a letter's link or the present password.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import names, passwords, rules
from marketplace.people.identity.names import SealedPerson
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import Person, Session
from marketplace.people.message_kinds import CONFIRM_ADDRESS
from marketplace.people.messages.actions import send
from marketplace.people.messages.links import mark_of
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.core.database import Values


class Account(Struct, frozen=True):
    """One of the people who gave an address, described so that they recognise it: by company, line or role."""

    id: uuid.UUID
    company: str | None
    subscriber: int | None
    staff_role: str | None
    created_at: dt.datetime
    email_confirmed_at: dt.datetime | None


async def list_accounts(email: str) -> list[Account]:
    """Return the people who sign in with an address: the one who confirmed it, or all who gave it; 200 at most."""
    people = await fetch_rows(Account, SQL["list_accounts"], names.stored_as(email))
    return people[:1] if people and people[0].email_confirmed_at else people


async def find_identity(person: uuid.UUID) -> names.Identity | None:
    """Return a person's name and email; None if there is no such person."""
    row = await fetch_row(SealedPerson, select(SealedPerson, Person).where(Person.id == person))
    return names.unseal(row) if row else None


async def ask_to_confirm(person: uuid.UUID, email: str) -> None:
    """Write the letter that asks a person to confirm an address, in the transaction of their request."""
    link = f"{person}~{mark_of(email)}~{uuid.uuid4().hex[:12]}"
    await send(CONFIRM_ADDRESS, link, [Recipient("mailbox", str(person))], link=link)


async def find_hash(person: uuid.UUID, password: str) -> str | None:
    """Return the stored hash if the password is right, else None; the caller counts the attempt."""
    known = await fetch_scalar(str, Person.select(Person.password_hash).where(Person.id == person))
    return known if await passwords.matches(known, password[: rules.LONGEST_PASSWORD + 1]) else None


async def hash_new_password(person: uuid.UUID, password: str) -> str:
    """Return the hash of a person's new password; refuses one that is easy to guess."""
    identity = existing(await find_identity(person), NotFound("There is no such person."))
    rules.check_password(password, identity.email, identity.name)
    return await passwords.hash_password(password)


async def set_password(person: uuid.UUID, hashed: str, *, verb: str, instead_of: str | None = None) -> None:
    """Change a password and end every session of the person, in the caller's transaction.

    verb: the trail's word for it. instead_of: the hash of the password that was given; refuses, with WrongSecret, if it
    was replaced since.
    """
    changed: Values = {Person.password_hash: hashed}
    known = Person.password_hash == instead_of if instead_of else Person.password_hash.is_not_null()
    if not await Person.update(changed).where(Person.id == person, known).returning(Person.id):
        raise rules.WrongSecret("The current password is wrong.")
    await Session.delete().where(Session.person == person)
    await note_access(person, verb)


async def confirm_email(person: uuid.UUID) -> None:
    """Record that a person's address is theirs, and remove it from the others who gave it.

    Refuses while somebody else has confirmed it. Repeating it changes nothing.
    """
    identity = existing(await find_identity(person), NotFound("There is no such person."))
    same = (Person.email.is_in(names.stored_as(identity.email))) & (Person.id != person)
    async with transaction():
        await lock(f"email {digest(identity.email)}")
        if await Person.exists().where(same, Person.email_confirmed_at.is_not_null()):
            raise Conflict("Another account signs in with this address.")
        for other in await fetch_rows(SealedPerson, select(SealedPerson, Person).where(same)):
            # This stored value replaces a sealed address: it receives no mail, and nobody signs in with it.
            await _write_address(other, f"{other.id}{names.SEALED}")
        confirmed: Values = {Person.email_confirmed_at: clock.now()}
        changed = Person.update(confirmed).where(Person.id == person, Person.email_confirmed_at.is_null())
        if await changed.returning(Person.id):
            await note_access(person, "address_confirmed")


async def change_email(person: uuid.UUID, email: str, *, is_proven: bool = True) -> None:
    """Give a person another address; `is_proven`: it was shown to be theirs.

    A proven address is refused while somebody else has confirmed it, and removed from the others who gave it.
    """
    async with transaction():
        row = existing(
            await fetch_row(SealedPerson, select(SealedPerson, Person).where(Person.id == person)),
            NotFound("There is no such person."),
        )
        await _write_address(row, email)
        if is_proven:
            await confirm_email(person)


async def _write_address(person: SealedPerson, email: str) -> None:
    changed: Values = {Person.email: email}
    if person.subscriber is not None:
        sealed = names.seal(person.id, person.subscriber, email, names.unseal(person).name)
        changed = dict(zip((Person.email, Person.name, Person.key_id, Person.sealed), sealed, strict=True))
    await Person.update(changed | {Person.email_confirmed_at: None}).where(Person.id == person.id)
