"""Guards: who asks, by session cookie or API key, and who may. Pages and APIs name a guard; nothing else decides access.

Guards are `async` though none waits: Litestar would hand each of them to a thread, which costs more than what it guards.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from msgspec import Struct

from marketplace import clock
from marketplace.errors import NotAllowed
from marketplace.identity.guessing import device_mark
from marketplace.identity.sessions import (
    SESSION_DAYS,
    actor_of_key,
    actor_of_session,
    adds_first_factor,
    create_session,
)
from marketplace.settings import settings
from marketplace.web.pages import Visit, visit

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    from marketplace.identity.actors import Actor

    Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

Who: TypeAlias = Literal[
    "anyone",
    "signed in",
    "partner",
    "vetted partner",
    "administrator",
    "subscriber",
    "steward",
    "finance",
    "auditor",
    "the operator",
    "the monitor",
    "a recipient",
    "Stripe",
]
COOKIE = "session"
DEVICE_COOKIE = "device"
COOKIES = "partage.cookies"  # where a request's state has them, once they have been read
DEVICE_DAYS = 365
PROOF_LASTS = dt.timedelta(minutes=10)
"""How long ago a person may have shown that it is them where money, keys, exports or erasure are at stake."""


# Cookies ------------------------------------------------------------------------------------------------------------


def cookie_name(name: str) -> str:
    """Return what a cookie is called: over HTTPS with the prefix that no neighbouring host can set."""
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

    with_factor: the second factor was shown, or none is asked for. is_proof: a secret was shown just now. device, network:
    where from, as `web.devices` says it. password_hash: as `create_session` has it.
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
    """Return one of our cookies, or '', beside everything else that a browser sends: neighbours may set odd cookies."""
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
    """Return the address that a request comes from, as the server knows it, or ''."""
    return connection.client.host if connection.client else ""


def device_cookie(person: uuid.UUID | str, name: str = DEVICE_COOKIE) -> Cookie:
    """Return the mark of a browser that proved it knows this person's password (see `actions.sign_in`), or more by its name."""
    return _cookie(name, device_mark(str(person)), DEVICE_DAYS)


def forget_cookie() -> Cookie:
    """Return the cookie that ends the browser's own copy of a session."""
    return _cookie(COOKIE, "", 0)


# Who asks -----------------------------------------------------------------------------------------------------------


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
    """Let anyone in who is signed in."""
    _actor(connection, handler)


async def may_add_factor(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a person in who is signed in, or staff who gave the right password and have no second factor to show yet."""
    if not connection.scope.get("adds_first_factor") and _actor(connection, handler).person is None:
        raise NotAuthorizedException


class ProofTooOldError(NotAllowed):
    """What is asked needs a fresh proof: the page that asks for it is shown first."""


async def recently_proved(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let in who has shown within some minutes that it is them: for money, keys, exports and erasure. Keys have no minutes."""
    if connection.scope.get("adds_first_factor"):
        return
    actor = _actor(connection, handler)
    if actor.person is None or settings().one_click:
        return
    if actor.proved_at is None or clock.now() - actor.proved_at > PROOF_LASTS:
        raise ProofTooOldError("Show first that it is still you.")


async def partner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a partner's people and keys in, vetted or not."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")


async def vetted_partner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a partner in that a steward has vetted."""
    if _actor(connection, handler).partner is None:
        raise NotAllowed("This page is for partners.")
    if not _actor(connection, handler).vetted:
        raise NotAllowed("Your company is not vetted yet; a steward looks at new partners within two working days.")


async def administrator(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a partner's people in who administer it."""
    actor = _actor(connection, handler)
    if actor.partner is None:
        raise NotAllowed("This page is for partners.")
    if actor.is_member or actor.person is None:
        raise NotAllowed("Only an administrator of your company may do that.")


async def subscriber(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the holder of a line in."""
    if _actor(connection, handler).subscriber is None:
        raise NotAllowed("This page is for subscribers.")


def staff(*roles: str) -> Guard:
    """Let staff in that hold one of `roles`."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if _actor(connection, handler).role not in roles:
            raise NotAllowed("This page is for these staff: {roles}.", roles=roles)

    return guard


class Expectation(Struct, frozen=True):
    """Who may ask a route, and the status that an id of somebody else gets there; None where the path has no id."""

    who: frozenset[Who]
    stranger: int | None
    scope: str | None = None
    """What an API key needs: a word of `rules.SCOPES`, '' where any key may; None where no key may."""


def expect(*who: Who, stranger: int | None = None, scope: str | None = None) -> dict[str, Any]:
    """Return the `opt` of a route: who may ask, said once more beside the guard, and what a stranger's id gets.

    `tests/test_routes.py` asks every route as everyone and compares. stranger: 200 where every id is open to all who may.
    """
    return {"expectation": Expectation(frozenset(who), stranger, scope)}
