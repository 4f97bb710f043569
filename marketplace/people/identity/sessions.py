"""Sessions: a secret in a cookie, its SHA-256 in PostgreSQL. Every sign-in makes a new one and ends the old one."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import rules
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.names import SealedPerson, stored_as, unseal
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import Person, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values


class SignedIn(Struct, frozen=True):
    """The person behind a session, as stored, whether their partner is vetted, and how many messages are unread."""

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
    company_role: str | None
    last_seen_at: dt.datetime


class NeedsFactor(Struct, frozen=True):
    """Whether a person has a second factor, and their role if they are staff."""

    has_second_factor: bool
    staff_role: str | None


class KeyOwner(Struct, frozen=True):
    """The partner behind an API key, and what the key may do."""

    company: str
    id: uuid.UUID
    is_vetted: bool
    scopes: str
    key: uuid.UUID


class Place(Struct, frozen=True):
    """Where a session began."""

    device: str
    network: str


class SessionRow(Struct, frozen=True):
    """A session as its person sees it; `id` is the beginning of its digest."""

    id: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    device: str
    network: str
    is_this: bool


class Capacity(Struct, frozen=True):
    """What a person signs in as: a line's subscriber, staff with a role, or a partner's person if both are None."""

    subscriber: int | None
    staff_role: str | None


SESSION_DAYS = rules.SESSION_LASTS.days
SHOWN = 16
"""Characters of a session's digest that name it in the person's list and in the audit trail."""
HALF_SIGNED_IN_FOR = dt.timedelta(minutes=15)
"""How long the second factor may take after the right password."""


async def create_session(
    person: uuid.UUID,
    *,
    instead_of: str | None = None,
    with_factor: bool = False,
    is_proof: bool = True,
    device: str = "",
    network: str = "",
    password_hash: str | None = None,
) -> str:
    """Sign `person` in, return the new session's secret, and end the session whose secret was `instead_of`.

    Refuses, with WrongSecret, if the person, the password with `password_hash` or the session that awaited the factor
    has ended or changed since. Actions that replace or end them lock the person's row first, so this session then ends
    with the others.

    with_factor: the second factor was shown. Without it, the session of a person who has one, or is staff, awaits it.
    is_proof: a secret was shown just now; after a sign-in by a provider this is false, since the browser may have
    signed in there long before. device, network: the origin, for the person's own list; by default those of the session
    that ends.
    """
    secret = secrets.token_urlsafe(32)
    now = clock.now()
    in_force = (Person.id == person) & Person.ended_at.is_null()
    if password_hash is not None:
        in_force &= Person.password_hash == password_hash
    async with transaction():
        row = await fetch_row(NeedsFactor, select(NeedsFactor, Person).where(in_force).lock_rows("SHARE"))
        before, old = await _place(person, instead_of), Session.token_hash == digest(instead_of or "")
        ended = await Session.delete().where(old).returning(Session.token_hash) if instead_of else []
        if row is None or (with_factor and instead_of and not ended):
            raise rules.WrongSecret("That is not in force any more; sign in again.")
        new = Session(
            token_hash=digest(secret),
            person=person,
            created_at=now,
            expires_at=now + (rules.STAFF_SESSION_LASTS if row.staff_role else rules.SESSION_LASTS),
            awaits_factor=not with_factor
            and (row.has_second_factor or (row.staff_role is not None and factor_is_compulsory())),
            proved_at=now if is_proof else None,
            last_seen_at=now,
            device=device or before.device,
            network=network or before.network,
        )
        await Session.insert(new)
        verb = "password_right" if new.awaits_factor else "signed_in"
        await note_access(person, verb, new.token_hash[:SHOWN], with_factor=with_factor)
    return secret


def factor_is_compulsory() -> bool:
    """Return whether staff need a second factor: always in production, where `serve` refuses both exceptions."""
    return settings().staff_second_factor and not settings().one_click


async def find_half_signed_in(secret: str) -> uuid.UUID | None:
    """Return the person who gave the right password under this secret lately, and not yet the second factor."""
    if not secret:
        return None
    now = clock.now()
    return await fetch_scalar(uuid.UUID, SQL["find_half_signed_in"], digest(secret), now - HALF_SIGNED_IN_FOR)


async def way_on(secret: str, path: str) -> str:
    """Return the next page of a new session: `path`, or the second step while it awaits a factor.

    A partner's first page is public and would not ask for the factor.
    """
    if await find_half_signed_in(secret) is None:
        return path
    return f"/sign-in/second?{urlencode({'next': path})}"


async def adds_first_factor(secret: str) -> bool:
    """Return whether this session awaits the second factor of a person without one, who must add it first."""
    person = await find_half_signed_in(secret)
    if person is None:
        return False
    row = await fetch_row(NeedsFactor, select(NeedsFactor, Person).where(Person.id == person))
    return row is not None and not row.has_second_factor


async def record_proof(secret: str) -> None:
    """Record that the person of this session has just proved their identity again."""
    proved: Values = {Session.proved_at: clock.now()}
    mine = Session.token_hash == digest(secret)
    person = await fetch_scalar(uuid.UUID, Session.update(proved).where(mine).returning(Session.person))
    await note_access(person, "proof_given", digest(secret)[:SHOWN])


async def set_second_factor(person: uuid.UUID, *, present: bool) -> None:
    """Record whether a person has a second factor, in the transaction that adds the first or removes the last."""
    changed: Values = {Person.has_second_factor: present}
    await Person.update(changed).where(Person.id == person)


async def _place(person: uuid.UUID, secret: str | None) -> Place:
    is_this = (Session.token_hash == digest(secret or "")) & (Session.person == person)
    return await fetch_row(Place, select(Place, Session).where(is_this)) or Place("", "")


async def end_session(secret: str | None) -> None:
    """Sign out: delete the session of this secret, if there is one."""
    if not secret:
        return
    ended = Session.delete().where(Session.token_hash == digest(secret)).returning(Session.person)
    if person := await fetch_scalar(uuid.UUID, ended):
        await note_access(person, "signed_out", digest(secret)[:SHOWN])


async def actor_of_session(secret: str) -> Actor | None:
    """Return the actor signed in under this secret, or None if it is unknown or expired."""
    now, key = clock.now(), digest(secret)
    row = await fetch_row(SignedIn, SQL["find_actor_of_session"], key, *_bounds(now))
    if row is None:
        return None
    if now - row.last_seen_at >= rules.SEEN_EVERY:
        seen: Values = {Session.last_seen_at: now}
        await Session.update(seen).where(Session.token_hash == key)
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
        company_role=row.company_role,
    )


def _bounds(now: dt.datetime) -> tuple[dt.datetime, dt.datetime, dt.datetime]:
    """Return now, and the earliest last requests of staff and of everyone else for a session that is not idle."""
    return now, now - rules.STAFF_IDLE_FOR, now - rules.IDLE_FOR


async def list_sessions(person: uuid.UUID, secret: str) -> Sequence[SessionRow]:
    """List a person's sessions: the present one (of this secret) first, then the last seen first."""
    return await fetch_rows(SessionRow, SQL["list_sessions"], digest(secret), *_bounds(clock.now()), person)


