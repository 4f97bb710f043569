"""What staff ask of the site, in the trail by construction: one place sees every request, so a new route needs nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.audit_trail.tables import StaffRequest
from marketplace.database import fetch_rows, fetch_scalar, select, transaction
from marketplace.settings import settings

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = {"GET", "HEAD", "OPTIONS"}
LONGEST_SUBJECT: Final = 200
GIVEN_UP: Final = HTTPStatus.SERVICE_UNAVAILABLE.value
"""What is noted where nothing was answered before the deadline."""
BEGUN: Final = "partage.begun"
"""Where the scope has the number of the row that says a request was begun."""
LONGEST_ANSWER: Final = dt.timedelta(hours=1)
"""Longer than any answer takes to begin: an older request that is not in the trail was lost with its process."""


class Lost(Struct, frozen=True):
    """A request of which nobody noted what became."""

    id: int
    at: dt.datetime
    person: uuid.UUID
    route: str
    subject: str


class NoteBeginnings:
    """Inside the application, where the route is known: writes that a request of staff that changes something begins.

    What it then does is its own transaction; should the process be killed after it, the row says what was asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap what answers a route."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the row, then pass the request on."""
        actor: Any = scope.get("user")
        if getattr(actor, "role", None) is not None and scope["method"] not in READING:  # type: ignore[typeddict-item]
            route, subject = _asked(scope)
            row = StaffRequest(at=clock.now(), person=actor.person, route=route, subject=subject)
            scope[BEGUN] = await fetch_scalar(int, StaffRequest.insert(row).returning(StaffRequest.id))  # type: ignore[typeddict-unknown-key]
        await self.app(scope, receive, send)


async def note_lost_requests() -> int:
    """Note the requests that were begun and that nobody answered, for what they asked may be done; a job. Return how many."""
    before = clock.now() - max(LONGEST_ANSWER, 2 * dt.timedelta(seconds=settings().request_seconds))
    async with transaction():
        old = select(Lost, StaffRequest).where(StaffRequest.at < before).order_by(StaffRequest.id)
        lost = await fetch_rows(Lost, old.lock_rows("UPDATE", skip_locked=True))
        for row in lost:
            asked = {"route": row.route, "status": None, "asked_at": row.at.isoformat()}
            await note_action(row.person, "request", row.subject, after=asked, area="request")
        await StaffRequest.delete().where(StaffRequest.id.is_in([row.id for row in lost] or [0]))
    return len(lost)


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
    """Write which route was asked, the ids in its address, and what came of it, in the place of that it was begun."""
    route, subject = _asked(scope)
    async with transaction():
        await note_action(actor, "request", subject, after={"route": route, "status": status}, area="request")
        if (begun := scope.get(BEGUN)) is not None:
            await StaffRequest.delete().where(StaffRequest.id == begun)


def _asked(scope: Scope) -> tuple[str, str]:
    """Return the method and path template that were asked, and the ids in the address."""
    route = scope.get("path_template") or "nowhere"
    return f"{scope['method']} {route}", " ".join(_ids(scope))[:LONGEST_SUBJECT]  # type: ignore[typeddict-item]


def _ids(scope: Scope) -> list[str]:
    """Return the ids in the address asked; none where anyone may ask: there they are secrets of links, or somebody's address."""
    handler = scope.get("route_handler")
    is_open = "anyone" in getattr(handler.opt.get("expectation"), "who", ()) if handler else True
    return [] if is_open else [str(value) for value in scope.get("path_params", {}).values()]
