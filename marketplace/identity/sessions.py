"""Sessions: a secret in a cookie, its SHA-256 in PostgreSQL. A new one is made at every sign-in and the old one ended."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING

from litestar.datastructures import Cookie
from litestar.enums import ScopeType

from marketplace import clock
from marketplace.database import execute, fetch_one
from marketplace.identity.actions import device_mark, digest
from marketplace.identity.actors import Actor
from marketplace.identity.names import unseal
from marketplace.settings import settings
from marketplace.web.pages import Visit, visit

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

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
    await execute(
        "INSERT INTO session (token_hash, person, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        digest(secret), person, now, now + dt.timedelta(days=SESSION_DAYS),
    )  # fmt: skip
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
        await execute("DELETE FROM session WHERE token_hash = $1", digest(secret))


async def actor_of_session(secret: str) -> Actor | None:
    """Return who is signed in under this secret, or None when it is unknown or expired."""
    row = await fetch_one(
        """SELECT person.id, person.name, person.partner, person.subscriber, person.staff_role, sealed, key_id,
                  partner.vetted_at IS NOT NULL AS vetted
           FROM session JOIN person ON person.id = session.person LEFT JOIN partner ON partner.id = person.partner
           WHERE session.token_hash = $1 AND session.expires_at > $2""",
        digest(secret), clock.now(),
    )  # fmt: skip
    if row is None:
        return None
    return Actor(
        name=unseal(row)["name"], person=row["id"], partner=row["partner"], vetted=bool(row["vetted"]),
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


async def home_of(who: Actor | uuid.UUID) -> str:
    """Return the path of the page that someone's day begins with."""
    if isinstance(who, uuid.UUID):
        row = await fetch_one("SELECT subscriber, staff_role FROM person WHERE id = $1", who)
        line, role = (row["subscriber"], row["staff_role"]) if row else (None, None)
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
