"""A form that was sent without a recent proof of identity comes back after the proof, with all typed values.

Until then only the browser has the values, in the page that asks for the proof; nothing is stored here. Passwords and
files are not even sent back to it.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response
from litestar.response.base import ASGIResponse
from markupsafe import Markup

from marketplace.core import clock
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import url
from marketplace.people.sign_in.factor_pages import confirm_page_with
from marketplace.people.sign_in.factor_rules import FormWaitsError
from marketplace.site.serving.filled_forms import MACHINERY, UNKEPT, fill
from marketplace.site.serving.forms_again import find_again, pages_of, read_typed

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

    from marketplace.site.serving.filled_forms import Form

CONFIRMED: Final = "Confirmed. Here is the form again, with what you wrote: send it once more."


def to_carry(form: Form, typed: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the values that the browser keeps: typed ones without secrets, and which form of the page it was."""
    seen = {one.name for one in form.seen if one.kind not in UNKEPT}
    written = {name: values for name, values in typed.items() if name in seen}
    which = {
        one.name: [value]
        for one in form.controls
        if one.kind == "hidden" and one.name not in MACHINERY
        if (value := one.attributes.get("value") or "") in typed.get(one.name, ())
    }
    return written | which if any(value.strip() for values in written.values() for value in values) else {}


def _proved(scope: HTTPScope) -> HTTPScope:
    """Return the request as if its sender had just proved their identity, since some forms' pages need that."""
    actor = scope.get("user")
    proved: Any = {**scope, "user": replace(actor, proved_at=clock.now()) if actor else None}
    return proved  # type: ignore[no-any-return]


class Interrupted(Response[None]):
    """The answer to a form whose sender must first prove their identity."""

    def __init__(self, otherwise: Response[Any]) -> None:
        """Store the answer for a form without typed values."""
        super().__init__(None)
        self.otherwise = otherwise

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIResponse:  # noqa: ANN401, ARG002 (the framework's signature)
        """Return the application that answers."""
        return _Asks(self.otherwise, request)


class _Asks(ASGIResponse):
    def __init__(self, otherwise: Response[Any], request: Request[Any, Any, Any]) -> None:
        super().__init__()
        self.otherwise, self.request = otherwise, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page that asks for the proof, with the typed values hidden in it."""
        typed = await read_typed(self.request)
        sent_to, places = self.request.scope["path"], pages_of(self.request)
        found = await find_again(_proved(self.request.scope), places, sent_to, typed) if typed else None
        answer = self.otherwise
        if found and (carried := to_carry(found.form, typed)):
            waits = FormWaitsError(found.address, sent_to, carried)
            answer = await confirm_page_with(self.request, found.address, waits)
            answer.status_code = HTTPStatus.FORBIDDEN
        await answer.to_asgi_response(None, self.request)(scope, receive, send)


def go_on(_: Request[Any, Any, Any], waits: FormWaitsError) -> Response[Any]:
    """Answer a proof that interrupted a form."""
    return _GoesOn(waits)


class _GoesOn(Response[None]):
    def __init__(self, waits: FormWaitsError) -> None:
        super().__init__(None)
        self.waits = waits

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIResponse:  # noqa: ANN401, ARG002 (the framework's signature)
        """Return the application that answers."""
        return _Filled(self.waits, request)


class _Filled(ASGIResponse):
    def __init__(self, waits: FormWaitsError, request: Request[Any, Any, Any]) -> None:
        super().__init__()
        self.waits, self.request = waits, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the form's page with the typed values; redirect to the page if it no longer has the form."""
        path, _, query = self.waits.following.partition("?")
        written = self.waits.written
        found = await find_again(_proved(self.request.scope), [(path, query)], self.waits.sent_to, written)
        if found:
            above = Markup('<p class="notice good" role="status">{}</p>').format(gettext(CONFIRMED))
            await found.send(send, HTTPStatus.OK, fill(found.page, found.form, written, above=str(above)))
            return
        there = Response(None, status_code=HTTPStatus.SEE_OTHER, headers={"location": url(self.waits.following)})
        await there.to_asgi_response(None, self.request)(scope, receive, send)
