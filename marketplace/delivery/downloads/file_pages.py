"""How a file's bytes are sent: by the kernel, if the store is a folder and the server has `zerocopysend`, or read.

The kernel begins while the download is still being recorded; the file's last bytes wait for the record. While a file is
sent, its validity is checked twice a second, and the connection ends if the check fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar.response import Response, Stream

from marketplace.core import object_store
from marketplace.delivery.downloads import actions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from io import FileIO
    from pathlib import Path

    from litestar import Request
    from litestar.response.base import ASGIResponse
    from litestar.types import Receive, Scope, Send

    from marketplace.delivery.downloads.rules import ByteRange

ZERO_COPY: Final = "http.response.zerocopysend"
HELD_BACK_BYTES: Final = 1 << 12
"""So many bytes are not sent before the download is recorded."""


async def answer(
    request: Request[Any, Any, Any],
    file: actions.Download,
    part: ByteRange,
    *,
    record: Callable[[], Coroutine[Any, Any, None]],
    check: Callable[[], Awaitable[object]],
    **named: Any,  # noqa: ANN401 (a response's own)
) -> Response[Any]:
    """Return the answer that sends a part of a file.

    record: records the download, or refuses it. check: refuses a file that may no longer be read.
    """
    path = object_store.path_of(file.key)
    if path and ZERO_COPY in (request.scope.get("extensions") or {}):
        return SentFile(FileAnswer(path, part, record, check), **named)
    await record()
    return Stream(actions.read(file, part, check), **named)


class SentFile(Response[bytes]):
    """An answer whose bytes the kernel copies from a file."""

    def __init__(self, sent: FileAnswer, **named: Any) -> None:  # noqa: ANN401 (a response's own)
        """Store what to send."""
        super().__init__(b"", **named)
        self.sent = sent

    def to_asgi_response(self, *given: Any, **named: Any) -> ASGIResponse:  # noqa: ANN401 (as the framework calls it)
        """Return the answer as an ASGI application."""
        return Sending(super().to_asgi_response(*given, **named), self.sent)  # type: ignore[return-value]  # called, and nothing else


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """The part of a file to send.

    record: records the download, or refuses it. check: refuses a file that may no longer be read.
    """

    path: Path
    part: ByteRange
    record: Callable[[], Coroutine[Any, Any, None]]
    check: Callable[[], Awaitable[object]]


class Sending:
    """One answer while it is being sent."""

    def __init__(self, begun: ASGIResponse, sent: FileAnswer) -> None:
        """Store the answer's head, and what to send."""
        self.begun, self.sent = begun, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, the file up to its last bytes, and these once the download is recorded.

        The database writes while the kernel copies, since it is called as soon as the first bytes are on their way.
        """
        del scope, receive
        part, recording = self.sent.part, asyncio.create_task(self.sent.record())
        held_from = max(part.start, part.end - HELD_BACK_BYTES)
        try:
            with self.sent.path.open("rb", buffering=0) as file:
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(self._watch())
                    await self.begun.start_response(send)
                    await _copy(send, file, part.start, held_from)
                    await asyncio.shield(recording)
                    await _copy(send, file, held_from, part.end)
                    watching.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ExceptionGroup as refusals:
            raise refusals.exceptions[0] from None
        finally:
            await recording  # record the download in every case, since it has begun

    async def _watch(self) -> None:
        """Refuse once the file may no longer be read."""
        while True:
            await asyncio.sleep(actions.CHECK_SECONDS)
            await self.sent.check()


async def _copy(send: Send, file: FileIO, start: int, end: int) -> None:
    """Let the kernel send the bytes of a file from `start` to `end`, excluded."""
    message: Any = {"type": ZERO_COPY, "file": file, "offset": start, "count": end - start, "more_body": True}
    if end > start:
        await send(message)
