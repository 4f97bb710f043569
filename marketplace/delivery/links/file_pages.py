"""Whole files by personal links, before the framework reads the request; most requests for a link are such.

The framework takes longer to read such a request than the database takes to find the link's file, and every byte would
wait for it. The framework handles every other request: a refused one, a range, a condition, a session. It checks again
and answers as for every other path.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from litestar.enums import ScopeType

from marketplace.core import object_store
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.file_pages import ZERO_COPY
from marketplace.delivery.downloads.pages import whole
from marketplace.delivery.links import actions, rules
from marketplace.delivery.links.pages import PRIVATE, open_link

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/files/"
ROUTE: Final = re.sub(r":\w+", "", next(iter(open_link.paths)))
"""The framework's name of the route, for the access log."""
UUID_SIGNS: Final = 36
NOT_PLAIN: Final = frozenset(
    (b"cookie", b"range", b"if-range", b"if-none-match", b"content-length", b"transfer-encoding", b"expect")
)
"""Headers of requests that the framework handles."""


class WholeFiles:
    """Middleware inside the limits that sends a whole file for its link."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or pass the request on."""
        answer = await _opened(scope) if scope["type"] == ScopeType.HTTP and _is_plain(scope) else None
        await (answer or self.app)(scope, receive, send)


def _is_plain(scope: Any) -> bool:  # noqa: ANN401 (a request's)
    return (
        scope["path"].startswith(PREFIX)
        and scope["method"] == "GET"
        and ZERO_COPY in (scope.get("extensions") or ())
        and NOT_PLAIN.isdisjoint(name for name, _ in scope["headers"])
    )


async def _opened(scope: Any) -> ASGIApp | None:  # noqa: ANN401 (a request's)
    """Return the application that sends the requested file; None for other requests, or if the store is no folder."""
    named, _, name = scope["path"].removeprefix(PREFIX).partition("/")
    file_format = rules.format_of(name)
    if file_format is None or len(named) != UUID_SIGNS or "/" in name or object_store.path_of("") is None:
        return None
    try:
        link = uuid.UUID(named)
        signed = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("sig", "")
        file = await delivery.open_entitled(await actions.open_link(link, signed), file_format)
    except Exception:  # noqa: BLE001 (the framework meets it again, and answers)
        return None
    path = object_store.path_of(file.key)
    assert path, "the store is a folder"
    scope["path_template"] = ROUTE
    return whole(file, path, lambda: actions.check_is_open(link), PRIVATE)
