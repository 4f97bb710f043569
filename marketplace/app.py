"""The site: the Litestar application, its middleware, and the one table from refusals to HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import asyncpg
import structlog
from litestar import Litestar, Request, Response, route
from litestar.datastructures import CacheControlHeader, State
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from marketplace import database, metrics, webhooks
from marketplace.access import api as access_api
from marketplace.access import company_pages as access_company_pages
from marketplace.access import inbox_pages as access_inbox_pages
from marketplace.access import partner_pages as access_partner_pages
from marketplace.access import session_pages as access_session_pages
from marketplace.access import sign_in_pages as access_sign_in_pages
from marketplace.auction_pages import api as auction_pages_api
from marketplace.auction_pages import pages as auction_pages
from marketplace.audit_trail.guards import NoteBeginnings, NoteRequests
from marketplace.bank import pages as bank_pages
from marketplace.bank import preview_pages as bank_preview_pages
from marketplace.bank_rules import pages as bank_rules_pages
from marketplace.baskets import pages as baskets_pages
from marketplace.bookkeeping import export_pages as bookkeeping_export_pages
from marketplace.bookkeeping import pages as bookkeeping_pages
from marketplace.bookkeeping import period_pages as bookkeeping_period_pages
from marketplace.bookkeeping import trail_pages as bookkeeping_trail_pages
from marketplace.bookkeeping import year_pages as bookkeeping_year_pages
from marketplace.bucket_exports import pages as bucket_exports_pages
from marketplace.business import funnel_pages as business_funnel_pages
from marketplace.business import judgement_pages as business_judgement_pages
from marketplace.business import pages as business_pages
from marketplace.catalogue import api as catalogue_api
from marketplace.catalogue import pages as catalogue_pages
from marketplace.chosen_zones import api as chosen_zones_api
from marketplace.chosen_zones import pages as chosen_zones_pages
from marketplace.claims import api as claims_api
from marketplace.claims import pages as claims_pages
from marketplace.credit import pages as credit_pages
from marketplace.datasets import pages as datasets_pages
from marketplace.deletions import api as deletions_api
from marketplace.deletions import pages as deletions_pages
from marketplace.delivery import api as delivery_api
from marketplace.delivery import pages as delivery_pages
from marketplace.delta_sharing import api as delta_sharing_api
from marketplace.delta_sharing import pages as delta_sharing_pages
from marketplace.desk import pages as desk_pages
from marketplace.docs import pages as docs_pages
from marketplace.dry_runs import pages as dry_runs_pages
from marketplace.earnings import pages as earnings_pages
from marketplace.earnings import statement_pages as earnings_statement_pages
from marketplace.einvoicing import api as einvoicing_api
from marketplace.einvoicing import pages as einvoicing_pages
from marketplace.errors import Refusal, Unavailable
from marketplace.finance import category_pages as finance_category_pages
from marketplace.finance import command_pages as finance_command_pages
from marketplace.finance import pages as finance_pages
from marketplace.finance import queue_pages as finance_queue_pages
from marketplace.first_steps import pages as first_steps_pages
from marketplace.health import pages as health_pages
from marketplace.health.checks import Latest
from marketplace.identity.guards import Identify, ProofTooOldError
from marketplace.identity.rules import own_path
from marketplace.identity_providers import pages as identity_providers_pages
from marketplace.identity_providers.rules import read_providers
from marketplace.interest import pages as interest_pages
from marketplace.interest.actions import write_counts
from marketplace.legal import pages as legal_pages
from marketplace.links import pages as links_pages
from marketplace.links.file_pages import WholeFiles
from marketplace.mail import pages as mail_pages
from marketplace.map_layers import pages as map_layers_pages
from marketplace.metadata import api as metadata_api
from marketplace.my_data import api as my_data_api
from marketplace.my_data import link_pages as my_data_link_pages
from marketplace.my_data import pages as my_data_pages
from marketplace.notifications import api as notifications_api
from marketplace.notifications import pages as notifications_pages
from marketplace.operators import api as operators_api
from marketplace.payouts import pages as payouts_pages
from marketplace.payouts import run_pages as payouts_run_pages
from marketplace.payouts import statement_pages as payouts_statement_pages
from marketplace.population_density import api as population_density_api
from marketplace.private_offers import pages as private_offers_pages
from marketplace.purchases import api as purchases_api
from marketplace.purchases import pages as purchases_pages
from marketplace.recovery import address_pages as recovery_address_pages
from marketplace.recovery import pages as recovery_pages
from marketplace.requests import pages as requests_pages
from marketplace.reverse_auctions import pages as reverse_auctions_pages
from marketplace.rewards import pages as rewards_pages
from marketplace.rights import pages as rights_pages
from marketplace.rights import steward_pages as rights_steward_pages
from marketplace.sandbox import pages as sandbox_pages
from marketplace.sandbox.actions import check_database
from marketplace.search import routes as search_routes
from marketplace.second_factors import pages as second_factors_pages
from marketplace.second_factors.rules import FormWaitsError
from marketplace.serving import api_pages as serving_api_pages
from marketplace.serving.api_document import ApiDocument
from marketplace.serving.api_requests import ApiRequests
from marketplace.serving.deadlines import Deadlines
from marketplace.serving.form_tokens import FormTokens
from marketplace.serving.forms_again import FormAgain, Mistake, is_form
from marketplace.serving.interrupted_forms import Interrupted, go_on
from marketplace.serving.languages import Languages
from marketplace.serving.limits import Limits
from marketplace.serving.requests import Requests
from marketplace.serving.routes import Compression, hand_over_guards
from marketplace.serving.security_headers import SecurityHeaders
from marketplace.serving.sentences import HEADINGS, SENTENCES, SOMETHING, at_fault, http_sentence
from marketplace.settings import settings
from marketplace.stewardship import definition_pages as stewardship_definition_pages
from marketplace.stewardship import offer_pages as stewardship_offer_pages
from marketplace.stewardship import purpose_pages as stewardship_purpose_pages
from marketplace.stewardship import release_pages as stewardship_release_pages
from marketplace.stewardship import terms_pages as stewardship_terms_pages
from marketplace.storefront import pages as storefront_pages
from marketplace.subscriptions import api as subscriptions_api
from marketplace.subscriptions import pages as subscriptions_pages
from marketplace.switches import pages as switches_pages
from marketplace.tour import pages as tour_pages
from marketplace.tracing import request_id
from marketplace.transparency import pages as transparency_pages
from marketplace.trials import api as trials_api
from marketplace.trials import pages as trials_pages
from marketplace.wallets import pages as wallets_pages
from marketplace.wallets.relying_party import find_party
from marketplace.web.i18n import gettext
from marketplace.web.pages import engine, filled, page, sign_in_url, url
from marketplace.zones import pages as zones_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from litestar.handlers import HTTPRouteHandler
    from litestar.types import ASGIApp

MACHINE_PATHS = (
    "/api/",
    "/app.css",
    "/catalogue.",
    "/robots.txt",
    "/sitemap",
    "/delta-sharing/",
    "/log/",
    "/files/",
    "/webhooks/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/schema",
    "/.well-known/",
)
OPEN_PATHS = ("/stop-mail/", "/app/", "/wallet/answers/")
"""Paths that programs send forms to without our token: what they send, or the address, is itself the proof."""
LARGEST_BODY_BYTES = MEGABYTE = 1_000_000
FAILED = "Something failed on our side; nothing was half-done. Try again in a moment."
log = structlog.get_logger(__name__)


def for_machines(request: Request[Any, Any, Any]) -> bool:
    """Return whether the answer is read by a program: RFC 9457 rather than a page."""
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
        log.error("a request failed", path=request.scope["path"], method=request.method, exc_info=error)
        status, sentence = 500, gettext(FAILED)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _is_explained(error):
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
    """Return the page of a refusal, with what was written where no form has it any more."""
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
    """Return whether a failure of ours has a sentence for visitors, and log what only the operator should read."""
    if isinstance(error, Unavailable):
        log.error("something needed does not answer", cause=error.cause)
    return isinstance(error, Unavailable)


def prove_first(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Ask who it is once more, on a page that leads back to what was asked, or to its form with what was written."""
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
    """Return the path of the page that sent someone here; the site's first one when it is none of ours."""
    try:
        return own_path(urlsplit(referer).path or "/") or "/"
    except ValueError:  # an address that is none
        return "/"


