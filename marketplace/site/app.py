"""The site: the Litestar application with the routes of every district, and its middleware."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, Request, Response, route
from litestar.datastructures import CacheControlHeader, State
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from marketplace.catalogue import routes as catalogue_routes
from marketplace.consent import routes as consent_routes
from marketplace.core import database
from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.core.version import VERSION
from marketplace.core.web.pages import engine
from marketplace.datasets import routes as datasets_routes
from marketplace.delivery import routes as delivery_routes
from marketplace.delivery.links.file_pages import WholeFiles
from marketplace.finance import routes as finance_routes
from marketplace.money import routes as money_routes
from marketplace.oversight import routes as oversight_routes
from marketplace.people import routes as people_routes
from marketplace.people.audit_trail.guards import NoteBeginnings, NoteRequests
from marketplace.people.identity.guards import Identify, ProofTooOldError
from marketplace.people.sandbox.actions import check_database
from marketplace.people.sign_in.factor_rules import FormWaitsError
from marketplace.people.sign_in.provider_rules import read_providers
from marketplace.sales import routes as sales_routes
from marketplace.site import routes as site_routes
from marketplace.site.answers import FAILED, LARGEST_BODY_BYTES, OPEN_PATHS, prove_first, refused
from marketplace.site.health.checks import Latest
from marketplace.site.serving.api_document import ApiDocument
from marketplace.site.serving.api_requests import ApiRequests
from marketplace.site.serving.deadlines import Deadlines
from marketplace.site.serving.form_tokens import FormTokens
from marketplace.site.serving.interrupted_forms import go_on
from marketplace.site.serving.languages import Languages
from marketplace.site.serving.limits import Limits
from marketplace.site.serving.refusals import MACHINE_PATHS
from marketplace.site.serving.requests import Requests
from marketplace.site.serving.routes import Compression, hand_over_guards
from marketplace.site.serving.security_headers import SecurityHeaders
from marketplace.subscribers import routes as subscribers_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from litestar.handlers import HTTPRouteHandler
    from litestar.types import ASGIApp


@asynccontextmanager
async def _lifespan(_: Litestar) -> AsyncIterator[None]:
    await database.open_pool(settings().database_url, size=settings().database_connections, is_bounded=True)
    try:
        await check_database()
        yield
    finally:
        await database.close_pool()


def create_app(*, manages_pool: bool = True, further_routes: Sequence[Any] = (), access_log: bool = False) -> ASGIApp:
    """Return the site with the pages and APIs of every district.

    manages_pool: the pool opens and closes with the site. further_routes: an operator's own. access_log: a line a
    request.
    """
    read_providers(settings().identity_providers)  # an unreadable setting stops the start, not a sign-in
    return with_middleware(application(manages_pool=manages_pool, further_routes=further_routes), access_log=access_log)


def application(*, manages_pool: bool, further_routes: Sequence[Any] = ()) -> Litestar:
    """Return the application without the middleware around it; see `create_app`."""
    return Litestar(
        route_handlers=[
            create_static_files_router(
                "/static",
                [Path(__file__).parents[1] / "core" / "web" / "static"],
                cache_control=CacheControlHeader(max_age=86400, public=True),
            ),
            *options(routes()),  # first: the framework adds its own if there is none yet
            *routes(),
            *further_routes,
        ],
        lifespan=[_lifespan] if manages_pool else [],
        logging_config=None,
        exception_handlers={
            ProofTooOldError: prove_first,
            FormWaitsError: go_on,
            Refusal: refused,
            HTTPException: refused,
            Exception: refused,
        },
        middleware=[
            DefineMiddleware(FormTokens, machine_paths=MACHINE_PATHS, open_paths=OPEN_PATHS),
            NoteBeginnings,
            ApiRequests,
            Compression,
        ],
        template_config=TemplateConfig(instance=engine()),
        signature_namespace={"Template": Template, "Redirect": Redirect, "Response": Response, "Request": Request},
        openapi_config=OpenAPIConfig(title="Partage", version=VERSION, path="/schema", render_plugins=[ApiDocument()]),
        request_max_body_size=LARGEST_BODY_BYTES,
        state=State({"health": Latest()}),
    )


def with_middleware(app: Litestar, *, access_log: bool = False) -> ASGIApp:
    """Return an application inside the middleware of every request: headers, languages, limits, deadlines, identity."""
    around = Languages(Limits(Deadlines(WholeFiles(Identify(NoteRequests(app))))), MACHINE_PATHS)
    return Requests(SecurityHeaders(around, FAILED), access_log=access_log)


ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *people_routes.ROUTES,
    *consent_routes.ROUTES,
    *money_routes.ROUTES,
    *datasets_routes.ROUTES,
    *catalogue_routes.ROUTES,
    *sales_routes.ROUTES,
    *delivery_routes.ROUTES,
    *subscribers_routes.ROUTES,
    *finance_routes.ROUTES,
    *oversight_routes.ROUTES,
    *site_routes.ROUTES,
)
"""Every route handler of the site, one line for each district."""


def options(handlers: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return a handler of OPTIONS for each path that several handlers share: the framework lists only the first one's methods."""
    methods: dict[str, set[str]] = {}
    shared = set()
    for handler in handlers:
        for path in handler.paths:
            shared |= {path} & methods.keys()
            methods[path] = methods.get(path, {"OPTIONS"}) | {str(method) for method in handler.http_methods}
    return [_options_of(path, ", ".join(sorted(methods[path]))) for path in sorted(shared)]


def _options_of(path: str, allowed: str) -> HTTPRouteHandler:
    @route(path, http_method="OPTIONS", include_in_schema=False, sync_to_thread=False)
    def answer() -> Response[None]:
        return Response(None, status_code=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})

    return answer


def routes() -> list[HTTPRouteHandler]:
    """Return the route handlers of every district. Each GET answers HEAD too; the OpenAPI document has only the API."""
    handlers = list(ROUTES)
    heads = {path for handler in handlers if "HEAD" in handler.http_methods for path in handler.paths}
    for handler in handlers:
        if "GET" in handler.http_methods and not handler.paths & heads:
            handler.http_methods = {*handler.http_methods, "HEAD"}  # the server drops the body
        hand_over_guards(handler)
        handler.include_in_schema = any(path.startswith("/api/") for path in handler.paths)
    return handlers
