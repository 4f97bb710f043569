"""For every call of the API: refuse query parameters that its document lacks, and give answers a tag.

If a misspelt filter were ignored, a program would get everything and believe it filtered. With a tag, a program that
asks again learns in one line that nothing changed (RFC 9110, 13.1.2); the tag is weak, since an answer may be
compressed afterwards.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from litestar.enums import ScopeType

from marketplace.core.errors import Invalid
from marketplace.delivery.downloads.rules import is_known
from marketplace.site.serving.api_document import PREFIX, completed, handlers_of

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

UNKNOWN: Final = "There is no parameter {name} here; there are: {known}."
NONE: Final = "–"
NOT_MODIFIED: Final = 304
OF_CONTENT: Final = (b"content-type", b"content-length", b"content-encoding")
GZIP: Final = b"\x1f\x8b"


class ApiRequests:
    """Middleware inside the application, where the route is known."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application that answers a route."""
        self.app = app
        self.known: dict[tuple[str, str], frozenset[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse unknown parameters; tag answers."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        if scope["query_string"] and scope["method"] != "OPTIONS":
            self._check(scope)
        if scope["method"] in ("GET", "HEAD"):
            send = _Tagged(send, dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")).send
        await self.app(scope, receive, send)

    def _check(self, scope: Any) -> None:  # noqa: ANN401 (a scope with what the framework adds)
        """Refuse the first parameter that the document does not name for this call."""
        self.known = self.known or parameters_of(scope["litestar_app"])
        method = "get" if scope["method"] == "HEAD" else scope["method"].lower()
        known = self.known.get((method, scope["path_template"]), frozenset())
        for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            if name not in known:
                raise Invalid(UNKNOWN, name=name[:40], known=", ".join(sorted(known)) or NONE)


def parameters_of(app: Litestar) -> dict[tuple[str, str], frozenset[str]]:
    """Return the query parameters that the API's document names, by method and path."""
    document = completed(app.openapi_schema.to_schema(), handlers_of(app))
    return {
        (method, path): frozenset(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


class _Tagged:
    """Gives a whole answer of JSON a tag, and answers 304 to a client that has it."""

    def __init__(self, inner: Send, if_none_match: str) -> None:
        self.inner, self.if_none_match = inner, if_none_match
        self.start: Any = None

    async def send(self, message: Message) -> None:
        """Delay an answer's beginning until its body comes, if both come together."""
        if message["type"] == "http.response.start" and _is_read(message):
            self.start = message
            return
        start, self.start = self.start, None
        if start is not None and message["type"] == "http.response.body" and not message["more_body"]:
            message = {**message, "body": _undated(message["body"])}
            tag = f'W/"{hashlib.blake2b(message["body"], digest_size=12).hexdigest()}"'
            headers = [*start["headers"], (b"etag", tag.encode())]
            if self.if_none_match and is_known(self.if_none_match, tag.removeprefix("W/")):
                headers = [(name, value) for name, value in headers if name.lower() not in OF_CONTENT]
                start = {**start, "status": NOT_MODIFIED}
                message = {**message, "body": b""}
            start["headers"] = headers
        if start is not None:
            await self.inner(start)
        await self.inner(message)


def _undated(body: bytes) -> bytes:
    """Return a compressed answer without its time stamp (RFC 1952), so that the same answer always has the same tag."""
    return body[:4] + bytes(4) + body[8:] if body.startswith(GZIP) else body


def _is_read(message: Any) -> bool:  # noqa: ANN401 (an answer's beginning)
    """Return whether an answer that begins is JSON without its own tag."""
    headers = {name.lower(): value for name, value in message["headers"]}
    return message["status"] == 200 and b"json" in headers.get(b"content-type", b"") and b"etag" not in headers  # noqa: PLR2004 (OK)
