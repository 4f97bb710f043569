"""A person's saved searches: saving the one that is shown, the list of them, stopping one."""

from __future__ import annotations

import uuid
from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.errors import Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.search import saved, showing
from marketplace.search.rules import read_state
from marketplace.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]
LONGEST_QUERY = 4_000


class SearchForm(Struct):
    """A search to be saved: its name, and the query of its address."""

    form_id: uuid.UUID
    name: str = ""
    query: str = ""


@get("/searches", guards=[partner], opt=expect("partner"))
async def searches(request: Asked) -> Template:
    """List the searches that this person saved."""
    assert request.user.person
    return page("search/saved.html", query=None, name="", error="", **await _listed(request.user.person))


@post("/searches", guards=[partner], opt=expect("partner"), status_code=200)
async def save(
    request: Asked, data: Annotated[SearchForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Save a search under a name."""
    assert request.user.person
    state = read_state(parse_qsl(data.query[:LONGEST_QUERY]))
    try:
        await saved.save(request.user.person, state, data.name, search_id=data.form_id)
    except Refusal as refusal:
        written = {"query": state.query(), "name": data.name[:200]}
        return again("search/saved.html", refusal, **written, **await _listed(request.user.person))
    return see("/searches")


@post("/searches/{search:uuid}/stop", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def stop(
    request: Asked,
    search: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Stop a search: it is written about no more."""
    del data
    assert request.user.person
    await saved.stop(request.user.person, search)
    return see("/searches")


async def _listed(person: uuid.UUID) -> dict[str, Any]:
    found = await saved.list_saved(person)
    tables = await showing.name_shown(row.state for row in found)
    rows = [(row, showing.address(row.state), showing.summary(row.state, tables)) for row in found]
    return {"searches": rows}


ROUTES = [searches, save, stop]
