"""Pages for the steward and the auditor: how long what is kept."""

from __future__ import annotations

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.identity.guards import expect, staff
from marketplace.rights.retention import list_kinds_of_data
from marketplace.web.pages import page


@get("/staff/retention", guards=[staff("steward", "auditor")], opt=expect("steward", "auditor"))
async def retention_page() -> Template:
    """Show each kind of data: whose it is, how long it is kept, and whether anything is kept for too long."""
    return page("rights/retention.html", kinds=await list_kinds_of_data())


ROUTES = [retention_page]
