"""Pages of deletion after a recall: a partner's button, and for staff the partners that have not confirmed."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import LotNumber, PageNumber, page, see
from marketplace.delivery.downloads import deletion_actions, deletion_queries
from marketplace.people.identity.guards import ActorRequest, expect, partner, staff


@post("/orders/{order:uuid}/deletion", guards=[partner], opt=expect("partner", stranger=404))
async def confirm(
    request: ActorRequest,
    order: FromPath[uuid.UUID],
    data: Pressed,
    lot: LotNumber = 1,
) -> Redirect:
    """Record that a partner deleted its copies of a recalled release."""
    del data
    await deletion_actions.confirm_deletion(request.user, order, lot)
    return see(f"/orders/{order}?lot={lot}")


@get("/staff/deletions", guards=[staff("steward", "auditor")], opt=expect("steward", "auditor"))
async def list_all(number: PageNumber = 1) -> Template:
    """List the orders of recalled releases; those without a confirmation come first."""
    return page("downloads/deletions.html", owed=await deletion_queries.list_owed(number), most=deletion_actions.MOST)


ROUTES = [confirm, list_all]
