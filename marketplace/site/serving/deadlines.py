"""The deadline for the site to begin its answer: after it the work is cancelled, and the answer is 503.

The time runs from the last received piece of the request; the server has its own deadline for the client's sending
(`server`). An answer that has begun may take as long as it needs, as downloads and live pages do. Work in a thread is
not interrupted; it is answered when it ends. A request whose sender leaves before its end is malformed; its log line is
no failure of ours.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from litestar.enums import ScopeType
from litestar.exceptions import ClientException

from marketplace.core.settings import settings
from marketplace.core.web.i18n import gettext
from marketplace.site.serving.refusals import refuse

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

TOO_LONG: Final = "That takes too long just now. Look in a minute whether it was done, and try again."
AGAIN_SECONDS: Final = 60
SENDER_LEFT: Final = "The sender left before the end of the request."
log = structlog.get_logger(__name__)


class Deadlines:
    """Middleware around the application that cancels a request without an answer in time."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application with the deadline of the settings; 0 means no deadline."""
        self.app, self.seconds = app, settings().request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer 503 if there was no answer in time."""
        if scope["type"] != ScopeType.HTTP or not self.seconds:
            await self.app(scope, receive, send)
            return
        loop, is_whole, has_begun = asyncio.get_running_loop(), False, False

        async def receive_in_time() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal is_whole
            message = await receive()
            if message["type"] == "http.request":
                is_whole = not message.get("more_body", False)
            elif not is_whole:
                raise ClientException(SENDER_LEFT)
            if not has_begun:
                limit.reschedule(loop.time() + self.seconds)
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self.seconds) as limit:
                await self.app(scope, receive_in_time, send_in_time)
        except TimeoutError:
            if has_begun or not limit.expired():
                raise
            log.error("request took too long", seconds=self.seconds)  # noqa: TRY400 (where it was is not why)
            await refuse(send, scope["path"], HTTPStatus.SERVICE_UNAVAILABLE, gettext(TOO_LONG), seconds=AGAIN_SECONDS)
