"""A partner's page: why a price is not paid."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.queries import get_quote
from marketplace.errors import Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.interest import actions, queries
from marketplace.interest.rules import REASONS
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]


class ReasonForm(Struct):
    """A reason."""

    form_id: uuid.UUID
    reason: str = ""


@get("/quotes/{quote:uuid}/reason", guards=[partner], opt=expect("partner", stranger=404))
async def ask(request: Asked, quote: FromPath[uuid.UUID]) -> Template:
    """Ask a partner why it does not pay a price."""
    assert request.user.partner
    row = await get_quote(quote, request.user.partner)
    return page("interest/reason.html", quote=row, reasons=REASONS, given=await queries.find_reason(quote), error="")


@post("/quotes/{quote:uuid}/reason", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def give(
    request: Asked,
    quote: FromPath[uuid.UUID],
    data: Annotated[ReasonForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Write a reason down."""
    assert request.user.partner
    try:
        await actions.give_reason(request.user.partner, quote, data.reason)
    except Invalid as refusal:
        row = await get_quote(quote, request.user.partner)
        return again("interest/reason.html", refusal, quote=row, reasons=REASONS, given="")
    return see(f"/quotes/{quote}/reason")


ROUTES = [ask, give]
