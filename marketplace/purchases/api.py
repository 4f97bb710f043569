"""The API of purchases: order a quote, list orders, see one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct

from marketplace.catalogue.queries import find_quote_subject
from marketplace.errors import Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, vetted_partner
from marketplace.purchases import actions, queries
from marketplace.purchases.checkout_words import checkout_words

PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]
IdempotencyKey = Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=200)]
Asked = Request[Actor, Any, Any]


class OrderRequest(Struct, forbid_unknown_fields=True):
    """Which quote to order; your purchase order's number, and why, where you have the release already."""

    quote: uuid.UUID
    reference: Annotated[str, Meta(max_length=60)] = ""
    reason: Annotated[str, Meta(max_length=500)] = ""


class OrderAnswer(Struct):
    """An order as its partner sees it; amounts in cents."""

    id: uuid.UUID
    number: str
    quote: uuid.UUID
    release: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    state: str
    """awaiting_payment, paid, lapsed, refunded or charged_back."""
    net_minor: int
    vat_minor: int
    total_minor: int
    returned_minor: int
    """What was given back, VAT included."""
    currency: str
    vat_rule: str
    ordered_at: dt.datetime
    paid_at: dt.datetime | None
    entitlement: uuid.UUID | None
    """What to download with, once paid."""
    payment_url: str | None = None
    """Where to pay, while payment is awaited and Stripe answers."""


class Orders(Struct):
    """One page of orders, the latest first."""

    page: int
    has_more: bool
    orders: list[OrderAnswer]


@get("/api/v1/orders", guards=[partner], opt=expect("partner", scope="orders"), tags=["purchases"])
async def list_orders(request: Asked, number: PageNumber = 1) -> Orders:
    """List the partner's orders."""
    assert request.user.partner
    found = await queries.list_orders(request.user.partner, number)
    return Orders(found.number, found.more, [_answer(row) for row in found.rows])


@get(
    "/api/v1/orders/{order:uuid}",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def show_order(request: Asked, order: FromPath[uuid.UUID]) -> OrderAnswer:
    """Show one order; while its payment is awaited, with the address to pay at."""
    assert request.user.partner
    row = await queries.get_order(request.user.partner, order)
    waits = row.state == "awaiting_payment"
    return _answer(row, await actions.payment_page(request.user.partner, order) if waits else None)


@post("/api/v1/orders", guards=[vetted_partner], opt=expect("vetted partner", scope="orders"), tags=["purchases"])
async def order_quote(
    request: Asked, data: JSONBody[OrderRequest], idempotency_key: IdempotencyKey = ""
) -> OrderAnswer:
    """Order a quote; the same Idempotency-Key again is the same order."""
    assert request.user.partner
    if not idempotency_key.strip():
        raise Invalid("Send an Idempotency-Key header, the same each time you try this order again.")
    partner_id, order_id = request.user.partner, uuid.uuid5(request.user.partner, idempotency_key)
    asked = await find_quote_subject(data.quote)
    if asked and asked.partner == partner_id and not await queries.is_ordered(data.quote):
        await actions.check_second(partner_id, asked.release, asked.level, data.reason)
    order = await actions.order(
        partner_id,
        data.quote,
        order_id=order_id,
        reference=data.reference,
        reason=data.reason,
        email=await queries.get_email(request.user.partner),
        words=checkout_words(),
    )
    row = await queries.get_order(request.user.partner, order)
    waits = row.state == "awaiting_payment"
    return _answer(row, await actions.payment_page(request.user.partner, order) if waits else None)


def _answer(row: queries.OrderPage, payment_url: str | None = None) -> OrderAnswer:
    fields = {name: getattr(row, name) for name in OrderAnswer.__struct_fields__ if name != "payment_url"}
    return OrderAnswer(**fields, payment_url=payment_url)


ROUTES = [list_orders, show_order, order_quote]
