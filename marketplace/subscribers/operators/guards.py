"""Access to the operator's API: a system with an operator's key that has the scope of the route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.exceptions import NotAuthorizedException

from marketplace.core.errors import NotAllowed
from marketplace.subscribers.operators.actions import use_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def operator(scope: str) -> Guard:
    """Admit a system whose key may do `scope`; its `Authorization: Bearer KEY` opens no other route."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        scheme, _blank, key = connection.headers.get("authorization", "").partition(" ")
        system = await use_key(key.strip()) if scheme.lower() == "bearer" else None
        if system is None:
            raise NotAuthorizedException
        if scope not in system.scopes.split():
            raise NotAllowed("This key may not do that: it may {scopes}.", scopes=system.scopes)

    return guard
