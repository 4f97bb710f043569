"""Downloads: whole or in parts, for browsers and for programs that resume."""

from __future__ import annotations

import base64
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse

from marketplace.core.web.i18n import gettext
from marketplace.delivery.downloads import actions, file_pages, rules
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.people.identity.guards import ActorRequest, expect, partner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from litestar.types import ASGIApp

Format = Annotated[str, QueryParameter(name="format", max_length=20, schema_extra={"enum": list(FORMATS)})]


@get("/entitlements/{entitlement:uuid}/download", guards=[partner], opt=expect("partner", stranger=404))
async def download(
    request: ActorRequest, entitlement: FromPath[uuid.UUID], file_format: Format = "parquet"
) -> Response[Any]:
    """Send an entitled partner its cells."""
    assert request.user.partner
    return await deliver(request, await actions.open_download(request.user.partner, entitlement, file_format))


@get("/entitlements/{entitlement:uuid}/dictionary", guards=[partner], opt=expect("partner", stranger=404))
async def show_dictionary(request: ActorRequest, entitlement: FromPath[uuid.UUID]) -> Response[bytes]:
    """Send an entitled partner the meanings of the cells' columns, as a JSON file."""
    assert request.user.partner
    return file_of_dictionary(await actions.read_dictionary(request.user.partner, entitlement))


def file_of_dictionary(document: bytes) -> Response[bytes]:
    """Answer with a dictionary as a separate file."""
    headers = {"Content-Disposition": 'attachment; filename="dictionary.json"'}
    return Response(document, media_type="application/json", headers=headers)


async def deliver(
    request: Request[Any, Any, Any], file: actions.Download, check: Callable[[], Awaitable[object]] | None = None
) -> Response[Any]:
    """Answer a request for a file, or for one part of it.

    check: refuses once the file may no longer be read. It is called every second while the file is sent, and a refusal
    ends the answer.
    """
    headers = _headers(file)
    if rules.is_known(request.headers.get("if-none-match", ""), file.tag):
        return Response(None, status_code=304, headers=headers)
    whole, status = rules.ByteRange(0, file.byte_count), 200
    part = None
    if request.method == "GET" and rules.may_send_part(request.headers.get("if-range", ""), file.tag, file.modified):
        part = rules.wanted_part(request.headers.get("range", ""), file.byte_count)
    if part is not None:
        if part.is_empty:
            return _unsatisfiable(file.byte_count)
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{file.byte_count}"
        status = 206
    sent = part or whole
    headers |= _headers_of_content(file, sent)
    if request.method == "HEAD":
        return Response(b"", headers=headers, media_type=file.media_type)

    async def record() -> None:
        await actions.record_download(file, is_part=part is not None)

    named = {"status_code": status, "headers": headers, "media_type": file.media_type}
    return await file_pages.answer(request, file, sent, record=record, check=_all(file, check), **named)


def whole(
    file: actions.Download, path: Path, check: Callable[[], Awaitable[object]], headers: dict[str, str]
) -> ASGIApp:
    """Return the application that sends a whole file as `deliver` does, without the framework; see `file_pages`.

    headers: further headers of the answer.
    """
    part = rules.ByteRange(0, file.byte_count)
    headers = _headers(file) | _headers_of_content(file, part) | headers

    async def record() -> None:
        await actions.record_download(file, is_part=False)

    begun = ASGIResponse(headers=headers, media_type=file.media_type)
    return file_pages.Sending(begun, file_pages.FileAnswer(path, part, record, _all(file, check)))


def _headers(file: actions.Download) -> dict[str, str]:
    return {"ETag": file.tag, "Last-Modified": file.modified, "Accept-Ranges": "bytes"}


def _headers_of_content(file: actions.Download, sent: rules.ByteRange) -> dict[str, str]:
    headers = {
        "Content-Length": str(sent.end - sent.start),
        "Content-Disposition": f'attachment; filename="{file.name}"',
    }
    if file.sha256:
        headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:"
    return headers


def _all(
    file: actions.Download, check: Callable[[], Awaitable[object]] | None
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return the function that refuses a file that may no longer be read, by its entitlement and by `check`."""

    async def check_all() -> None:
        await actions.check_still_valid(file.entitlement)
        if check:
            await check()

    return check_all


def _unsatisfiable(byte_count: int) -> Response[Any]:
    problem = {
        "type": "about:blank",
        "title": "Range Not Satisfiable",
        "status": 416,
        "detail": gettext("The file has no such part."),
    }
    headers = {"Content-Range": f"bytes */{byte_count}", "Accept-Ranges": "bytes"}
    return Response(problem, status_code=416, headers=headers, media_type="application/problem+json")


ROUTES = [download, show_dictionary]
