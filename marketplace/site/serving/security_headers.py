"""Around the application: security headers on every answer, and an answer even if everything failed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from h11 import LocalProtocolError
from litestar.enums import ScopeType

from marketplace.core.settings import settings
from marketplace.people.identity.guards import COOKIE, read_cookie

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from marketplace.core.settings import Settings

STRIPE_CHECKOUT: Final = "https://checkout.stripe.com"
log = structlog.get_logger(__name__)


def security_headers(settings_: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer: no foreign or inline content, no frames, forms only to us and to Checkout.

    Browsers apply `form-action` to a form's redirects too, so it names the payment page.
    """
    checkout = "/".join(settings_.stripe_url.split("/")[:3]) if settings_.stripe_url else STRIPE_CHECKOUT
    headers = {
        "content-security-policy": "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"base-uri 'none'; frame-ancestors 'none'; form-action 'self' {checkout}",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    if settings_.url.startswith("https"):
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class SecurityHeaders:
    """Outermost: security headers on every answer, and one plain sentence if even the error page fails."""

    def __init__(self, app: ASGIApp, failed: str) -> None:
        """Wrap the application. failed: the sentence of last resort."""
        self.app, self.failed, self.headers = app, failed, security_headers(settings())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers, and answer 500 if nothing inside has answered."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                named = {name.lower() for name, _ in message["headers"]}
                kept = [(name, value) for name, value in self.headers if name not in named]
                if b"cache-control" not in named:
                    is_own = read_cookie(scope, COOKIE)
                    kept.append((b"cache-control", b"private, no-store" if is_own else b"private, no-cache"))
                message["headers"] = [*_shareable(message["headers"]), *kept]
            with suppress(LocalProtocolError):  # the sender broke HTTP's rules half-way, and reads no other answer
                await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except Exception:  # the last handler before the server's own
            log.exception("an answer failed", path=scope["path"])
            if started:
                raise
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"30")]
            await send_guarded({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": self.failed.encode(), "more_body": False})


def _shareable(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers, without cookies where any cache may store it: it would hand one visitor's to others."""
    given = list(headers)
    is_shared = any(name.lower() == b"cache-control" and b"public" in value for name, value in given)
    return [(name, value) for name, value in given if not (is_shared and name.lower() == b"set-cookie")]
