"""Links between people and identities at providers; only the person makes one, while signed in here.

A provider's statement about an email address is never used: an address can be reassigned, or claimed by anyone who runs
a provider.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import asyncpg
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, NotAllowed, NotFound, existing
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.actions import NEW_PERSON
from marketplace.people.identity.addresses import list_gone
from marketplace.people.identity.guessing import by_provider, is_known_device
from marketplace.people.identity.likeness import note_shared_browser
from marketplace.people.identity.tables import Person
from marketplace.people.message_kinds import IDENTITY_LINKED, IDENTITY_UNLINKED, NEW_DEVICE
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in.provider_tables import IdentityLink

if TYPE_CHECKING:
    from marketplace.people.sign_in.provider_rules import Provider


OF_OTHERS: Final = "This identity provider is for another organisation."


class LinkRow(Struct, frozen=True):
    """A person's identity at an issuer."""

    issuer: str
    linked_at: dt.datetime


class Organisation(Struct, frozen=True):
    """The organisation of a person: a partner, the operator's staff, or none."""

    partner: uuid.UUID | None
    staff_role: str | None


async def list_links(person: uuid.UUID) -> dict[str, dt.datetime]:
    """Return the issuers at which a person has an identity linked here, and since when."""
    mine = select(LinkRow, IdentityLink).where(IdentityLink.person == person)
    return {row.issuer: row.linked_at for row in await fetch_rows(LinkRow, mine)}


async def find_person(provider: Provider, subject: str) -> uuid.UUID | None:
    """Return the person linked with an identity, unless they have gone.

    Refuses NotAllowed if the operator has since given the provider to another organisation.
    """
    named = (IdentityLink.issuer == provider.issuer) & (IdentityLink.subject == subject)
    person = await fetch_scalar(uuid.UUID, IdentityLink.select(IdentityLink.person).where(named))
    if person is None or await list_gone([person]):
        return None
    theirs = await fetch_row(Organisation, select(Organisation, Person).where(Person.id == person))
    if theirs is None or not provider.is_for(theirs.partner, theirs.staff_role):
        raise NotAllowed(OF_OTHERS)
    return person


async def link(person: uuid.UUID, provider: Provider, subject: str) -> None:
    """Link a person with an identity and notify them; repeating it changes nothing.

    Refuses an identity of somebody else, a second one, and as `find_person` does.
    """
    if await find_person(provider, subject) == person:
        return
    now = clock.now()
    new = IdentityLink(id=uuid.uuid4(), issuer=provider.issuer, subject=subject, person=person, linked_at=now)
    to = [Recipient("person", str(person))]
    try:
        async with transaction():
            await IdentityLink.insert(new)
            await note_access(person, "identity_linked", provider.code)
            await send(IDENTITY_LINKED, new.id, to, provider=provider.name, at=now.isoformat())
    except asyncpg.UniqueViolationError:
        raise Conflict("Another account is linked with this identity, or yours with another one.") from None


async def note_browser(person: uuid.UUID, mark: str) -> bool:
    """Notify a person of a sign-in by a provider with a new browser; return whether it is new.

    mark: the browser's present mark. A provider's mark differs from a password's, with which guesses at the password
    are freer: a person who enters by a provider might not know the password.
    """
    if is_known_device(str(person), mark) or is_known_device(by_provider(person), mark):
        return False
    await note_shared_browser(person, mark)
    now = clock.now()
    known = Person.select(Person.id).where(Person.id == person, Person.created_at < now - NEW_PERSON)
    if await fetch_scalar(uuid.UUID, known):
        async with transaction():
            to = [Recipient("person", str(person))]
            await send(NEW_DEVICE, f"{person} {now.isoformat()}", to, at=now.isoformat())
    return True


async def unlink(person: uuid.UUID, provider: Provider) -> None:
    """Remove a person's link with a provider; refuses NotFound."""
    mine = (IdentityLink.person == person) & (IdentityLink.issuer == provider.issuer)
    async with transaction():
        ended = existing(
            await fetch_scalar(uuid.UUID, IdentityLink.delete().where(mine).returning(IdentityLink.id)),
            NotFound("There is no such link."),
        )
        await note_access(person, "identity_unlinked", provider.code)
        to = [Recipient("person", str(person))]
        await send(IDENTITY_UNLINKED, ended, to, provider=provider.name, at=clock.now().isoformat())
