"""The server in front of the application: uvicorn, made strict about incomplete requests.

A request's head must come within ten seconds and its body within a minute. The connections of one address are limited.
A request that states its length twice, as a number and as chunks, is refused: a proxy before us might use one and we
the other, and the end of a body would become the next request. Source: RFC 9112, 6.1 and 11.2 (request smuggling).

The kernel sends a file if the application requests it (ASGI's extension `http.response.zerocopysend`). The head of a
long answer waits for its first bytes, so that the client wakes once for both.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import h11
import uvicorn
from litestar.enums import ScopeType
from uvicorn.protocols.http.h11_impl import H11Protocol

from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.site.serving.limits import proxies
from marketplace.site.serving.rules import address_of

if TYPE_CHECKING:
    import asyncio

    from litestar.types import ASGIApp, Receive, Scope, Send

HEAD_SECONDS, BODY_SECONDS = 10.0, 60.0
LARGEST_HEAD_BYTES: Final = 32_768
"""Of a request line and its header fields; a longer head is malformed (400)."""
IDLE_SECONDS: Final = 5
STOP_SECONDS: Final = 5
WAITING_CONNECTIONS: Final = 2048
"""Connections that the kernel queues until the site accepts them."""
ZERO_COPY: Final = "http.response.zerocopysend"
LONG_BYTES: Final = 1 << 16
CORK: Final[int | None] = getattr(socket, "TCP_CORK", None)
"""While this is on, Linux delays partial packets, for at most a fifth of a second."""
TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_MANY: Final = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n"


class FilePiece:
    """Bytes of a file that the kernel sends; h11 needs only their number."""

    def __init__(self, count: int) -> None:
        """Store their number."""
        self.count = count

    def __len__(self) -> int:
        """Return their number."""
        return self.count


class StrictConnection(h11.Connection):
    """HTTP/1.1 by h11, with two more malformed cases: a request with both a length and chunks, and a long head.

    h11 itself limits a head only while it is incomplete.
    """

    def next_event(self) -> Any:  # noqa: ANN401 (one of h11's events)
        """Return the next event; RemoteProtocolError if the client contradicts itself."""
        event = super().next_event()
        if type(event) is h11.Request:
            named = {name for name, _ in event.headers}
            if b"content-length" in named and b"transfer-encoding" in named:
                raise h11.RemoteProtocolError("both a length and chunks")
            if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > LARGEST_HEAD_BYTES:
                raise h11.RemoteProtocolError("a long head")
        return event


class StrictProtocol(H11Protocol):
    """uvicorn's protocol with deadlines for half-sent requests and a cap on connections by address.

    A request in one piece, the usual case, starts no timer.
    """

    open_connections: ClassVar[Counter[str]] = Counter()
    """By address, in this process."""

    def __init__(self, *, head_seconds: float, body_seconds: float, **named: Any) -> None:  # noqa: ANN401 (uvicorn's own)
        """Set strict reading, and the deadlines for the rest of a request."""
        super().__init__(**named)
        self.seconds = {"head": head_seconds, "body": body_seconds}
        self.inner, self.app = self.app, self._with_files
        self.conn = StrictConnection(h11.SERVER, self.config.h11_max_incomplete_event_size or LARGEST_HEAD_BYTES)
        self.waiting: asyncio.TimerHandle | None = None
        self.waits_for = ""
        self.holds_back = False
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for its first request."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        most = settings().connections_an_address
        if host and most and not proxies(settings().proxies).include(host):
            self.address = address_of(host)
            self.open_connections[self.address] += 1
            if self.open_connections[self.address] > most:
                transport.write(TOO_MANY)
                transport.close()
                return
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Uncount the connection."""
        self._wait_for("")
        if self.address:
            self.open_connections[self.address] -= 1
            if not self.open_connections[self.address]:
                del self.open_connections[self.address]
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read the received bytes, and wait for the missing part of the request."""
        super().handle_events()
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._wait_for("body")
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            self._wait_for("head")
        elif self.waiting is not None:
            self._wait_for("")

    async def _with_files(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, which may send pieces of files."""

        async def send_or_copy(message: Any) -> None:  # noqa: ANN401 (ASGI, and an extension of it)
            if message["type"] == ZERO_COPY:
                await self._copy(message)
                return
            if message["type"] == "http.response.start" and _is_long(message):
                self._hold_back(begins=True)
            await send(message)

        if scope["type"] == ScopeType.HTTP and self.scheme == "http":
            scope["extensions"] = {ZERO_COPY: {}}
        try:
            await self.inner(scope, receive, send_or_copy)
        finally:
            self._hold_back(begins=False)

    def _hold_back(self, *, begins: bool) -> None:
        """Let the kernel delay partial packets, or send them now."""
        if begins == self.holds_back or CORK is None or self.transport.is_closing():
            return
        self.holds_back = begins
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, CORK, int(begins))

    async def _copy(self, message: Any) -> None:  # noqa: ANN401 (ASGI's message of an extension)
        """Send `count` bytes of a file from `offset`, unless the client has gone; end a connection that breaks off."""
        piece, sent = FilePiece(message["count"]), 0
        with contextlib.suppress(OSError):
            if not self.transport.is_closing():
                passed: Any = self.conn.send_with_data_passthrough(h11.Data(data=piece))  # type: ignore[arg-type]
                assert passed == [piece], "the answer states its length"
                sent = await self.loop.sendfile(self.transport, message["file"], message["offset"], piece.count)
        if sent < piece.count:
            self.cycle.disconnected = True
            self.transport.abort()

    def _wait_for(self, what: str) -> None:
        """Start the timer for a head or a body, unless it runs already, or stop it."""
        if what == self.waits_for:
            return
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None
        self.waits_for = what
        if what:
            self.waiting = self.loop.call_later(self.seconds[what], self._give_up)

    def _give_up(self) -> None:
        """Answer 408 if there was no answer yet, and close."""
        self.waiting = None
        if self.transport.is_closing():
            return
        is_unused = self.waits_for == "head" and not self.conn.trailing_data[0]  # browsers open connections in advance
        if not is_unused and (self.cycle is None or self.cycle.response_complete or not self.cycle.response_started):
            self.transport.write(TOO_LATE)
        self.transport.close()


