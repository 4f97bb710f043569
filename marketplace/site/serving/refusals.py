"""Answers before or instead of the application's: a problem or a line for programs, the site's own page for people."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Final

from marketplace.core.tracing import request_id
from marketplace.core.web.i18n import gettext, language
from marketplace.core.web.pages import engine
from marketplace.site.serving.sentences import HEADINGS, SOMETHING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http import HTTPStatus

    from litestar.types import Send

MACHINE_PATHS: Final = (
    "/api/",
    "/app.css",
    "/catalogue.",
    "/robots.txt",
    "/sitemap",
    "/delta-sharing/",
    "/log/",
    "/files/",
    "/webhooks/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/schema",
    "/.well-known/",
)
"""Beginnings of paths without a language, for programs."""


async def refuse(
    send: Send,
    path: str,
    status: HTTPStatus,
    sentence: str,
    *,
    seconds: int,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with `status`, and after how many seconds to try again; the answer costs next to nothing to make."""
    if path.startswith("/api/"):
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": sentence}
        if path.startswith("/api/camara/"):  # whose document also names these
            problem |= {"code": status.name, "message": sentence}
        body = json.dumps(problem | {"request": request_id()}, ensure_ascii=False).encode()
        kind = b"application/problem+json"
    elif path.startswith(MACHINE_PATHS):
        body, kind = sentence.encode(), b"text/plain; charset=utf-8"
    else:
        body, kind = _page(language.get(), status, sentence), b"text/html; charset=utf-8"
    start = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(seconds).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status.value, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@functools.lru_cache(256)
def _page(_language: str, status: HTTPStatus, sentence: str) -> bytes:
    """Return the page of a refusal, of nobody in particular: drawn once, since it answers when there is no time."""
    heading = gettext(HEADINGS.get(status, SOMETHING))
    shown = {
        "status": status.value,
        "sentence": sentence,
        "heading": heading,
        "reference": "",
        "back": "",
        "written": (),
    }
    return engine().engine.get_template("web/refused.html").render(shown).encode()
