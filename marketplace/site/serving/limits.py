"""Limits of one caller in a site's process: requests a minute by address and by API key, and open streams.

A request is refused before anything is read for it, so that one caller's flood costs the others nothing. Counts are in
memory, by process, since a limit protects its own process. A shared counter would cost every request a round trip, and
N processes have at most N times the limit.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from litestar.enums import ScopeType

from marketplace.core.settings import settings
from marketplace.core.web.i18n import gettext
from marketplace.site.serving.refusals import refuse
from marketplace.site.serving.rules import WINDOW_SECONDS, Allowance, Limiter, address_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

UNLIMITED: Final = ("/static/", "/webhooks/", "/healthz", "/readyz", "/metrics")
"""Static files, and paths for programs that authenticate or cost nothing; Stripe's events come in bursts."""
TOO_MANY: Final = "Too many requests; wait {seconds} seconds and try again."
TOO_MANY_STREAMS: Final = "Too many live pages are open from this address; close one and try again."
STREAM_WAIT_SECONDS: Final = 30
HOSTS_KEPT: Final = 10_000


class Proxies:
    """The reverse proxies that are trusted with a caller's address; their own addresses stand for no caller."""

    def __init__(self, text: str) -> None:
        """Read addresses and networks separated by commas."""
        self.networks = [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
        self._of_hosts = functools.lru_cache(HOSTS_KEPT)(self._includes)

    def include(self, host: str) -> bool:
        """Return whether an address is a proxy's; a host that is no address is a program inside this process."""
        return self._of_hosts(host)

    def _includes(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return True
        return any(address in network for network in self.networks)


@functools.cache
def proxies(text: str) -> Proxies:
    """Return the proxies of a setting."""
    return Proxies(text)


class Limits:
    """Around the application: refuse requests above a limit with 429, and state to programs what is left."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application with the limits of the settings; 0 means no limit."""
        chosen = settings()
        self.app, self.proxies = app, proxies(chosen.proxies)
        self.by_address = Limiter(chosen.address_limit) if chosen.address_limit else None
        self.by_key = Limiter(chosen.key_limit) if chosen.key_limit else None
        self.most_streams, self.streams = chosen.streams_an_address, Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, refuse it or pass it on; note its route for the access log."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(UNLIMITED):
            await self._pass_on(scope, receive, send)
            return
        client = scope["client"]
        address = address_of(client[0]) if client and not self.proxies.include(client[0]) else ""
        now, policy, limiter, answer = time.monotonic(), "", None, None
        if address and self.by_address:
            policy, limiter = "address", self.by_address
            answer = limiter.ask(address, now)
        if self.by_key and not (answer and answer.wait_seconds) and (key := _key(scope)):
            policy, limiter = "key", self.by_key
            answer = limiter.ask(key, now)
        headers = _headers(policy, limiter.quota, answer) if limiter and answer else []
        if answer and answer.wait_seconds:
            sentence = gettext(TOO_MANY).format(seconds=answer.wait_seconds)
            await refuse(
                send, path, HTTPStatus.TOO_MANY_REQUESTS, sentence, seconds=answer.wait_seconds, headers=headers
            )
        elif address and self.most_streams and path.endswith("/stream"):
            await self._stream(address, scope, receive, send)
        else:
            await self._pass_on(scope, receive, _saying(send, headers) if path.startswith("/api/") else send)

    async def _stream(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self.streams[address] >= self.most_streams:
            sentence = gettext(TOO_MANY_STREAMS)
            await refuse(send, scope["path"], HTTPStatus.TOO_MANY_REQUESTS, sentence, seconds=STREAM_WAIT_SECONDS)
            return
        self.streams[address] += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self.streams[address] -= 1
            if not self.streams[address]:
                del self.streams[address]

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            state = scope.get("state")
            if state is not None:
                state["route"] = scope.get("path_template") or ""


def _key(scope: Scope) -> bytes:
    """Return a digest of the request's API key, or nothing; the key itself is not stored."""
    if not scope["path"].startswith("/api/"):
        return b""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return hashlib.blake2b(value[7:].strip(), digest_size=12).digest()
    return b""


def _headers(policy: str, quota: int, answer: Allowance) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-policy", f'"{policy}";q={quota};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"{policy}";r={answer.remaining};t={answer.reset_seconds}'.encode()),
    ]


def _saying(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers if headers else send
