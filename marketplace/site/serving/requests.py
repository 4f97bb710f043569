"""The outermost layer: an id for each request, and an anonymous line in the access log.

A line has the route as it is in the code, never the requested path: paths have ids and secrets of invitations, query
strings what people search for. It has no address, no name and no header.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import msgspec
from litestar.enums import ScopeType

from marketplace.core import clock
from marketplace.core.tracing import RequestTrace

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_encode = msgspec.json.Encoder().encode
NO_ROUTE = "none"
"""Logged if no route answered: a redirect to a language, an early refusal, an unknown path."""


class Requests:
    """Outermost: the request's id in log, header and problem, and its line in the access log."""

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        """Wrap the application; `access_log` writes a line of JSON for each request to standard output."""
        self.app, self.access_log = app, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer under a new id."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()
        state = scope.setdefault("state", {})
        with RequestTrace(scope["method"]) as (made, span):

            async def send_with_id(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message["headers"], (b"x-request-id", made.encode())]
                await send(message)

            try:
                await self.app(scope, receive, send_with_id)
            finally:
                if span:
                    route = state.get("route") or NO_ROUTE
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attributes({"http.route": route, "http.response.status_code": status})
                if self.access_log:
                    line = {
                        "at": clock.now(),
                        "request": made,
                        "method": scope["method"],
                        "route": state.get("route") or NO_ROUTE,
                        "status": status,
                        "milliseconds": round((time.perf_counter() - began) * 1000, 1),
                    }
                    sys.stdout.write(_encode(line).decode() + "\n")
                    sys.stdout.flush()