def _of_a_value(error: Exception) -> tuple[int, str] | None:
    """Return whether a value that came in is at fault: one the database cannot hold, or JSON nested beyond reading."""
    if isinstance(error, asyncpg.DataError):
        return 422, "A value is out of range or holds a character that cannot be kept."
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return 400, SENTENCES[400]
    return None


@asynccontextmanager
async def _lifespan(_: Litestar) -> AsyncIterator[None]:
    await database.open_pool(settings().database_url)
    try:
        await check_database()
        yield
    finally:
        await write_counts()
        await database.close_pool()


def create_app(*, manages_pool: bool = True, further_routes: Sequence[Any] = (), access_log: bool = False) -> ASGIApp:
    """Return the site with every slice's pages and APIs.

    manages_pool: the pool lives as long as the site. further_routes: an operator's own. access_log: a line a request.
    """
    read_providers(settings().identity_providers)  # a setting that cannot be read ends the start, not a sign-in
    find_party()
    return guarded(routed(manages_pool=manages_pool, further_routes=further_routes), access_log=access_log)


def routed(*, manages_pool: bool, further_routes: Sequence[Any] = ()) -> Litestar:
    """Return what answers each route, without what every request passes first; see `create_app`."""
    return Litestar(
        route_handlers=[
            create_static_files_router(
                "/static",
                [Path(__file__).parent / "web" / "static"],
                cache_control=CacheControlHeader(max_age=86400, public=True),
            ),
            *options(routes()),  # first: the framework adds its own where there is none yet
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
        openapi_config=OpenAPIConfig(title="Partage", version="1", path="/schema", render_plugins=[ApiDocument()]),
        request_max_body_size=LARGEST_BODY_BYTES,
        state=State({"health": Latest()}),
    )


def guarded(app: Litestar, *, access_log: bool = False) -> ASGIApp:
    """Return the application behind what every request passes: limits, deadlines, who asks, languages and headers."""
    around = Languages(Limits(Deadlines(WholeFiles(Identify(NoteRequests(app))))), MACHINE_PATHS)
    return Requests(SecurityHeaders(around, FAILED), access_log=access_log)


ROUTES: Final[Sequence[Sequence[HTTPRouteHandler]]] = (
    access_sign_in_pages.ROUTES,
    access_inbox_pages.ROUTES,
    mail_pages.ROUTES,
    access_session_pages.ROUTES,
    access_company_pages.ROUTES,
    access_partner_pages.ROUTES,
    access_api.ROUTES,
    sandbox_pages.ROUTES,
    second_factors_pages.ROUTES,
    identity_providers_pages.ROUTES,
    wallets_pages.ROUTES,
    recovery_pages.ROUTES,
    recovery_address_pages.ROUTES,
    zones_pages.ROUTES,
    map_layers_pages.ROUTES,
    datasets_pages.ROUTES,
    catalogue_pages.ROUTES,
    catalogue_api.ROUTES,
    chosen_zones_api.ROUTES,
    search_routes.ROUTES,
    interest_pages.ROUTES,
    business_funnel_pages.ROUTES,
    chosen_zones_pages.ROUTES,
    requests_pages.ROUTES,
    claims_api.ROUTES,
    claims_pages.ROUTES,
    credit_pages.ROUTES,
    deletions_pages.ROUTES,
    bucket_exports_pages.ROUTES,
    deletions_api.ROUTES,
    baskets_pages.ROUTES,
    private_offers_pages.ROUTES,
    trials_api.ROUTES,
    trials_pages.ROUTES,
    dry_runs_pages.ROUTES,
    stewardship_definition_pages.ROUTES,
    stewardship_purpose_pages.ROUTES,
    stewardship_terms_pages.ROUTES,
    stewardship_offer_pages.ROUTES,
    stewardship_release_pages.ROUTES,
    purchases_pages.ROUTES,
    purchases_api.ROUTES,
    auction_pages.ROUTES,
    auction_pages_api.ROUTES,
    reverse_auctions_pages.ROUTES,
    delivery_pages.ROUTES,
    delivery_api.ROUTES,
    links_pages.ROUTES,
    delta_sharing_pages.ROUTES,
    delta_sharing_api.ROUTES,
    notifications_pages.ROUTES,
    notifications_api.ROUTES,
    metadata_api.ROUTES,
    population_density_api.ROUTES,
    storefront_pages.ROUTES,
    subscriptions_api.ROUTES,
    subscriptions_pages.ROUTES,
    earnings_pages.ROUTES,
    earnings_statement_pages.ROUTES,
    operators_api.ROUTES,
    payouts_pages.ROUTES,
    payouts_statement_pages.ROUTES,
    payouts_run_pages.ROUTES,
    rewards_pages.ROUTES,
    bank_pages.ROUTES,
    bank_preview_pages.ROUTES,
    bank_rules_pages.ROUTES,
    business_pages.ROUTES,
    business_judgement_pages.ROUTES,
    bookkeeping_year_pages.ROUTES,
    finance_pages.ROUTES,
    desk_pages.ROUTES,
    finance_queue_pages.ROUTES,
    finance_command_pages.ROUTES,
    finance_category_pages.ROUTES,
    einvoicing_api.ROUTES,
    einvoicing_pages.ROUTES,
    bookkeeping_pages.ROUTES,
    bookkeeping_period_pages.ROUTES,
    bookkeeping_trail_pages.ROUTES,
    bookkeeping_export_pages.ROUTES,
    first_steps_pages.ROUTES,
    tour_pages.ROUTES,
    docs_pages.ROUTES,
    serving_api_pages.ROUTES,
    legal_pages.ROUTES,
    switches_pages.ROUTES,
    my_data_pages.ROUTES,
    my_data_link_pages.ROUTES,
    my_data_api.ROUTES,
    rights_pages.ROUTES,
    rights_steward_pages.ROUTES,
    transparency_pages.ROUTES,
    health_pages.ROUTES,
    webhooks.ROUTES,
    metrics.ROUTES,
)
"""What the site answers, one line a file: people's pages and machines' API of each slice."""


def options(handlers: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return what answers OPTIONS where several handlers share a path: the framework would list the first one's methods."""
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
    """Return every slice's route handlers; each GET answers HEAD too, and only the API is in its OpenAPI document."""
    handlers = [handler for part in ROUTES for handler in part]
    heads = {path for handler in handlers if "HEAD" in handler.http_methods for path in handler.paths}
    for handler in handlers:
        if "GET" in handler.http_methods and not handler.paths & heads:
            handler.http_methods = {*handler.http_methods, "HEAD"}  # the server drops the body
        hand_over_guards(handler)
        handler.include_in_schema = any(path.startswith("/api/") for path in handler.paths)
    return handlers
