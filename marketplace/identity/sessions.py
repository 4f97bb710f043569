"""Sessions: a secret in a cookie, its SHA-256 in PostgreSQL. A new one is made at every sign-in and the old one ended."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from litestar.datastructures import Cookie

from marketplace import clock
from marketplace.database import execute, fetch_one
from marketplace.identity.actors import Actor
from marketplace.settings import settings
from marketplace.web.pages import Visit, visit

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

COOKIE = "session"
SESSION_DAYS = 7


def digest(secret: str) -> str:
    """Return the SHA-256 of a session secret or API key, hex: all that is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def begin_session(person: uuid.UUID, *, instead_of: str | None = None) -> Cookie:
    """Sign `person` in under a fresh secret and end the session whose cookie was `instead_of`."""
    secret = secrets.token_urlsafe(32)
    now = clock.now()
    await end_session(instead_of)
    await execute(
        "INSERT INTO session (token_hash, person, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        digest(secret), person, now, now + dt.timedelta(days=SESSION_DAYS),
    )  # fmt: skip
    return Cookie(
        COOKIE, value=secret, httponly=True, samesite="lax", max_age=SESSION_DAYS * 86400,
        secure=settings().url.startswith("https"), path="/",
    )  # fmt: skip


async def end_session(secret: str | None) -> None:
    """Sign out: forget the session of this secret, if there is one."""
    if secret:
        await execute("DELETE FROM session WHERE token_hash = $1", digest(secret))


async def actor_of_session(secret: str) -> Actor | None:
    """Return who is signed in under this secret, or None when it is unknown or expired."""
    row = await fetch_one(
        """SELECT person.id, person.name, person.partner, person.subscriber, person.staff_role,
                  partner.vetted_at IS NOT NULL AS vetted
           FROM session JOIN person ON person.id = session.person LEFT JOIN partner ON partner.id = person.partner
           WHERE session.token_hash = $1 AND session.expires_at > $2""",
        digest(secret), clock.now(),
    )  # fmt: skip
    if row is None:
        return None
    return Actor(
        name=row["name"], person=row["id"], partner=row["partner"], vetted=bool(row["vetted"]),
        subscriber=row["subscriber"], role=row["staff_role"],
    )  # fmt: skip


async def actor_of_key(key: str) -> Actor | None:
    """Return the partner behind an API key, or None when it is unknown or revoked."""
    row = await fetch_one(
        """UPDATE api_key SET last_used_at = $2 FROM partner
           WHERE api_key.key_hash = $1 AND api_key.revoked_at IS NULL AND partner.id = api_key.partner
           RETURNING partner.company, partner.id, partner.vetted_at IS NOT NULL AS vetted""",
        digest(key), clock.now(),
    )  # fmt: skip
    return Actor(name=row["company"], partner=row["id"], vetted=row["vetted"]) if row else None


class Identify:
    """Around the application: who asks. Pages are asked by session cookie, `/api/` by `Authorization: Bearer KEY` and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the actor, or None, into the scope and the page's context."""
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        actor = None
        if scope["path"].startswith("/api/"):
            scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and key:
                actor = await actor_of_key(key.strip())
        elif secret := SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE):
            actor = await actor_of_session(secret.value)
        scope["user"], scope["auth"] = actor, None
        token = visit.set(Visit(scope["path"], scope["query_string"].decode("latin-1"), actor))
        try:
            await self.app(scope, receive, send)
        finally:
            visit.reset(token)
