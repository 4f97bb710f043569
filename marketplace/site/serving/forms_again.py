"""Show a refused form again on its page, with one sentence above it and all typed values; nothing is lost.

The page is drawn in its present state, so hidden fields are complete and current again. If the page no longer exists,
the refusal's own page shows the typed values.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.response.base import ASGIResponse
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState
from markupsafe import Markup

from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import Visit, visit
from marketplace.people.identity.rules import own_path
from marketplace.site.serving.filled_forms import MACHINERY, Form, fill, find_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from litestar.types import HTTPScope, Message, Receive, Scope, Send

    Draw = Callable[[Sequence[str]], Response[Any]]

FORMS: Final = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)
HANDED_ON: Final = {"type", "asgi", "http_version", "scheme", "server", "client", "root_path", "user", "auth"}
"""Parts of the form's request that are used to request the page."""
CARRIED: Final = {b"host", b"cookie", b"accept-language"}
UNREADABLE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
LABELLED = "Check “{label}”: it is missing or cannot be read."
UNSEEN = (
    "Part of the form that is not shown was missing or damaged. "
    "Here it is whole again, with what you wrote: send it once more."
)
OTHER_SESSION = (
    "You signed in or out since this form was opened. Here it is again, with what you wrote: send it once more."
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a form is refused: the status, the sentence, the wrong fields."""

    status: int
    sentence: str
    fields: Sequence[str]
    error: Exception

    def sentence_above(self, form: Form) -> str:
        """Return the sentence above the form."""
        if isinstance(self.error, PermissionDeniedException):
            return gettext(OTHER_SESSION)
        if not isinstance(self.error, HTTPException):
            return self.sentence
        labels = [control.label for control in form.seen if control.name in self.fields and control.label]
        return gettext(LABELLED).format(label=labels[0]) if labels else gettext(UNSEEN)


def is_form(request: Request[Any, Any, Any], error: Exception, open_paths: tuple[str, ...]) -> bool:
    """Return whether our own form was sent; a form that another site's page could have sent is never shown again."""
    if request.method != "POST" or request.content_type[0] not in FORMS or request.scope["path"].startswith(open_paths):
        return False
    if "route_handler" not in request.scope or getattr(error, "status_code", 0) == UNREADABLE:
        return False
    return not isinstance(error, PermissionDeniedException) or request.headers.get("sec-fetch-site") == "same-origin"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of ours in its present state, its address, its form, and its headers."""

    address: str
    page: str
    form: Form
    headers: list[tuple[bytes, bytes]]

    async def send(self, send: Send, status: int, page: str) -> None:
        """Send the page once its form is filled in."""
        body = page.encode()
        headers = [*self.headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def find_again(
    scope: HTTPScope, places: Iterable[tuple[str, str]], sent_to: str, typed: dict[str, list[str]]
) -> Found | None:
    """Return the first page that has the form, or None."""
    for path, query in places:
        page, headers = await _ask(scope, path, query)
        form = find_form(page, lambda action: own_path(urlsplit(action).path) == sent_to, typed) if page else None
        if form:
            return Found(f"{path}?{query}" if query else path, page, form, headers)
    return None


class FormAgain(Response[None]):
    """The answer to a refused form."""

    def __init__(self, mistake: Mistake, draw: Draw) -> None:
        """Store the reason. draw: makes the refusal's own page from the typed values."""
        super().__init__(None, status_code=mistake.status)
        self.mistake, self.draw = mistake, draw

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIResponse:  # noqa: ANN401, ARG002 (the framework's signature)
        """Return the application that answers."""
        return _Drawn(self.mistake, self.draw, request)


class _Drawn(ASGIResponse):
    def __init__(self, mistake: Mistake, draw: Draw, request: Request[Any, Any, Any]) -> None:
        super().__init__(status_code=mistake.status)
        self.mistake, self.draw, self.request = mistake, draw, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the form's page with the typed values, or the refusal's own page."""
        typed = await read_typed(self.request)
        sent_to, places = self.request.scope["path"], pages_of(self.request)
        found = (
            await find_again(self.request.scope, places, sent_to, typed)
            if typed and self.mistake.status < HTTPStatus.INTERNAL_SERVER_ERROR
            else None
        )
        if found and found.form.seen:
            names = [one.name for one in found.form.seen if one.name in self.mistake.fields]
            above = Markup('<p class="notice bad" role="alert">{}</p>').format(self.mistake.sentence_above(found.form))
            body = fill(found.page, found.form, typed, above=str(above), at_fault=names[0] if names else "")
            await found.send(send, self.mistake.status, body)
            return
        texts = [] if found else [text for texts in typed.values() for text in texts]
        plain = self.draw(texts)
        await plain.to_asgi_response(None, self.request)(scope, receive, send)


async def read_typed(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    """Return the sent values by name, without the form's own fields, files and blank values.

    Do not read the body again: if it was consumed, reading would hang.
    """
    if ScopeState.from_scope(request.scope).form is Empty:
        return {}
    typed: dict[str, list[str]] = {}
    form = await request.form()
    for name, value in form.multi_items():
        if name not in MACHINERY and isinstance(value, str):
            typed.setdefault(name, []).append(value)
    return typed if any(value.strip() for values in typed.values() for value in values) else {}


def pages_of(request: Request[Any, Any, Any]) -> Iterator[tuple[str, str]]:
    """Yield paths and queries of pages that may have the form: the last page, the form's address, its parents."""
    sent_to = request.scope["path"]
    came_from, query = _referer(request.headers.get("referer", ""))
    if came_from:
        yield came_from, query
    yield from ((path, "") for path in (sent_to, sent_to.rpartition("/")[0]) if path not in ("", came_from))


def _referer(referer: str) -> tuple[str, str]:
    try:
        parts = urlsplit(referer)
    except ValueError:  # an invalid address
        return "", ""
    return own_path(parts.path) or "", parts.query if parts.query.isascii() else ""


async def _ask(scope: HTTPScope, path: str, query: str) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Request one of the site's pages as the form's sender; '' if there is none."""
    headers = [(name, value) for name, value in scope["headers"] if name in CARRIED]
    asked: Any = {name: value for name, value in scope.items() if name in HANDED_ON} | {
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [*headers, (b"accept", b"text/html")],
        "state": {},
    }
    begun: list[tuple[bytes, bytes]] = []
    body = bytearray()

    async def receive() -> Any:  # noqa: ANN401 (the framework's message)
        return {"type": "http.disconnect"}  # this ends an endless stream

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
            begun.extend((name, value) for name, value in message["headers"] if name.lower() != b"content-length")
        elif message["type"] == "http.response.body" and begun:
            body.extend(message.get("body", b""))

    token = visit.set(Visit(path, query, scope.get("user")))
    try:
        await scope["litestar_app"](asked, receive, send)
    finally:
        visit.reset(token)
    is_page = dict(begun).get(b"content-type", b"").startswith(b"text/html")
    return (body.decode(), begun) if is_page else ("", [])
