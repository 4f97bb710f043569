"""The language of a page is the first part of its path; all parts of the site read paths alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from litestar.enums import ScopeType

from marketplace.core.web.i18n import LANGUAGES, language, preferred

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

NOWHERE, NOWHERE_FOR_MACHINES = "/nowhere", "/static/nowhere"
"""Paths without a page."""
LONGEST_NAME_BYTES, LONGEST_PATH_BYTES = 255, 2000
"""The longest name of a file, and more than our longest path."""


def readable(path: str, machine_paths: tuple[str, ...]) -> str:
    """Return a path in the form that all parts of the site read: single slashes; impossible paths lead nowhere."""
    if len(path) <= LONGEST_NAME_BYTES and path.isascii() and "//" not in path and "\0" not in path:
        return path  # the usual case
    path = re.sub("/{2,}", "/", path)
    sizes = [len(part.encode(errors="replace")) for part in path.split("/")]
    if "\0" in path or max(sizes) > LONGEST_NAME_BYTES or sum(sizes) > LONGEST_PATH_BYTES:
        if path.startswith(machine_paths):
            return NOWHERE_FOR_MACHINES
        first = path[1:].partition("/")[0]
        return f"/{first}{NOWHERE}" if first in LANGUAGES else NOWHERE
    return path


class Languages:
    """The first part of a page's path is its language; a path without one redirects to the visitor's language."""

    def __init__(self, app: ASGIApp, machine_paths: tuple[str, ...]) -> None:
        """Wrap the application; machine_paths: beginnings of paths without a language, for programs."""
        self.app, self.machine_paths = app, machine_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the language and strip it from the path."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        path = readable(scope["path"], self.machine_paths)
        first, _, rest = path[1:].partition("/")
        if first in LANGUAGES:
            chosen, path = first, f"/{rest}"
        else:
            wish = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
            chosen = preferred(wish) if wish or not path.startswith(self.machine_paths) else "en"
            if not path.startswith(self.machine_paths):
                query = scope["query_string"]
                target = f"/{chosen}{quote(path)}".encode() + (b"?" + query if query else b"")
                answer = [(b"location", target), (b"vary", b"accept-language")]
                await send({"type": "http.response.start", "status": 307, "headers": answer})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
        token = language.set(chosen)
        try:
            await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        finally:
            language.reset(token)
