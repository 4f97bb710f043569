"""Links between people and their identities at providers: made by the person, who is signed in here, and by nothing else.

A provider's word for an address is never asked for: an address can be given anew, or claimed by anyone who runs a provider.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import asyncpg
from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_rows, fetch_scalar, select, transaction
from marketplace.errors import Conflict, NotFound
from marketplace.identity.addresses import list_gone
from marketplace.identity_providers.tables import IdentityLink

if TYPE_CHECKING:
    from marketplace.identity_providers.rules import Provider


class LinkRow(Struct, frozen=True):
    """A person's identity at an issuer."""

    issuer: str
    linked_at: dt.datetime


async def list_links(person: uuid.UUID) -> dict[str, dt.datetime]:
    """Return at which issuers a person has an identity here, and since when."""
    mine = select(LinkRow, IdentityLink).where(IdentityLink.person == person)
    return {row.issuer: row.linked_at for row in await fetch_rows(LinkRow, mine)}


async def find_person(provider: Provider, subject: str) -> uuid.UUID | None:
    """Return who is linked with an identity, unless they have gone."""
    named = (IdentityLink.issuer == provider.issuer) & (IdentityLink.subject == subject)
    person = await fetch_scalar(uuid.UUID, IdentityLink.select(IdentityLink.person).where(named))
    return None if person is None or await list_gone([person]) else person


async def link(person: uuid.UUID, provider: Provider, subject: str) -> None:
    """Link a person with an identity; again changes nothing. Refuses one that is somebody else's, and a second one."""
    if await find_person(provider, subject) == person:
        return
    new = IdentityLink(id=uuid.uuid4(), issuer=provider.issuer, subject=subject, person=person, linked_at=clock.now())
    try:
        async with transaction():
            await IdentityLink.insert(new)
            await note_access(person, "identity_linked", provider.code)
    except asyncpg.UniqueViolationError:
        raise Conflict("Another account is linked with this identity, or yours with another one.") from None


async def unlink(person: uuid.UUID, provider: Provider) -> None:
    """Remove a person's link with a provider; refuses NotFound."""
    mine = (IdentityLink.person == person) & (IdentityLink.issuer == provider.issuer)
    async with transaction():
        if not await IdentityLink.delete().where(mine).returning(IdentityLink.id):
            raise NotFound("There is no such link.")
        await note_access(person, "identity_unlinked", provider.code)