async def end_own_session(person: uuid.UUID, session: str) -> None:
    """End one of a person's sessions, by its id in their list; refuses NotFound."""
    ended = await fetch_column(str, SQL["end_own_session"], person, session)
    if not ended:
        raise NotFound("There is no such session.")
    await note_access(person, "session_ended", session)


async def end_other_sessions(person: uuid.UUID, secret: str) -> None:
    """End all of a person's sessions but the one of this secret."""
    await Session.delete().where(Session.person == person, Session.token_hash != digest(secret))
    await note_access(person, "other_sessions_ended", digest(secret)[:SHOWN])


async def end_sessions(*, email: str = "", line: int | None = None) -> int:
    """End the sessions of an address's people, or of a line's holder, or, with neither, of all. Return how many."""
    whose = Session.token_hash.is_not_null()
    if line is not None or email:
        known = (
            Person.subscriber == line if line is not None else Person.email.is_in(stored_as(rules.clean_email(email)))
        )
        people = await fetch_column(uuid.UUID, Person.select(Person.id).where(known))
        whose = Session.person.is_in(people or [uuid.UUID(int=0)])
    async with transaction():
        ended = await Session.delete().where(whose).returning(Session.token_hash)
        await note_access(None, "sessions_ended", line if line is not None else "", sessions=len(ended))
    return len(ended)


async def actor_of_key(key: str) -> Actor | None:
    """Return the partner behind an API key, or None if it is unknown, expired, revoked, or its maker has gone."""
    is_ours = key.startswith(rules.SANDBOX_KEY_PREFIX) == bool(settings().sandbox_of)  # even if a database was copied
    row = await fetch_row(KeyOwner, SQL["use_key"], digest(key), clock.now()) if is_ours else None
    if row is None:
        return None
    return Actor(
        name=row.company, partner=row.id, vetted=row.is_vetted, key=row.key, scopes=frozenset(row.scopes.split())
    )


async def home_of(who: Actor | uuid.UUID) -> str:
    """Return the path of the first page after signing in."""
    if isinstance(who, uuid.UUID):
        row = await fetch_row(Capacity, select(Capacity, Person).where(Person.id == who))
        line, role = (row.subscriber, row.staff_role) if row else (None, None)
    else:
        line, role = who.subscriber, who.role
    if line is not None:
        return "/earnings"
    return "/start" if role else "/catalogue"


def form_secret(session: str, form: uuid.UUID, partner: uuid.UUID) -> str:
    """Derive a form's secret from the server's and the session's; both halves of a double click get the same."""
    made = hmac.new(settings().secret.encode(), f"{session} {form} {partner}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
