"""Whether the site is alive and ready, and its status: for the supervisor, the load balancer and people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get, route
from litestar.response import Template  # noqa: TC002 (read at run time)

from marketplace.core import clock
from marketplace.core.version import VERSION
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import page
from marketplace.people.identity.guards import expect

if TYPE_CHECKING:
    from marketplace.site.health.checks import Check

_ = gettext
READY, NOT_READY = 200, 503
NEEDS: Final = {
    "browse": {"database", "migrations"},
    "buy": {"database", "migrations", "clock", "jobs"},
    "download": {"database", "object store"},
    "build": {"database", "object store", "jobs", "disk"},
    "pay": {"database", "jobs"},
}
"""A visitor's activity → the checks that it needs."""


@route("/healthz", opt=expect("anyone"), http_method=["GET", "HEAD"], sync_to_thread=False, include_in_schema=False)
def healthz() -> str:
    """Answer with the version as long as the process is alive; `/readyz` says whether it can serve."""
    return f"ok {VERSION}"


@get("/readyz", opt=expect("anyone"), include_in_schema=False)
async def readyz(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answer 200 when all is well, and 503 with what is wrong; with `?serving`, only with what keeps this process from serving."""
    checks: list[Check] = await request.app.state.health.read()
    asked = NEEDS["browse"] if "serving" in request.query_params else {check.name for check in checks}
    wrong = [check for check in checks if check.problem and check.name in asked]
    if not wrong:
        return Response({"status": "ready"}, headers={"cache-control": "no-store"})
    problem = {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": NOT_READY,
        "detail": " ".join(check.problem for check in wrong),
        "checks": [{"name": check.name, "problem": check.problem} for check in wrong],
    }
    return Response(
        problem,
        status_code=NOT_READY,
        media_type="application/problem+json",
        headers={"cache-control": "no-store", "retry-after": "10"},
    )


@get("/status", opt=expect("anyone"))
async def status_page(request: Request[Any, Any, Any]) -> Template:
    """Show people what works at the moment."""
    checks: list[Check] = await request.app.state.health.read()
    failing = {check.name for check in checks if check.problem}
    words = {
        "browse": _("Looking at what is for sale"),
        "buy": _("Buying and bidding"),
        "download": _("Downloading what was bought"),
        "build": _("New releases"),
        "pay": _("Sharing and paying out"),
    }
    parts = [(words[name], not needs & failing) for name, needs in NEEDS.items()]
    return page("health/status.html", parts=parts, at=clock.now())


ROUTES = [healthz, readyz, status_page]