def _is_long(start: Any) -> bool:  # noqa: ANN401 (an answer's beginning)
    """Return whether an answer that begins states a length above one packet."""
    stated = next((value for name, value in start["headers"] if name.lower() == b"content-length"), b"0")
    return int(stated) > LONG_BYTES


def configured(
    app: ASGIApp,
    *,
    head_seconds: float = HEAD_SECONDS,
    body_seconds: float = BODY_SECONDS,
    **more: Any,  # noqa: ANN401 (uvicorn's settings)
) -> uvicorn.Config:
    """Return the configuration of the server: strict, and with the trusted proxies of the settings."""
    return uvicorn.Config(
        app,
        http=partial(StrictProtocol, head_seconds=head_seconds, body_seconds=body_seconds),  # type: ignore[arg-type]
        ws="none",
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings().proxies,
        timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        **more,
    )


def keep_loaded() -> None:
    """Exempt everything loaded so far from garbage collection, which took a third of a second during a page.

    Objects that were exempt before are collected once more, since some of them may be garbage now.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind the port at every address of `host`, and return the sockets; refuses if this machine does not allow it."""
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound.append(one := socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(WAITING_CONNECTIONS)
    except OSError as error:
        for one in bound:
            one.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                "The port {port} of {host} is in use by another process: end that, or set PORT to another.",
                port=port,
                host=host,
            ) from None
        raise Invalid(
            "The site cannot listen on port {port} of {host}: {why}. Compare HOST and PORT.",
            port=port,
            host=host,
            why=error.strerror or error,
        ) from None
    return bound
