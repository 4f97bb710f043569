"""Pages of one's own sessions: where one is signed in, and how to end that."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads them)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.errors import NotFound
from marketplace.identity import sessions
from marketplace.identity.guards import expect, session_of, signed_in
from marketplace.identity.pages import Asked  # noqa: TC001 (Litestar reads them)
from marketplace.web.pages import page, see


def _me(request: Asked) -> uuid.UUID:
    assert request.user
    if request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


@get("/sessions", guards=[signed_in], opt=expect("signed in"))
async def sessions_page(request: Asked) -> Template:
    """Show where the signed-in person is signed in."""
    return page("access/sessions.html", sessions=await sessions.list_sessions(_me(request), session_of(request)))


@post("/sessions/{session_id:str}/end", guards=[signed_in], opt=expect("signed in", stranger=404), status_code=200)
async def end_session(request: Asked, session_id: FromPath[str]) -> Redirect:
    """End one of one's own sessions."""
    await sessions.end_own_session(_me(request), session_id)
    return see("/sessions")


@post("/sessions/end-others", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def end_others(request: Asked) -> Redirect:
    """End all of one's own sessions but this one."""
    await sessions.end_other_sessions(_me(request), session_of(request))
    return see("/sessions")


ROUTES = [sessions_page, end_session, end_others]
