"""Answers before or instead of the application's: a problem for programs, a plain sentence for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from marketplace.core.tracing import request_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http import HTTPStatus

    from litestar.types import Send


async def refuse(
    send: Send,
    path: str,
    status: HTTPStatus,
    sentence: str,
    *,
    seconds: int,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with `status`, and after how many seconds to try again; the answer costs nothing to make."""
    if path.startswith("/api/"):
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": sentence}
        if path.startswith("/api/camara/"):  # whose document also names these
            problem |= {"code": status.name, "message": sentence}
        body = json.dumps(problem | {"request": request_id()}, ensure_ascii=False).encode()
        kind = b"application/problem+json"
    else:
        body, kind = sentence.encode(), b"text/plain; charset=utf-8"
    start = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(seconds).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status.value, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})
