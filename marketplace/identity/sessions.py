"""Sessions: a secret in a cookie, its SHA-256 in PostgreSQL. A new one is made at every sign-in and the old one ended."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING

from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_row, select
from marketplace.identity.actions import device_mark
from marketplace.identity.actors import Actor
from marketplace.identity.names import SealedPerson, unseal
from marketplace.identity.queries import SQL
from marketplace.identity.rules import digest
from marketplace.identity.tables import Person, Session
from marketplace.settings import settings
from marketplace.web.pages import Visit, visit

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


class SignedIn(Struct, frozen=True):
    """The person behind a session, as stored, and whether their partner is vetted."""

    id: uuid.UUID
    name: str
    email: str
    partner: uuid.UUID | None
    subscriber: int | None
    staff_role: str | None
    sealed: bytes | None
    key_id: str | None
    is_vetted: bool


class KeyOwner(Struct, frozen=True):
    """The partner behind an API key."""

    company: str
    id: uuid.UUID
    is_vetted: bool


class Capacity(Struct, frozen=True):
    """What a person signs in as: a line's subscriber, staff with a role, or a partner's person where both are None."""

    subscriber: int | None
    staff_role: str | None


COOKIE = "session"
DEVICE_COOKIE = "device"
SESSION_DAYS = 7
DEVICE_DAYS = 365


def _cookie(name: str, value: str, days: int) -> Cookie:
    """Return a cookie that scripts cannot read and other sites' forms do not carry."""
    return Cookie(
        name,
        value=value,
        httponly=True,
        samesite="lax",
        max_age=days * 86400,
        secure=settings().url.startswith("https"),
        path="/",
    )


async def begin_session(person: uuid.UUID, *, instead_of: str | None = None) -> Cookie:
    """Sign `person` in under a fresh secret and end the session whose cookie was `instead_of`."""
    secret = secrets.token_urlsafe(32)
    now = clock.now()
    await end_session(instead_of)
    expires_at = now + dt.timedelta(days=SESSION_DAYS)
    await Session.insert(Session(token_hash=digest(secret), person=person, created_at=now, expires_at=expires_at))
    return _cookie(COOKIE, secret, SESSION_DAYS)


def _read_cookie(header: str) -> str | None:
    """Return the session's secret, whatever else a browser sends along: neighbours on this host may set odd cookies."""
    return dict(part.strip().partition("=")[::2] for part in header.split(";")).get(COOKIE)


def device_cookie(email: str) -> Cookie:
    """Return the mark of a browser that proved it knows this email's password (see `actions.sign_in`)."""
    return _cookie(DEVICE_COOKIE, device_mark(email.strip().lower()), DEVICE_DAYS)


def forget_cookie() -> Cookie:
    """Return the cookie that ends the browser's own copy of a session."""
    return _cookie(COOKIE, "", 0)


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
    return {"steward": "/partners", "finance": "/finance", "auditor": "/finance"}.get(role or "", "/catalogue")


class Identify:
    """Around the application: who asks. Pages are asked by session cookie, `/api/` by `Authorization: Bearer KEY` and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the actor, or None, into the scope and the page's context."""
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        actor = None
        if scope["path"].startswith("/api/"):
            scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and key:
                actor = await actor_of_key(key.strip())
        elif secret := _read_cookie(headers.get(b"cookie", b"").decode("latin-1")):
            actor = await actor_of_session(secret)
        scope["user"], scope["auth"] = actor, None
        token = visit.set(Visit(scope["path"], scope["query_string"].decode("latin-1"), actor))
        try:
            await self.app(scope, receive, send)
        finally:
            visit.reset(token)
