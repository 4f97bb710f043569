"""Note staff's requests in the trail. One middleware sees every request, so a new route needs no code of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar, select, transaction
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.audit_trail.tables import StaffRequest

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = {"GET", "HEAD", "OPTIONS"}
LONGEST_SUBJECT: Final = 200
GIVEN_UP: Final = HTTPStatus.SERVICE_UNAVAILABLE.value
"""The status noted for a request that got no answer before the deadline."""
BEGUN: Final = "partage.begun"
"""The key of the scope for the id of the request's row."""
LONGEST_ANSWER: Final = dt.timedelta(hours=1)
"""No answer takes this long to begin. An older request that is not in the trail was lost with its process."""


class Lost(Struct, frozen=True):
    """A request whose outcome nobody noted."""

    id: int
    at: dt.datetime
    person: uuid.UUID
    route: str
    subject: str


class NoteBeginnings:
    """Inside the application, where the route is known: notes the start of each request of staff that writes.

    The action has its own transaction. If the process is killed after it, the row still says what was requested.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application that answers a route."""
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
    """Note the requests that began and got no answer, since they may have been done; a job. Return how many."""
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
    """Around the application, where the actor is known: notes staff's changes, file downloads and refused requests.

    The line is written before the answer begins, so nobody sees the outcome of a request that is not in the trail.
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
                await _note(scope, actor, GIVEN_UP)  # the action may have been done
            raise


def _is_of_note(scope: Scope, message: Any) -> bool:  # noqa: ANN401 (an answer's beginning)
    """Return whether an answer changes something, is a file, or refuses."""
    if scope["method"] not in READING or message["status"] == HTTPStatus.FORBIDDEN:  # type: ignore[typeddict-item]
        return True
    headers = dict(message["headers"])
    return bool(headers.get(b"content-disposition", b"").startswith(b"attachment"))


async def _note(scope: Scope, actor: Any, status: int) -> None:  # noqa: ANN401 (who asks)
    """Write the route, the ids in its address and the outcome; delete the row that noted the beginning."""
    route, subject = _asked(scope)
    async with transaction():
        await note_action(actor, "request", subject, after={"route": route, "status": status}, area="request")
        if (begun := scope.get(BEGUN)) is not None:
            await StaffRequest.delete().where(StaffRequest.id == begun)


def _asked(scope: Scope) -> tuple[str, str]:
    """Return the method and path template of the request, and the ids in its address."""
    route = scope.get("path_template") or "nowhere"
    return f"{scope['method']} {route}", " ".join(_ids(scope))[:LONGEST_SUBJECT]  # type: ignore[typeddict-item]


def _ids(scope: Scope) -> list[str]:
    """Return the ids in the address; none on a public route, where they are secrets of links or an email address."""
    handler = scope.get("route_handler")
    is_open = "anyone" in getattr(handler.opt.get("expectation"), "who", ()) if handler else True
    return [] if is_open else [str(value) for value in scope.get("path_params", {}).values()]
