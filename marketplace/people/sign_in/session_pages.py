"""Pages of a person's own sessions: a list, and how to end them."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads them)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import NotFound
from marketplace.core.web.pages import page, see
from marketplace.people.identity import sessions
from marketplace.people.identity.guards import VisitorRequest, expect, session_of, signed_in


def _me(request: VisitorRequest) -> uuid.UUID:
    assert request.user
    if request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


@get("/sessions", guards=[signed_in], opt=expect("signed in"))
async def sessions_page(request: VisitorRequest) -> Template:
    """List the signed-in person's sessions."""
    return page("sign_in/sessions.html", sessions=await sessions.list_sessions(_me(request), session_of(request)))


@post("/sessions/{session_id:str}/end", guards=[signed_in], opt=expect("signed in", stranger=404), status_code=200)
async def end_session(request: VisitorRequest, session_id: FromPath[str]) -> Redirect:
    """End one of the person's own sessions."""
    await sessions.end_own_session(_me(request), session_id)
    return see("/sessions")


@post("/sessions/end-others", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def end_others(request: VisitorRequest) -> Redirect:
    """End all of the person's own sessions except this one."""
    await sessions.end_other_sessions(_me(request), session_of(request))
    return see("/sessions")


ROUTES = [sessions_page, end_session, end_others]
