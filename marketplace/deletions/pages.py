"""Pages of deletion after a recall: a partner's button, and who of all has not confirmed, for staff."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.deletions import actions, queries
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, staff
from marketplace.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.pages import page, see

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]


@post("/orders/{order:uuid}/deletion", guards=[partner], opt=expect("partner", stranger=404))
async def confirm(
    request: Asked,
    order: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Write down that a partner deleted its copies of what was called back."""
    del data
    await actions.confirm_deletion(request.user, order)
    return see(f"/orders/{order}")


@get("/staff/deletions", guards=[staff("steward", "auditor")], opt=expect("steward", "auditor"))
async def list_all(number: Page = 1) -> Template:
    """Show who confirmed that copies of what was called back are deleted, those who did not first."""
    return page("deletions/all.html", owed=await queries.list_owed(number), most=actions.MOST)


ROUTES = [confirm, list_all]
