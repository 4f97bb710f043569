"""The steward's page of sectors: which one each buyer is of. How many people refuse a sector is shown nowhere."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.identity.actors import Actor  # noqa: TC001 (Litestar reads a handler’s annotations)
from marketplace.identity.guards import expect, staff
from marketplace.identity.pages import Page  # noqa: TC001 (Litestar reads it)
from marketplace.switches import actions, queries
from marketplace.switches.rules import SECTORS
from marketplace.web.pages import page, see


class SectorForm(Struct):
    """The sector that a partner is of."""

    sector: str
    form_id: uuid.UUID


@get("/steward/sectors", guards=[staff("steward", "auditor")], opt=expect("steward", "auditor"))
async def sectors(number: Page = 1) -> Template:
    """List vetted partners with their sectors."""
    return page("switches/sectors.html", partners=await queries.list_sectors(number), sectors=SECTORS)


@post(
    "/steward/sectors/{partner:uuid}", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=303
)
async def state_sector(
    request: Request[Actor, Any, Any],
    partner: FromPath[uuid.UUID],
    data: Annotated[SectorForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """State the sector of a partner."""
    await actions.state_sector(partner, data.sector, request.user, request.user.name)
    return see("/steward/sectors")


ROUTES = [sectors, state_sector]
