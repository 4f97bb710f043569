"""The page of the audit trail: who did what, narrowed by person, action, subject and days, with links to all of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get
from litestar.params import QueryParameter

from marketplace.bookkeeping.trail import list_actions, list_staff, list_verbs, shown_at
from marketplace.errors import Invalid
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import READERS, Asked, Text, books_page, midnight

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.response import Template

Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]
AREAS = ("decision", "access", "request")


def _pages_of(app: Litestar, role: str | None) -> list[str]:
    """Return the addresses of the pages that a role may read."""
    return [
        route.path_format
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "GET" in handler.http_methods and {role, "anyone"} & set(getattr(handler.opt.get("expectation"), "who", ()))
    ]


@get("/finance/audit", guards=READERS, opt=expect("finance", "auditor"))
async def audit(  # noqa: PLR0917 (a filter of the page each)
    request: Asked,
    area: Text = "decision",
    person: Text = "",
    verb: Text = "",
    subject: Text = "",
    text: Text = "",
    since: Text = "",
    until: Text = "",
    before: Before = None,
) -> Template:
    """Show who did what, when and why. Finance reads what was decided; an auditor also who came in and what staff asked."""
    try:
        who = uuid.UUID(person) if person else None
    except ValueError:
        raise Invalid("There is no such person.") from None
    everything = request.user.role == "auditor"
    chosen = area if everything and area in {"", *AREAS} else "decision"
    trail = await list_actions(
        before,
        area=chosen,
        person=who,
        verb=verb,
        subject=subject,
        text=text,
        since=midnight(since),
        until=midnight(until, after=1),
    )
    pages = _pages_of(request.app, request.user.role)
    narrowed: dict[str, Any] = {"person": person, "verb": verb, "subject": subject, "text": text}
    return books_page(
        "bookkeeping/audit.html",
        trail=trail,
        paths={row.id: shown_at(row.paths, pages) for row in trail.rows},
        people=await list_staff(),
        verbs=await list_verbs(chosen),
        areas=AREAS if everything else (),
        chosen=narrowed | {"since": since, "until": until, "area": chosen, "before": before},
    )


ROUTES = [audit]
