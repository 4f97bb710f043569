"""Links between people and their identities at providers: made by the person, who is signed in here, and by nothing else.

A provider's word for an address is never asked for: an address can be given anew, or claimed by anyone who runs a provider.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import asyncpg
from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.errors import Conflict, NotAllowed, NotFound
from marketplace.identity.actions import NEW_PERSON
from marketplace.identity.addresses import list_gone
from marketplace.identity.guessing import by_provider, is_known_device
from marketplace.identity.likeness import note_shared_browser
from marketplace.identity.tables import Person
from marketplace.identity_providers.tables import IdentityLink
from marketplace.messages.actions import send
from marketplace.messages.kinds import identity_linked, identity_unlinked, new_device
from marketplace.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.identity_providers.rules import Provider


OF_OTHERS: Final = "This identity provider is for another organisation."


class LinkRow(Struct, frozen=True):
    """A person's identity at an issuer."""

    issuer: str
    linked_at: dt.datetime


class Organisation(Struct, frozen=True):
    """Whose person somebody is: a partner's, the operator's staff's, or nobody's."""

    partner: uuid.UUID | None
    staff_role: str | None


async def list_links(person: uuid.UUID) -> dict[str, dt.datetime]:
    """Return at which issuers a person has an identity here, and since when."""
    mine = select(LinkRow, IdentityLink).where(IdentityLink.person == person)
    return {row.issuer: row.linked_at for row in await fetch_rows(LinkRow, mine)}


async def find_person(provider: Provider, subject: str) -> uuid.UUID | None:
    """Return who is linked with an identity, unless they have gone.

    Refuses NotAllowed where the operator has given the provider to another organisation than theirs since.
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
    """Link a person with an identity and tell them; again changes nothing.

    Refuses one that is somebody else's, a second one, and as `find_person` does.
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
            await send(identity_linked.KIND, new.id, to, provider=provider.name, at=now.isoformat())
    except asyncpg.UniqueViolationError:
        raise Conflict("Another account is linked with this identity, or yours with another one.") from None


async def note_browser(person: uuid.UUID, mark: str) -> bool:
    """Write to who signs in by a provider with a browser that they did not use before; return whether it is such a one.

    mark: what the browser brings. That of a provider is not that of a password, with which a password is guessed more
    freely: who enters by a provider might not know it.
    """
    if is_known_device(str(person), mark) or is_known_device(by_provider(person), mark):
        return False
    await note_shared_browser(person, mark)
    now = clock.now()
    known = Person.select(Person.id).where(Person.id == person, Person.created_at < now - NEW_PERSON)
    if await fetch_scalar(uuid.UUID, known):
        async with transaction():
            to = [Recipient("person", str(person))]
            await send(new_device.KIND, f"{person} {now.isoformat()}", to, at=now.isoformat())
    return True


async def unlink(person: uuid.UUID, provider: Provider) -> None:
    """Remove a person's link with a provider; refuses NotFound."""
    mine = (IdentityLink.person == person) & (IdentityLink.issuer == provider.issuer)
    async with transaction():
        ended = await fetch_scalar(uuid.UUID, IdentityLink.delete().where(mine).returning(IdentityLink.id))
        if ended is None:
            raise NotFound("There is no such link.")
        await note_access(person, "identity_unlinked", provider.code)
        to = [Recipient("person", str(person))]
        await send(identity_unlinked.KIND, ended, to, provider=provider.name, at=clock.now().isoformat())
