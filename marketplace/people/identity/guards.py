"""Guards: the actor, by session cookie or API key, and what it may do. Nothing else decides access.

Guards are `async` though they await nothing: Litestar would run each in a thread, at a higher cost than the check.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from litestar import Request
from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import NotAllowed
from marketplace.core.settings import settings
from marketplace.core.web.pages import Visit, visit
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.guessing import device_mark
from marketplace.people.identity.rules import ADMINISTRATOR, APPROVE, SEE_SPENDING
from marketplace.people.identity.sessions import (
    SESSION_DAYS,
    actor_of_key,
    actor_of_session,
    adds_first_factor,
    create_session,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

Who: TypeAlias = Literal[
    "anyone",
    "signed in",
    "partner",
    "vetted partner",
    "administrator",
    "approver",
    "accountant",
    "subscriber",
    "steward",
    "finance",
    "auditor",
    "the operator",
    "the monitor",
    "a recipient",
    "Stripe",
]
ActorRequest: TypeAlias = Request[Actor, Any, Any]
"""A request of somebody who is signed in."""
VisitorRequest: TypeAlias = Request[Actor | None, Any, Any]
"""A request of anybody."""
COOKIE = "session"
DEVICE_COOKIE = "device"
COOKIES = "partage.cookies"  # the keys of a request's state for cookies that were read
DEVICE_DAYS = 365
PROOF_LASTS = dt.timedelta(minutes=10)
"""How recent a proof of identity must be for money, keys, exports and erasure."""


# Cookies ------------------------------------------------------------------------------------------------------------


def cookie_name(name: str) -> str:
    """Return a cookie's name: over HTTPS with the prefix that no neighbouring host can set."""
    return f"__Host-{name}" if settings().public_url.startswith("https") else name


def _cookie(name: str, value: str, days: int) -> Cookie:
    """Return a cookie that scripts cannot read and other sites' forms do not carry."""
    return Cookie(
        cookie_name(name),
        value=value,
        httponly=True,
        samesite="lax",
        max_age=days * 86400,
        secure=settings().url.startswith("https"),
        path="/",
    )


async def begin_session(
    person: uuid.UUID,
    *,
    instead_of: str | None = None,
    with_factor: bool = False,
    is_proof: bool = True,
    device: str = "",
    network: str = "",
    password_hash: str | None = None,
) -> Cookie:
    """Sign `person` in, return the session's cookie, and end the session whose cookie was `instead_of`.

    with_factor: the second factor was shown, or is not needed. is_proof: a secret was shown just now. device, network:
    the origin, as `core.web.devices` describes it. password_hash: see `create_session`.
    """
    secret = await create_session(
        person,
        instead_of=instead_of,
        with_factor=with_factor,
        is_proof=is_proof,
        device=device,
        network=network,
        password_hash=password_hash,
    )
    return _cookie(COOKIE, secret, SESSION_DAYS)


def read_cookie(scope: Scope | HTTPScope, name: str) -> str:
    """Return one of our cookies, or ''. The browser's others are ignored: neighbouring hosts may set odd ones."""
    state = scope.setdefault("state", {})
    if (cookies := state.get(COOKIES)) is None:
        cookies = state[COOKIES] = {}
        for value in (value for key, value in scope["headers"] if key == b"cookie"):
            for part in value.decode("latin-1").split(";"):
                named, _, text = part.strip().partition("=")
                cookies[named] = text
    return str(cookies.get(cookie_name(name), ""))


def session_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the secret of the browser's session, or ''."""
    return read_cookie(connection.scope, COOKIE)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the address that a request comes from, as the server sees it, or ''."""
    return connection.client.host if connection.client else ""


def device_cookie(person: uuid.UUID | str, name: str = DEVICE_COOKIE) -> Cookie:
    """Return the mark of a browser that proved it knows this person's password, or another named mark."""
    return _cookie(name, device_mark(str(person)), DEVICE_DAYS)


def forget_cookie() -> Cookie:
    """Return the cookie that ends the browser's own copy of a session."""
    return _cookie(COOKIE, "", 0)


