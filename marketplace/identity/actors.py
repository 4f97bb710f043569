"""Actors: who asks, and the guards that say who may. Pages and APIs name a guard; nothing else decides access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar.exceptions import NotAuthorizedException

from marketplace.errors import NotAllowed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, or a partner's API key: exactly one of partner, subscriber and role is set."""

    name: str
    person: uuid.UUID | None = None
    """None for an API key."""
    partner: uuid.UUID | None = None
    vetted: bool = False
    """Whether the partner may buy."""
    subscriber: int | None = None
    role: str | None = None
    """steward, finance or auditor."""


def _actor(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    actor: Actor | None = connection.scope.get("user")
    if actor is None:
        raise NotAuthorizedException
    return actor


def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let anyone in who is signed in."""
    _actor(connection)


def partner(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a partner's people and keys in, vetted or not."""
    if _actor(connection).partner is None:
        raise NotAllowed("This page is for partners.")


def vetted_partner(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a partner in that a steward has vetted."""
    if _actor(connection).partner is None:
        raise NotAllowed("This page is for partners.")
    if not _actor(connection).vetted:
        raise NotAllowed("Your company is not vetted yet; a steward looks at new partners within two working days.")


def subscriber(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let the holder of a line in."""
    if _actor(connection).subscriber is None:
        raise NotAllowed("This page is for subscribers.")


def staff(*roles: str) -> Guard:
    """Let staff in that hold one of `roles`."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if _actor(connection).role not in roles:
            raise NotAllowed("This page is for staff who are {roles}.", roles=" / ".join(roles))

    return guard
