"""The API of purchases: read the terms, order a quote and say how it is paid, list orders, see one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from litestar import get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct

from marketplace.catalogue.offers.queries import Terms, get_terms
from marketplace.core.errors import Invalid
from marketplace.core.web.pages import LotNumber, PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.money.payments.queries import BankTransfer
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.people.spending.rules import spender_of
from marketplace.sales.orders import actions, queries
from marketplace.sales.orders.checkout_words import checkout_words

IdempotencyKey = Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=200)]


State = Literal["awaiting_payment", "paid", "lapsed", "refunded", "charged_back"]
After = Annotated[uuid.UUID | None, QueryParameter(name="after")]
Since = Annotated[str | None, QueryParameter(name="since", max_length=40, schema_extra={"format": "date-time"})]
Dataset = Annotated[str | None, QueryParameter(name="dataset", max_length=63)]


def once(partner: uuid.UUID, what: str, key: str) -> uuid.UUID:
    """Return the request's id for a partner's Idempotency-Key among requests of one kind; refuses a blank key."""
    if not key.strip():
        raise Invalid("Send an Idempotency-Key header, the same each time you try this again.")
    return uuid.uuid5(partner, f"{what} {key}" if what else key)


class OrderRequest(Struct, forbid_unknown_fields=True):
    """Which quote to order, the terms you accept, how you pay; your order's number, and why, where you have it already."""

    quote: uuid.UUID
    terms: Annotated[str, Meta(min_length=1, max_length=63, pattern="^[!-~]+$")]
    """The version of the licence terms you read and accept: the quote's own, see /api/v1/licence-terms/{code}."""
    pay_by: Literal["page", "saved_method", "bank_transfer", "invoice"] = "page"
    """On Stripe's page; by the saved card or account; by a transfer, from 1,000 EUR on, VAT included.

    On invoice, within your limit.
    """
    reference: Annotated[str, Meta(max_length=60)] = ""
    reason: Annotated[str, Meta(max_length=500)] = ""


class OrderAnswer(Struct):
    """An order as its partner sees it, with one of its releases; amounts in cents."""

    id: uuid.UUID
    number: str
    lot: int
    """Which of its releases this is, from 1 on."""
    lots: int
    """How many releases it buys; ask for another by `lot`."""
    quote: uuid.UUID
    release: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    state: State
    terms: str
    """The version of its licence terms."""
    net_minor: int
    vat_minor: int
    total_minor: int
    returned_minor: int
    """The refunded amount, VAT included."""
    currency: str
    vat_rule: str
    ordered_at: dt.datetime
    paid_at: dt.datetime | None
    entitlement: uuid.UUID | None
    """The entitlement to download with, once paid."""
    payment_url: str | None = None
    """Where to pay, while payment is awaited and Stripe answers; None if no page is needed."""
    bank_transfer: BankTransfer | None = None
    """Where to send the money, while a bank transfer is awaited."""
    due_at: dt.datetime | None = None
    """On invoice: until when to pay."""
    reference: str = ""
    """Your company's own order number, if it was given."""
    ordered_by: str = ""
    """The colleague by name, or the API key by its label; empty once that person is erased."""
    approved_by: str = ""
    """Who approved it; empty where no approval was needed."""


class Orders(Struct):
    """One page of orders, the latest first."""

    page: int
    has_more: bool
    orders: list[OrderAnswer]
    after: uuid.UUID | None = None
    """Ask for the orders after this one next: unlike pages, they do not move while orders are made."""


@get("/api/v1/licence-terms/{code:str}", opt=expect("anyone", stranger=200), tags=["purchases"])
async def show_terms(code: FromPath[str]) -> Terms:
    """Show licence terms of a version, as an order accepts them."""
    return await get_terms(code)


@get("/api/v1/orders", guards=[partner], opt=expect("partner", scope="orders"), tags=["purchases"])
async def list_orders(
    request: ActorRequest,
    *,
    number: PageNumber = 1,
    after: After = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    dataset: Dataset = None,
    since: Since = None,
) -> Orders:
    """List the partner's orders, the latest first; `after` is the order to go on after, `since` the first instant."""
    assert request.user.partner
    narrowed = {"state": in_state, "dataset": dataset}
    found = await queries.list_orders(request.user.partner, number, after=after, since=instant_of(since), **narrowed)
    if after and not found.rows:
        await queries.get_order(request.user.partner, after)
    last = found.rows[-1].id if found.rows else after
    return Orders(found.number, found.more, [_answer(row) for row in found.rows], last)


def instant_of(text: str | None) -> dt.datetime | None:
    """Return an instant as written, or None; refuses text that is not an instant, or that lacks its offset to UTC."""
    try:
        instant = None if text is None else dt.datetime.fromisoformat(text)
    except ValueError:
        instant = dt.datetime.min  # noqa: DTZ901 (without an offset, and so refused)
    if instant is not None and instant.tzinfo is None:
        raise Invalid("Say since when with an offset to UTC, such as 2026-03-01T00:00:00Z.", field="since")
    return instant


@get(
    "/api/v1/orders/{order:uuid}",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
)
async def show_order(request: ActorRequest, order: FromPath[uuid.UUID], lot: LotNumber = 1) -> OrderAnswer:
    """Show one order with one of its releases; while its payment is awaited, with the address to pay at."""
    assert request.user.partner
    row = await queries.get_order(request.user.partner, order, lot)
    waits = row.state == "awaiting_payment"
    return _answer(row, await actions.payment_page(request.user.partner, order) if waits else None)


@post("/api/v1/orders", guards=[vetted_partner], opt=expect("vetted partner", scope="orders"), tags=["purchases"])
async def order_quote(
    request: ActorRequest, data: JSONBody[OrderRequest], idempotency_key: IdempotencyKey = ""
) -> OrderAnswer:
    """Order a quote, accept its terms and say how it is paid; the same Idempotency-Key again is the same order."""
    assert request.user.partner
    partner_id, order_id = request.user.partner, once(request.user.partner, "", idempotency_key)
    order = await actions.order(
        partner_id,
        data.quote,
        by=spender_of(request.user),
        order_id=order_id,
        reference=data.reference,
        reason=data.reason,
        terms=data.terms,
        pay_by=data.pay_by,
        email=await queries.get_email(request.user.partner),
        words=checkout_words(),
    )
    row = await queries.get_order(request.user.partner, order)
    waits = row.state == "awaiting_payment"
    return _answer(row, await actions.payment_page(request.user.partner, order) if waits else None)


def _answer(row: queries.OrderPage, payment_url: str | None = None) -> OrderAnswer:
    fields = {name: getattr(row, name) for name in OrderAnswer.__struct_fields__ if name != "payment_url"}
    return OrderAnswer(**fields, payment_url=payment_url)


ROUTES = [show_terms, list_orders, show_order, order_quote]
