"""A person's saved searches: save the shown one, list them, stop one."""

from __future__ import annotations

import uuid
from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.search import saved, showing
from marketplace.catalogue.search.rules import read_state
from marketplace.core.errors import Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, partner

LONGEST_QUERY = 4_000


class SearchForm(Struct):
    """A search to save: its name, and the query of its address."""

    form_id: uuid.UUID
    name: str = ""
    query: str = ""


@get("/searches", guards=[partner], opt=expect("partner"))
async def searches(request: ActorRequest) -> Template:
    """List this person's saved searches."""
    assert request.user.person
    return page("search/saved.html", query=None, name="", error="", **await _listed(request.user.person))


@post("/searches", guards=[partner], opt=expect("partner"), status_code=200)
async def save(
    request: ActorRequest, data: Annotated[SearchForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
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
    request: ActorRequest,
    search: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Stop a search: no more messages about it."""
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
