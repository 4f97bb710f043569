"""What getting back in changes: a password, and whether an address is known to be the person's.

Who calls has checked by a letter's link, or by the present password, that it is them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.errors import Conflict, NotFound
from marketplace.identity import names, passwords, rules
from marketplace.identity.names import SealedPerson
from marketplace.identity.queries import SQL
from marketplace.identity.rules import digest
from marketplace.identity.tables import Person, Session
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import confirm_address
from marketplace.messages.links import mark_of
from marketplace.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.database import Values


class Account(Struct, frozen=True):
    """One of the people who gave an address, as they recognise it: their company, line or role."""

    id: uuid.UUID
    company: str | None
    subscriber: int | None
    staff_role: str | None
    created_at: dt.datetime
    email_confirmed_at: dt.datetime | None


async def list_accounts(email: str) -> list[Account]:
    """Return who signs in with this address: the one who confirmed it, or everyone who gave it; 200 at most."""
    people = await fetch_rows(Account, SQL["list_accounts"], names.stored_as(email))
    return people[:1] if people and people[0].email_confirmed_at else people


async def find_identity(person: uuid.UUID) -> names.Identity | None:
    """Return a person's name and email; None when there is no such person."""
    row = await fetch_row(SealedPerson, select(SealedPerson, Person).where(Person.id == person))
    return names.unseal(row) if row else None


async def ask_to_confirm(person: uuid.UUID, email: str) -> None:
    """Write the letter that asks a person to confirm an address, in the transaction in which they gave it or asked for one."""
    link = f"{person}~{mark_of(email)}~{uuid.uuid4().hex[:12]}"
    await send(confirm_address.KIND, link, [Recipient("mailbox", str(person))], link=link)


async def find_hash(person: uuid.UUID, password: str) -> str | None:
    """Return the hash of a person's password if this is it; the caller counts the attempt."""
    known = await fetch_scalar(str, Person.select(Person.password_hash).where(Person.id == person))
    return known if await passwords.matches(known, password[: rules.LONGEST_PASSWORD + 1]) else None


async def hash_new_password(person: uuid.UUID, password: str) -> str:
    """Return the hash of a person's new password; refuses one that is easy to guess."""
    identity = await find_identity(person)
    if identity is None:
        raise NotFound("There is no such person.")
    rules.check_password(password, identity.email, identity.name)
    return await passwords.hash_password(password)


async def set_password(person: uuid.UUID, hashed: str, *, verb: str, instead_of: str | None = None) -> None:
    """Change a password and end every session of the person, in the caller's transaction.

    verb: what the audit trail calls it. instead_of: the hash of the one that was shown; refuses, with WrongSecret, if it
    was replaced since.
    """
    changed: Values = {Person.password_hash: hashed}
    known = Person.password_hash == instead_of if instead_of else Person.password_hash.is_not_null()
    if not await Person.update(changed).where(Person.id == person, known).returning(Person.id):
        raise rules.WrongSecret("The current password is wrong.")
    await Session.delete().where(Session.person == person)
    await note_access(person, verb)


async def confirm_email(person: uuid.UUID) -> None:
    """Record that a person's address was shown to be theirs, and take it from the others who gave it; again changes nothing.

    Refuses while somebody else has confirmed it.
    """
    identity = await find_identity(person)
    if identity is None:
        raise NotFound("There is no such person.")
    same = (Person.email.is_in(names.stored_as(identity.email))) & (Person.id != person)
    async with transaction():
        await lock(f"email {digest(identity.email)}")
        if await Person.exists().where(same, Person.email_confirmed_at.is_not_null()):
            raise Conflict("Another account signs in with this address.")
        for other in await fetch_rows(SealedPerson, select(SealedPerson, Person).where(same)):
            # No mail reaches this, and nobody signs in with what is stored in place of a sealed address.
            await _write_address(other, f"{other.id}{names.SEALED}")
        confirmed: Values = {Person.email_confirmed_at: clock.now()}
        changed = Person.update(confirmed).where(Person.id == person, Person.email_confirmed_at.is_null())
        if await changed.returning(Person.id):
            await note_access(person, "address_confirmed")


async def change_email(person: uuid.UUID, email: str, *, is_proven: bool = True) -> None:
    """Give a person another address, which was shown to be theirs unless it is not `is_proven`.

    One that was is refused while somebody else has confirmed it, and taken from the others who gave it.
    """
    async with transaction():
        row = await fetch_row(SealedPerson, select(SealedPerson, Person).where(Person.id == person))
        if row is None:
            raise NotFound("There is no such person.")
        await _write_address(row, email)
        if is_proven:
            await confirm_email(person)


async def _write_address(person: SealedPerson, email: str) -> None:
    changed: Values = {Person.email: email}
    if person.subscriber is not None:
        sealed = names.seal(person.id, person.subscriber, email, names.unseal(person).name)
        changed = dict(zip((Person.email, Person.name, Person.key_id, Person.sealed), sealed, strict=True))
    await Person.update(changed | {Person.email_confirmed_at: None}).where(Person.id == person.id)
