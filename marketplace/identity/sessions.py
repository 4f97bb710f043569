"""Sessions: a secret in a browser's cookie, its SHA-256 in PostgreSQL. A new one is made at every sign-in and the old one ended."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_row, fetch_scalar, select
from marketplace.identity.actors import Actor
from marketplace.identity.names import SealedPerson, unseal
from marketplace.identity.queries import SQL
from marketplace.identity.rules import digest
from marketplace.identity.tables import Person, Session
from marketplace.settings import settings

if TYPE_CHECKING:
    from marketplace.database import Values


class SignedIn(Struct, frozen=True):
    """The person behind a session, as stored, whether their partner is vetted, and how many messages they have not read."""

    id: uuid.UUID
    name: str
    email: str
    partner: uuid.UUID | None
    subscriber: int | None
    staff_role: str | None
    sealed: bytes | None
    key_id: str | None
    is_vetted: bool
    unread: int
    proved_at: dt.datetime | None


class NeedsFactor(Struct, frozen=True):
    """Whether a person has a second factor, and their role if they are staff."""

    has_second_factor: bool
    staff_role: str | None


class KeyOwner(Struct, frozen=True):
    """The partner behind an API key."""

    company: str
    id: uuid.UUID
    is_vetted: bool


class Capacity(Struct, frozen=True):
    """What a person signs in as: a line's subscriber, staff with a role, or a partner's person where both are None."""

    subscriber: int | None
    staff_role: str | None


SESSION_DAYS = 7
HALF_SIGNED_IN_FOR = dt.timedelta(minutes=15)
"""How long a right password waits for the second factor."""


async def create_session(person: uuid.UUID, *, instead_of: str | None = None, with_factor: bool = False) -> str:
    """Sign `person` in, return the new session's secret, and end the session whose secret was `instead_of`.

    with_factor: the second factor was shown. Without it the session of a person who has one, or is staff, awaits it.
    """
    secret = secrets.token_urlsafe(32)
    now = clock.now()
    await end_session(instead_of)
    new = Session(
        token_hash=digest(secret),
        person=person,
        created_at=now,
        expires_at=now + dt.timedelta(days=SESSION_DAYS),
        awaits_factor=not with_factor and await _needs_factor(person),
        proved_at=now,
    )
    await Session.insert(new)
    return secret


async def _needs_factor(person: uuid.UUID) -> bool:
    row = await fetch_row(NeedsFactor, select(NeedsFactor, Person).where(Person.id == person))
    return row is not None and (row.has_second_factor or (row.staff_role is not None and factor_is_compulsory()))


def factor_is_compulsory() -> bool:
    """Return whether staff need a second factor: always in production, where `serve` refuses both exceptions."""
    return settings().staff_second_factor and not settings().one_click


async def find_half_signed_in(secret: str) -> uuid.UUID | None:
    """Return who gave the right password under this secret some minutes ago, and not yet the second factor."""
    if not secret:
        return None
    now = clock.now()
    return await fetch_scalar(uuid.UUID, SQL["find_half_signed_in"], digest(secret), now - HALF_SIGNED_IN_FOR)


async def adds_first_factor(secret: str) -> bool:
    """Return whether this session awaits the second factor of a person who has none: they add it before anything else."""
    person = await find_half_signed_in(secret)
    if person is None:
        return False
    row = await fetch_row(NeedsFactor, select(NeedsFactor, Person).where(Person.id == person))
    return row is not None and not row.has_second_factor


async def record_proof(secret: str) -> None:
    """Record that the person of this session has just shown again that it is them."""
    proved: Values = {Session.proved_at: clock.now()}
    await Session.update(proved).where(Session.token_hash == digest(secret))


async def set_second_factor(person: uuid.UUID, *, present: bool) -> None:
    """Record whether a person has a second factor, in the transaction that adds the first one or removes the last."""
    changed: Values = {Person.has_second_factor: present}
    await Person.update(changed).where(Person.id == person)


async def end_session(secret: str | None) -> None:
    """Sign out: forget the session of this secret, if there is one."""
    if secret:
        await Session.delete().where(Session.token_hash == digest(secret))


async def actor_of_session(secret: str) -> Actor | None:
    """Return who is signed in under this secret, or None when it is unknown or expired."""
    row = await fetch_row(SignedIn, SQL["find_actor_of_session"], digest(secret), clock.now())
    if row is None:
        return None
    identity = unseal(SealedPerson(row.id, row.subscriber, row.email, row.name, row.sealed, row.key_id))
    return Actor(
        name=identity.name,
        person=row.id,
        partner=row.partner,
        vetted=row.is_vetted,
        subscriber=row.subscriber,
        role=row.staff_role,
        unread=row.unread,
        proved_at=row.proved_at,
    )


async def actor_of_key(key: str) -> Actor | None:
    """Return the partner behind an API key, or None when it is unknown or revoked."""
    row = await fetch_row(
        KeyOwner,
        """UPDATE api_key SET last_used_at = $2 FROM partner
           WHERE api_key.key_hash = $1 AND api_key.revoked_at IS NULL AND partner.id = api_key.partner
           RETURNING partner.company, partner.id, partner.vetted_at IS NOT NULL AS is_vetted""",
        digest(key),
        clock.now(),
    )
    return Actor(name=row.company, partner=row.id, vetted=row.is_vetted) if row else None


async def home_of(who: Actor | uuid.UUID) -> str:
    """Return the path of the first page for someone who signs in."""
    if isinstance(who, uuid.UUID):
        row = await fetch_row(Capacity, select(Capacity, Person).where(Person.id == who))
        line, role = (row.subscriber, row.staff_role) if row else (None, None)
    else:
        line, role = who.subscriber, who.role
    if line is not None:
        return "/earnings"
    return "/start" if role else "/catalogue"


def form_secret(session: str, form: uuid.UUID, partner: uuid.UUID) -> str:
    """Derive a form's secret from the server's and the session's: the same for both halves of a double click."""
    made = hmac.new(settings().secret.encode(), f"{session} {form} {partner}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
