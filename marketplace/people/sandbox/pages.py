"""The way into the sandbox: a page of this site that gives a pass, and a page of the sandbox that reads it."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.utils.scope.state import ScopeState
from msgspec import Struct

from marketplace.core.web.pages import page, see
from marketplace.people.identity.guards import ActorRequest, VisitorRequest, begin_session, expect, partner
from marketplace.people.sandbox import actions, rules

Shown = Annotated[str, QueryParameter(name="pass", max_length=rules.LONGEST)]


class EnterForm(Struct):
    """The pass."""

    form_id: uuid.UUID
    shown: str = ""


@get("/sandbox", guards=[partner], opt=expect("partner"))
async def show_sandbox(request: ActorRequest) -> Template:
    """Explain the sandbox, and lead there."""
    assert request.user.partner
    return page("sandbox/sandbox.html", address=await actions.make_pass(request.user.partner))


@get("/sandbox/enter", opt=expect("anyone"))
async def show_entrance(request: VisitorRequest, shown: Shown = "") -> Template | Redirect:
    """In the sandbox, say which company a pass admits; a visitor who used it already is sent on."""
    if _is_in(request, shown):
        return see("/keys")
    return page("sandbox/enter.html", company=(await actions.check_is_unused(shown)).company, shown=shown)


@post("/sandbox/enter", opt=expect("anyone"))
async def enter(
    request: VisitorRequest, data: Annotated[EnterForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Admit the bearer of a pass, once; pressing the same button twice admits one."""
    answer = see("/keys")
    if not _is_in(request, data.shown):
        person = await actions.enter(data.shown, str(ScopeState.from_scope(request.scope).csrf_token))
        answer.set_cookie(await begin_session(person, with_factor=True))
    return answer


def _is_in(request: VisitorRequest, shown: str) -> bool:
    """Return whether this browser is signed in as the company of a pass."""
    given = actions.check_pass(shown)
    return request.user is not None and request.user.partner == given.company_id


ROUTES = [show_sandbox, show_entrance, enter]
