"""The page of an order that an approver of the company approves or refuses, exactly as it is written there."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.queries import get_quote
from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, approver, expect, partner, recently_proved
from marketplace.people.identity.queries import get_person
from marketplace.people.identity.rules import APPROVE
from marketplace.sales.orders.approval_actions import decide
from marketplace.sales.orders.approval_queries import find_request, get_request
from marketplace.sales.orders.checkout_words import checkout_words


class ApprovalForm(Struct):
    """Whether an approver approves the order with that hash."""

    form_id: uuid.UUID
    decision: str = ""
    sha256: str = ""


@get("/quotes/{quote:uuid}/approval", guards=[partner], opt=expect("partner", stranger=404))
async def show_request(request: ActorRequest, quote: FromPath[uuid.UUID]) -> Redirect | Template:
    """Show an order that needs an approval, and what was decided; the quote if nobody asked."""
    assert request.user.partner
    if await find_request(quote, request.user.partner) is None:
        return see(f"/quotes/{(await get_quote(quote, request.user.partner)).id}")
    return page("orders/approval.html", error="", **await _request(request, quote))


async def _request(request: ActorRequest, quote: uuid.UUID) -> dict[str, Any]:
    assert request.user.partner
    row = await get_request(quote, request.user.partner)
    is_open = row.approved is not False and row.purchase_order is None and row.expires_at > clock.now()
    may_decide = is_open and request.user.company_role in APPROVE and row.asked_by != request.user.person
    return {"row": row, "document": row.read(), "is_open": is_open, "may_decide": may_decide}


@post(
    "/quotes/{quote:uuid}/approval",
    guards=[approver, recently_proved],
    opt=expect("approver", stranger=404),
    status_code=303,
)
async def decide_request(
    request: ActorRequest,
    quote: FromPath[uuid.UUID],
    data: Annotated[ApprovalForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Approve or refuse the order; approved, it is placed, and its page says what is to pay."""
    shown = await _request(request, quote)
    assert request.user.person
    email = (await get_person(request.user.person)).email
    approve = data.decision == "approve"
    try:
        order = await decide(
            request.user, quote, sha256=data.sha256, approve=approve, email=email, words=checkout_words()
        )
    except Refusal as refusal:
        return again("orders/approval.html", refusal, **shown | await _request(request, quote))
    return see(f"/orders/{order}" if order else f"/quotes/{quote}/approval")


ROUTES = [show_request, decide_request]
