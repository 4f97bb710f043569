"""The way into the sandbox: a page of this site with a pass, and a page of the sandbox that reads one."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.utils.scope.state import ScopeState
from msgspec import Struct

from marketplace.identity.actors import Actor
from marketplace.identity.guards import begin_session, expect, partner
from marketplace.sandbox import actions, rules
from marketplace.web.pages import page, see

Asked = Request[Actor, Any, Any]
Visitor = Request[Actor | None, Any, Any]
Shown = Annotated[str, QueryParameter(name="pass", max_length=rules.LONGEST)]


class EnterForm(Struct):
    """The pass."""

    form_id: uuid.UUID
    shown: str = ""


@get("/sandbox", guards=[partner], opt=expect("partner"))
async def show_sandbox(request: Asked) -> Template:
    """Say what the sandbox is, and lead there."""
    assert request.user.partner
    return page("sandbox/sandbox.html", address=await actions.make_pass(request.user.partner))


@get("/sandbox/enter", opt=expect("anyone"))
async def show_entrance(request: Visitor, shown: Shown = "") -> Template | Redirect:
    """Say, in the sandbox, as which company a pass lets in; who came in by it goes on."""
    if _is_in(request, shown):
        return see("/keys")
    return page("sandbox/enter.html", company=(await actions.check_is_unused(shown)).company, shown=shown)


@post("/sandbox/enter", opt=expect("anyone"))
async def enter(
    request: Visitor, data: Annotated[EnterForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Let in who brings a pass, once; the same button pressed twice is no second one."""
    answer = see("/keys")
    if not _is_in(request, data.shown):
        person = await actions.enter(data.shown, str(ScopeState.from_scope(request.scope).csrf_token))
        answer.set_cookie(await begin_session(person, with_factor=True))
    return answer


def _is_in(request: Visitor, shown: str) -> bool:
    """Return whether the company of a pass is the one that this browser is signed in as."""
    given = actions.check_pass(shown)
    return request.user is not None and request.user.partner == given.company_id


ROUTES = [show_sandbox, show_entrance, enter]
