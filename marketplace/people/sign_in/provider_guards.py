"""A browser's state while it is at a provider: in a signed cookie of ten minutes, so nothing is stored here.

The answer counts only in the browser that went: its `state` must be the cookie's, and the ID token's `nonce` too.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from typing import Final

import msgspec
from litestar.datastructures import Cookie
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Expired
from marketplace.core.settings import settings
from marketplace.people.identity.guards import cookie_name
from marketplace.people.messages.links import link_token

NAME: Final = "provider"
USE: Final = "identity provider"
LASTS: Final = dt.timedelta(minutes=10)
OVER: Final = "This sign-in took too long, or began in another browser; begin again."


class Attempt(Struct, frozen=True):
    """A visit to a provider: what its answer must match, the next page, and whether to make a link."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    began: int
    """Seconds since 1970."""
    session: str = ""
    """The digest of the session that wants a link; empty for a sign-in."""


def begin(provider: str, following: str, session: str = "") -> Attempt:
    """Return a new attempt; session: the secret of the session that wants a link."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    wants = _digest(session) if session else ""
    return Attempt(provider, state, nonce, verifier, following, int(clock.now().timestamp()), wants)


def cookie_of(attempt: Attempt) -> Cookie:
    """Return the cookie that stores an attempt."""
    content = base64.urlsafe_b64encode(msgspec.json.encode(attempt)).decode().rstrip("=")
    return _cookie(f"{content}.{link_token(USE, content)}", int(LASTS.total_seconds()))


def forget() -> Cookie:
    """Return the cookie that deletes the stored attempt."""
    return _cookie("", 0)


def read(cookie: str, provider: str, state: str) -> Attempt:
    """Return the attempt that an answer with this `state` belongs to; refuses Expired."""
    content, _, token = cookie.partition(".")
    if not content or not hmac.compare_digest(token.encode(), link_token(USE, content).encode()):
        raise Expired(OVER)
    attempt = msgspec.json.decode(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)), type=Attempt)
    age = int(clock.now().timestamp()) - attempt.began
    if attempt.provider != provider or age > LASTS.total_seconds():
        raise Expired(OVER)
    if not hmac.compare_digest(attempt.state.encode(), state.encode()):
        raise Expired(OVER)
    return attempt


def is_of_session(attempt: Attempt, session: str) -> bool:
    """Return whether the session with this secret wants the link."""
    return bool(session) and hmac.compare_digest(attempt.session, _digest(session))


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()


def _cookie(value: str, seconds: int) -> Cookie:
    return Cookie(
        cookie_name(NAME),
        value=value,
        httponly=True,
        samesite="lax",
        max_age=seconds,
        secure=settings().url.startswith("https"),
        path="/",
    )
