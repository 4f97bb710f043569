"""What staff ask of the site, in the trail by construction: one place sees every request, so a new route needs nothing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from marketplace.audit_trail.actions import note_action

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = {"GET", "HEAD", "OPTIONS"}
LONGEST_SUBJECT: Final = 200
GIVEN_UP: Final = HTTPStatus.SERVICE_UNAVAILABLE.value
"""What is noted where nothing was answered before the deadline."""


class NoteRequests:
    """Around the application, inside what knows who asks: notes what staff change, fetch as a file, or are refused.

    The line is written before the answer begins, so nobody sees the outcome of what is not in the trail.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the request once its outcome is known."""
        actor: Any = scope.get("user")
        if getattr(actor, "role", None) is None:
            await self.app(scope, receive, send)
            return

        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                if _is_of_note(scope, message):
                    await _note(scope, actor, message["status"])
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except asyncio.CancelledError:
            if not has_begun and scope["method"] not in READING:  # type: ignore[typeddict-item]
                await _note(scope, actor, GIVEN_UP)  # it may have been done all the same
            raise


def _is_of_note(scope: Scope, message: Any) -> bool:  # noqa: ANN401 (an answer's beginning)
    """Return whether an answer changes something, is a file, or refuses."""
    if scope["method"] not in READING or message["status"] == HTTPStatus.FORBIDDEN:  # type: ignore[typeddict-item]
        return True
    headers = dict(message["headers"])
    return bool(headers.get(b"content-disposition", b"").startswith(b"attachment"))


async def _note(scope: Scope, actor: Any, status: int) -> None:  # noqa: ANN401 (who asks)
    """Write which route was asked, the ids in its address, and what came of it."""
    route = scope.get("path_template") or "nowhere"
    ids = " ".join(_ids(scope))
    asked = {"route": f"{scope['method']} {route}", "status": status}  # type: ignore[typeddict-item]
    await note_action(actor, "request", ids[:LONGEST_SUBJECT], after=asked, area="request")


def _ids(scope: Scope) -> list[str]:
    """Return the ids in the address asked; none where anyone may ask: there they are secrets of links, or somebody's address."""
    handler = scope.get("route_handler")
    is_open = "anyone" in getattr(handler.opt.get("expectation"), "who", ()) if handler else True
    return [] if is_open else [str(value) for value in scope.get("path_params", {}).values()]
