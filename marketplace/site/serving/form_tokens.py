"""Tokens of forms: every form that changes something has one, of the session whose page showed it.

A session's token is derived from the session's secret, so that no planted token of another session fits. Before there
is a session it is a signed number, the same in a cookie and in the form.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any, Final

from litestar import Request
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.enums import RequestEncodingType, ScopeType
from litestar.exceptions import PermissionDeniedException
from litestar.utils.scope.state import ScopeState

from marketplace.core.settings import settings
from marketplace.people.identity.guards import COOKIE, cookie_name, read_cookie

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

TOKEN_COOKIE: Final = "csrftoken"  # noqa: S105 (a name)
HEADER: Final = "x-csrftoken"
FIELD: Final = "_csrf_token"
SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
FORMS: Final = {RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART}


def _signed(kind: str, text: str) -> str:
    return hmac.digest(settings().secret.encode(), f"form {kind} {text}".encode(), "sha256").hex()


def token_of(session: str, cookie: str) -> str:
    """Return the token of this browser's forms.

    session: the session's secret, '' without one. cookie: the browser's present token; it is replaced unless we signed
    it.
    """
    if session:
        return _signed("session", session)
    number, _, signature = cookie.partition(".")
    if number and hmac.compare_digest(signature.encode(), _signed("nobody", number).encode()):
        return cookie
    number = secrets.token_hex(16)
    return f"{number}.{_signed('nobody', number)}"


class FormTokens:
    """Inside the application: gives every page its token, and refuses forms without it. Machine paths have no token."""

    def __init__(self, app: ASGIApp, machine_paths: tuple[str, ...], open_paths: tuple[str, ...] = ()) -> None:
        """Wrap a route.

        machine_paths: beginnings of paths without forms. open_paths: those whose address is itself the proof, to which
        programs send forms on their owner's behalf.
        """
        self.app, self.machine_paths, self.open_paths = app, machine_paths, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the token, and compare it with the one in a form."""
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(self.machine_paths):
            await self.app(scope, receive, send)
            return
        cookie = read_cookie(scope, TOKEN_COOKIE)
        token = token_of(read_cookie(scope, COOKIE), cookie)
        if scope["method"] not in SAFE_METHODS and not scope["path"].startswith(self.open_paths):
            sent = await _sent(scope, receive)
            if not hmac.compare_digest(sent.encode(), token.encode()):
                raise PermissionDeniedException("this form's token is not the session's")
        ScopeState.from_scope(scope).csrf_token = token

        async def send_with_token(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message).add("set-cookie", _cookie(token).to_header(header=""))
            await send(message)

        is_new = cookie != token and scope["method"] in SAFE_METHODS
        await self.app(scope, receive, send_with_token if is_new else send)


async def _sent(scope: HTTPScope, receive: Receive) -> str:
    """Return the token of a request, from its header or its form."""
    request: Request[Any, Any, Any] = Request(scope, receive)
    sent = request.headers.get(HEADER, "")
    if not sent and request.content_type[0] in FORMS:
        sent = (await request.form()).get(FIELD, "")
    return sent if isinstance(sent, str) else ""


def _cookie(token: str) -> Cookie:
    return Cookie(
        cookie_name(TOKEN_COOKIE),
        value=token,
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings().url.startswith("https"),
    )
