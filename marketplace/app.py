"""The people's door: the Litestar application, its middleware, and the one table from refusals to HTTP."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, Response, get
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import ResponseHeader, State
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.openapi import OpenAPIConfig
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from marketplace import database
from marketplace.errors import Refusal
from marketplace.identity.sessions import Identify
from marketplace.settings import settings
from marketplace.web.i18n import LANGUAGES, gettext, language, preferred
from marketplace.web.pages import engine, page, url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar.types import ASGIApp, Receive, Scope, Send

MACHINE_DOORS = ("/api/", "/webhooks/", "/static/", "/healthz", "/metrics", "/schema")
LARGEST_BODY_BYTES = 1_000_000
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class Languages:
    """Outermost: the first part of a page's path is its language; a path without one is sent to the visitor's."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the language and strip it from the path."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        first, _, rest = path[1:].partition("/")
        headers = dict(scope["headers"])
        if first in LANGUAGES:
            chosen, path = first, f"/{rest}"
        else:
            chosen = preferred(headers.get(b"accept-language", b"").decode("latin-1"))
            if not path.startswith(MACHINE_DOORS):
                query = scope["query_string"]
                target = f"/{chosen}{path}".encode() + (b"?" + query if query else b"")
                await send({"type": "http.response.start", "status": 307, "headers": [(b"location", target)]})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
        token = language.set(chosen)
        try:
            await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)  # type: ignore[arg-type]
        finally:
            language.reset(token)


def for_machines(request: Request[Any, Any, Any]) -> bool:
    """Tell whether the answer is read by a program: RFC 9457 rather than a page."""
    return request.scope["path"].startswith(MACHINE_DOORS) or "json" in request.headers.get("accept", "")


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a refusal or an HTTP error: one sentence, as a page for people and RFC 9457 for machines."""
    if isinstance(error, Refusal):
        status, sentence = error.status, gettext(error.sentence).format(**error.fields)
    elif isinstance(error, NotAuthorizedException):
        if not for_machines(request) and request.method == "GET":
            return Redirect(url(f"/sign-in?next={request.scope['path']}"), status_code=303)
        status, sentence = 401, gettext("Sign in first.")
    elif isinstance(error, HTTPException):
        status, sentence = error.status_code, _http_sentence(error)
    else:
        raise error
    if for_machines(request):
        problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
        return Response(problem, status_code=status, media_type="application/problem+json")
    return page("web/refused.html", status_code=status, status=status, sentence=sentence)


def _http_sentence(error: HTTPException) -> str:
    known = {
        400: "That request is malformed: {detail}",
        403: "That form is no longer valid; go back, reload the page and try again.",
        404: "There is nothing here.",
        405: "This address does not take that kind of request.",
        413: "That is too large; at most 1 MB is taken.",
        429: "Too many requests; wait a minute and try again.",
    }
    return gettext(known.get(error.status_code, "{detail}")).format(detail=error.detail)


@get("/healthz", sync_to_thread=False, include_in_schema=False)
def healthz() -> str:
    """Say that the process answers."""
    return "ok"


@asynccontextmanager
async def _lifespan(_: Litestar) -> AsyncIterator[None]:
    await database.open_pool(settings().database_url)
    try:
        yield
    finally:
        await database.close_pool()


def create_app(*route_handlers: Any) -> ASGIApp:  # noqa: ANN401 (Litestar's handlers of many kinds)
    """Return the site with every slice's pages and APIs; `route_handlers` adds the demo's doors."""
    app = Litestar(
        route_handlers=[
            healthz,
            create_static_files_router("/static", [Path(__file__).parent / "web" / "static"]),
            *_slices(),
            *route_handlers,
        ],
        lifespan=[_lifespan],
        exception_handlers={Refusal: refused, HTTPException: refused},
        csrf_config=CSRFConfig(
            secret=hashlib.sha256(settings().secret.encode()).hexdigest(),
            cookie_secure=settings().url.startswith("https"),
            cookie_httponly=True,
            exclude=["^/api/", "^/webhooks/"],
        ),
        template_config=TemplateConfig(instance=engine()),
        compression_config=CompressionConfig(backend="gzip", minimum_size=600, exclude=["/stream$"]),
        openapi_config=OpenAPIConfig(title="Partage", version="1", path="/schema"),
        request_max_body_size=LARGEST_BODY_BYTES,
        response_headers=[
            ResponseHeader(name="Content-Security-Policy", value=CONTENT_SECURITY_POLICY),
            ResponseHeader(name="X-Content-Type-Options", value="nosniff"),
            ResponseHeader(name="Referrer-Policy", value="same-origin"),
        ],
        state=State(),
    )
    return Languages(Identify(app))


def _slices() -> list[Any]:
    """Return the route handlers of every slice: each slice's `pages.py` and `api.py` end with a list `ROUTES`."""
    import importlib  # noqa: PLC0415
    import importlib.util  # noqa: PLC0415

    names = ("identity", "datasets", "catalogue", "purchases", "auctions", "delivery", "earnings", "finance")
    routes: list[Any] = []
    for module in [f"marketplace.{name}.{file}" for name in names for file in ("pages", "api")] + ["marketplace.webhooks"]:
        if importlib.util.find_spec(module):
            routes += importlib.import_module(module).ROUTES
    return routes
