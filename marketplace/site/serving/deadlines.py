"""The deadline for the site to begin its answer: after it the work is cancelled, and the answer is 503.

The time runs from the last received piece of the request; the server has its own deadline for the client's sending
(`server`). An answer that has begun may take as long as it needs, as downloads and live pages do. Work that does not end
when it is cancelled, as in a thread or with a database that is silent, is answered for two seconds later, and its own
answer goes nowhere. A request whose sender leaves before its end is malformed; its log line is no failure of ours.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from litestar.enums import ScopeType
from litestar.exceptions import ClientException

from marketplace.core.errors import Busy
from marketplace.core.pools import has_begun
from marketplace.core.settings import settings
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import filled
from marketplace.site.serving.refusals import refuse

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

TOO_LONG: Final = "That takes too long just now. Look in a minute whether it was done, and try again."
AGAIN_SECONDS: Final = 60
GRACE_SECONDS: Final = 2
"""How long cancelled work may take to end, before its request is answered without it."""
SENDER_LEFT: Final = "The sender left before the end of the request."
log = structlog.get_logger(__name__)


class Deadlines:
    """Middleware around the application that cancels a request without an answer in time."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application with the deadline of the settings; 0 means no deadline."""
        self.app, self.seconds = app, settings().request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 503 if there was no answer in time, or too many ask at once."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        has_begun.set(scope["path"].endswith("/stream"))  # a browser that is refused a live page does not ask again
        answer = TimedAnswer(scope["path"], send, self.seconds)

        async def receive_in_time() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.request":
                answer.is_whole = not message.get("more_body", False)
            elif not answer.is_whole:
                raise ClientException(SENDER_LEFT)
            answer.wait_anew()
            return message

        try:
            async with answer.limit:
                answer.wait_anew()
                await self.app(scope, receive_in_time, answer.send)
        except TimeoutError:
            if answer.has_begun or not answer.limit.expired():
                raise
            await answer.give_up()
        except Exception as error:
            if not (isinstance(error, Busy) or answer.given_up) or answer.has_begun:
                raise
            await answer.refuse(error)
        finally:
            answer.stop()


class TimedAnswer:
    """The answer to one request, and the timer until it begins."""

    def __init__(self, path: str, send: Send, seconds: float) -> None:
        """Start no timer yet."""
        self.path, self.send_on, self.seconds = path, send, seconds
        self.loop, self.limit = asyncio.get_running_loop(), asyncio.timeout(None)
        self.is_whole = self.has_begun = False
        self.timer: asyncio.TimerHandle | None = None
        self.given_up: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on, unless the request was answered for."""
        if self.given_up is None:
            if not self.has_begun:
                self.has_begun = True
                self.stop()
            await self.send_on(message)

    async def refuse(self, error: Exception) -> None:
        """Answer 503 to who is Busy's before the application was asked; log what went wrong after the answer."""
        if self.given_up is None and isinstance(error, Busy):
            seconds = int(str(error.fields["seconds"]))
            await refuse(self.send_on, self.path, HTTPStatus.SERVICE_UNAVAILABLE, filled(error), seconds=seconds)
        else:
            log.error("an answer that came too late failed", path=self.path, exc_info=error)

    def wait_anew(self) -> None:
        """Start the timer again, unless the answer has begun; 0 seconds mean no deadline."""
        if self.seconds and not self.has_begun:
            self.stop()
            self.timer = self.loop.call_later(self.seconds, self._cancel)

    def stop(self) -> None:
        """Stop the timer."""
        if self.timer is not None:
            self.timer.cancel()

    def _cancel(self) -> None:
        self.limit.reschedule(self.loop.time())
        self.timer = self.loop.call_later(GRACE_SECONDS, self.give_up)

    def give_up(self) -> asyncio.Task[None]:
        """Answer 503, once; what the application still sends goes nowhere."""
        if self.given_up is None:
            log.error("request took too long", seconds=self.seconds)
            sentence = gettext(TOO_LONG)
            refused = refuse(self.send_on, self.path, HTTPStatus.SERVICE_UNAVAILABLE, sentence, seconds=AGAIN_SECONDS)
            self.given_up = self.loop.create_task(refused)
        return self.given_up
