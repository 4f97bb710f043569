"""When the site must have begun its answer: later, what it does is given up, and the answer is 503.

The time runs from the last piece of the request that came; how long a client may take to send it is the server's own
deadline (`server`). What has begun may take as long as it needs: downloads and live pages do. Work that a thread does
is not ended half-way; it is answered when it ends. A request whose sender leaves before its end is malformed: its line in
the log is no failure of ours.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from litestar.enums import ScopeType
from litestar.exceptions import ClientException

from marketplace.serving.refusals import refuse
from marketplace.settings import settings
from marketplace.web.i18n import gettext

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

TOO_LONG: Final = "That takes too long just now. Look in a minute whether it was done, and try again."
AGAIN_SECONDS: Final = 60
SENDER_LEFT: Final = "The sender left before the end of the request."
log = structlog.get_logger(__name__)


class Deadlines:
    """Around the application: end what does not answer in time."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application with the deadline of the settings; 0 is none."""
        self.app, self.seconds = app, settings().request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer 503 where nothing was answered in time."""
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
