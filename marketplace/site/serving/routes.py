"""Around each route, inside the framework: its guards, and compressed answers.

Both replace the framework's own, which does more for every request: it copies the whole route for each guard, and
matches an answer's exceptions by a regular expression before it checks whether the client supports compression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.config.compression import CompressionConfig
from litestar.enums import ScopeType
from litestar.middleware.compression import CompressionMiddleware

if TYPE_CHECKING:
    from litestar import Request
    from litestar.handlers import HTTPRouteHandler
    from litestar.types import ASGIApp, Receive, Scope, Send

ENCODING: Final = b"gzip"
CONFIG: Final = CompressionConfig(
    backend="gzip", minimum_size=600, exclude=["/stream$", "/download$", "^/files/", "^/delta-sharing/"]
)
GUARDS: Final = "guards"
"""The route's `opt` that has its guards."""


def hand_over_guards(handler: HTTPRouteHandler) -> None:
    """Let a route call its guards itself, before it reads anything of the request; repeating it changes nothing."""
    if handler.guards:
        assert handler.before_request is None, "the guards of a route take its place"
        handler.opt = handler.opt | {GUARDS: tuple(handler.guards)}
        handler.before_request, handler.guards = _ask_guards, None


async def _ask_guards(request: Request[Any, Any, Any]) -> None:
    handler = request.scope["route_handler"]
    for guard in handler.opt[GUARDS]:
        await guard(request, handler)


class Compression:
    """The framework's compression, called only if the client supports it."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application that answers a route."""
        self.app, self.compressed = app, CompressionMiddleware(app, CONFIG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the answer, or not."""
        if scope["type"] == ScopeType.HTTP and any(
            name == b"accept-encoding" and ENCODING in value for name, value in scope["headers"]
        ):
            await self.compressed(scope, receive, send)
        else:
            await self.app(scope, receive, send)