# Who asks -----------------------------------------------------------------------------------------------------------


class Identify:
    """Middleware that finds the actor: by session cookie for pages, only by `Authorization: Bearer KEY` for `/api/`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the actor, or None, into the scope and the page's context."""
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        actor, is_half = None, False
        if scope["path"].startswith("/api/"):
            shown = dict(scope["headers"]).get(b"authorization", b"")
            scheme, _, key = shown.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and key:
                actor = await actor_of_key(key.strip())
        elif secret := read_cookie(scope, COOKIE):
            actor = await actor_of_session(secret)
            is_half = actor is None and await adds_first_factor(secret)
        scope["user"], scope["auth"] = actor, None
        scope["adds_first_factor"] = is_half  # type: ignore[typeddict-unknown-key]
        token = visit.set(Visit(scope["path"], scope["query_string"].decode("latin-1"), actor))
        try:
            await self.app(scope, receive, send)
        finally:
            visit.reset(token)


# Who may ------------------------------------------------------------------------------------------------------------


def _actor(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Actor:
    actor: Actor | None = connection.scope.get("user")
    if actor is None:
        raise NotAuthorizedException
    if actor.scopes is not None:
        scope = getattr(handler.opt.get("expectation"), "scope", None)
        if scope is None or (scope and scope not in actor.scopes):
            raise NotAllowed("This key may not do that: it was not made for it.")
    return actor


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a signed-in person or key."""
    _actor(connection, handler)


async def may_add_factor(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a signed-in person, or staff who gave the right password and have no second factor yet."""
    if not connection.scope.get("adds_first_factor") and _actor(connection, handler).person is None:
        raise NotAuthorizedException


class ProofTooOldError(NotAllowed):
    """The request needs a fresh proof of identity; the page that asks for one is shown first."""


async def recently_proved(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a person who proved their identity some minutes ago: for money, keys, exports, erasure. API keys pass."""
    if connection.scope.get("adds_first_factor"):
        return
    actor = _actor(connection, handler)
    if actor.person is None or settings().one_click:
        return
    if actor.proved_at is None or clock.now() - actor.proved_at > PROOF_LASTS:
        raise ProofTooOldError("Show first that it is still you.")


async def partner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a partner's people and keys, vetted or not."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")


async def vetted_partner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a partner that a steward has vetted."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")
    if not _actor(connection, handler).vetted:
        raise NotAllowed("Your company is not vetted yet; a steward looks at new partners within two working days.")


async def administrator(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a partner's administrators."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")
    if _actor(connection, handler).company_role != ADMINISTRATOR:
        raise NotAllowed("Only an administrator of your company may do that.")


async def approver(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a partner's people who approve orders."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")
    if _actor(connection, handler).company_role not in APPROVE:
        raise NotAllowed("Only an administrator or approver of your company may do that.")


async def accountant(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a partner's people who see what is spent."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")
    if _actor(connection, handler).company_role not in SEE_SPENDING:
        raise NotAllowed("Only an administrator or accountant of your company may see that.")


async def subscriber(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit the holder of a line."""
    if _actor(connection, handler).subscriber is None:
        raise NotAllowed("This page is for subscribers.")


def staff(*roles: str) -> Guard:
    """Admit staff with one of `roles`."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if _actor(connection, handler).role not in roles:
            raise NotAllowed("This page is for these staff: {roles}.", roles=roles)

    return guard


class Expectation(Struct, frozen=True):
    """Who may use a route, and the status that somebody else's id gets there; None if the path has no id."""

    who: frozenset[Who]
    stranger: int | None
    scope: str | None = None
    """The scope that an API key needs: a word of `rules.SCOPES`, '' if any key may; None if no key may."""


def expect(*who: Who, stranger: int | None = None, scope: str | None = None) -> dict[str, Any]:
    """Return a route's `opt`: who may use it (again, next to the guard), and the answer to a stranger's id.

    A test requests every route as every kind of visitor and compares. stranger: 200 if everybody who may use the route
    may use every id.
    """
    return {"expectation": Expectation(frozenset(who), stranger, scope)}
