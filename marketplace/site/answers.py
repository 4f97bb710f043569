"""Answers to refusals and errors: a page for people, a problem of RFC 9457 for programs."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.response import Redirect

from marketplace.core.errors import Busy, Refusal, Unavailable
from marketplace.core.tracing import request_id
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import filled, page, sign_in_url, url
from marketplace.people.identity.rules import own_path
from marketplace.site.serving.forms_again import FormAgain, Mistake, is_form
from marketplace.site.serving.interrupted_forms import Interrupted
from marketplace.site.serving.refusals import MACHINE_PATHS
from marketplace.site.serving.sentences import HEADINGS, SENTENCES, SOMETHING, at_fault, http_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence


OPEN_PATHS = ("/stop-mail/", "/app/")
"""Paths to which programs send forms without our token: their content, or the address, is the proof."""


LARGEST_BODY_BYTES = MEGABYTE = 1_000_000


FAILED = "Something failed on our side; nothing was half-done. Try again in a moment."


log = structlog.get_logger(__name__)


def for_machines(request: Request[Any, Any, Any]) -> bool:
    """Return whether a program reads the answer: RFC 9457 instead of a page."""
    return request.scope["path"].startswith(MACHINE_PATHS) or "json" in request.headers.get("accept", "")


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a refusal or an HTTP error: one sentence, as a page for people and RFC 9457 for machines."""
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, Refusal):
        status, sentence, headers = error.status, filled(error), error.headers
    elif isinstance(error, NotAuthorizedException):
        if not for_machines(request) and request.method in ("GET", "HEAD"):
            return Redirect(sign_in_url(), status_code=303)
        status, sentence = 401, gettext("Sign in first.")
        headers["www-authenticate"] = "Bearer" if for_machines(request) else "Form"
    elif isinstance(error, HTTPException):
        limit = getattr(request.scope.get("route_handler"), "resolve_request_max_body_size", lambda: LARGEST_BODY_BYTES)
        status, sentence = error.status_code, http_sentence(error).replace("{limit}", str(limit() // MEGABYTE or 1))
        headers |= error.headers or {}
        if isinstance(error.extra, list):
            more["errors"] = [
                {"field": str(item.get("key", "")), "detail": str(item.get("message", ""))} for item in error.extra
            ]
    elif fault := _of_a_value(error):
        log.warning("a value that cannot be stored", path=request.scope["path"], error=str(error))
        status, sentence = fault[0], gettext(fault[1])
    else:
        status, sentence = 500, gettext(FAILED)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _is_explained(error):
        log.error("a request failed", path=request.scope["path"], method=request.method, exc_info=error)
        sentence = gettext(FAILED)
    if for_machines(request):
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": sentence,
            "request": request_id(),
            **more,
        }
        return Response(problem, status_code=status, media_type="application/problem+json", headers=headers)
    draw = partial(_refused_page, request, status, sentence, headers)
    if is_form(request, error, OPEN_PATHS):
        return FormAgain(Mistake(status, sentence, at_fault(error), error), draw)
    return draw([])


def _refused_page(
    request: Request[Any, Any, Any], status: int, sentence: str, headers: dict[str, str], written: Sequence[str]
) -> Response[Any]:
    """Return a refusal's page, with the typed values if no form shows them again."""
    came_from, here = _came_from(request.headers.get("referer", "")), own_path(request.scope["path"])
    answer = page(
        "web/refused.html",
        status_code=status,
        status=status,
        sentence=sentence,
        heading=gettext(HEADINGS.get(status, SOMETHING)),
        reference=request_id() if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
        back=came_from if came_from != "/" and (request.method == "POST" or came_from != here) else "",
        written=written,
    )
    answer.headers.update(headers)
    return answer


def _is_explained(error: Exception) -> bool:
    """Return whether a failure of ours has a sentence for visitors; log what only the operator should read."""
    if isinstance(error, Unavailable):
        log.error("something needed does not answer", cause=error.cause)
    return isinstance(error, Unavailable | Busy)


def prove_first(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Ask for a proof of identity, on a page that leads back to the request, or to its form with the typed values."""
    if for_machines(request):
        return refused(request, error)
    there = request.url.path
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        there += f"?{query}" if query else ""
    else:
        there = _came_from(request.headers.get("referer", ""))
    answer = Redirect(url("/confirm?" + urlencode({"next": own_path(there) or "/profile"})), status_code=303)
    return Interrupted(answer) if is_form(request, error, OPEN_PATHS) else answer


def _came_from(referer: str) -> str:
    """Return the path of the page that the visitor came from; the site's first page if it was not ours."""
    try:
        return own_path(urlsplit(referer).path or "/") or "/"
    except ValueError:  # an invalid address
        return "/"


def _of_a_value(error: Exception) -> tuple[int, str] | None:
    """Return whether an input value is the cause: one the database cannot store, or JSON nested too deeply."""
    if isinstance(error, asyncpg.DataError | OverflowError):  # such as the day before the year 1
        return 422, "A value is out of range or holds a character that cannot be kept."
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return 400, SENTENCES[400]
    return None
