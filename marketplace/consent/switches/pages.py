"""The steward's page of the sector of each buyer. No page shows how many people refuse a sector."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.switches import actions, queries
from marketplace.consent.switches.rules import SECTORS
from marketplace.core.web.pages import PageNumber, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff


class SectorForm(Struct):
    """A partner's sector."""

    sector: str
    form_id: uuid.UUID


@get("/steward/sectors", guards=[staff("steward", "auditor")], opt=expect("steward", "auditor"))
async def sectors(number: PageNumber = 1) -> Template:
    """List vetted partners with their sectors."""
    return page("switches/sectors.html", partners=await queries.list_sectors(number), sectors=SECTORS)


@post(
    "/steward/sectors/{partner:uuid}", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=303
)
async def state_sector(
    request: ActorRequest,
    partner: FromPath[uuid.UUID],
    data: Annotated[SectorForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """State the sector of a partner."""
    await actions.state_sector(partner, data.sector, request.user, request.user.name)
    return see("/steward/sectors")


ROUTES = [sectors, state_sector]
