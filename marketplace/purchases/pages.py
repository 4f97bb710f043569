"""What a partner does about purchases: order a quote, pay, fetch an invoice, say where invoices are addressed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect
from msgspec import Struct

from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, vetted_partner
from marketplace.identity.queries import get_person
from marketplace.purchases import actions, invoices, queries
from marketplace.purchases.checkout_words import checkout_words
from marketplace.web.pages import download, page, see

if TYPE_CHECKING:
    from litestar.response import Template

Asked = Request[Actor, Any, Any]


class OrderForm(Struct):
    """The one field of the quote's button: the order's id, so that a double click is one order."""

    form_id: uuid.UUID


class BillingForm(Struct):
    """Where invoices are addressed."""

    street: str
    postcode: str
    city: str
    reference: str
    form_id: uuid.UUID


@post("/quotes/{quote:uuid}/orders", guards=[vetted_partner], opt=expect("vetted partner", stranger=404))
async def order_quote(
    request: Asked,
    quote: FromPath[uuid.UUID],
    data: Annotated[OrderForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Order a quote and go where it is paid."""
    assert request.user.partner
    assert request.user.person
    email = (await get_person(request.user.person)).email
    order = await actions.order(request.user.partner, quote, order_id=data.form_id, email=email, words=checkout_words())
    return await _to_payment(request.user.partner, order)


@post("/orders/{order:uuid}/pay", guards=[partner], opt=expect("partner", stranger=404))
async def pay(request: Asked, order: FromPath[uuid.UUID]) -> Redirect:
    """Go to Stripe's page for an order that awaits its payment."""
    assert request.user.partner
    return await _to_payment(request.user.partner, order)


async def _to_payment(of: uuid.UUID, order: uuid.UUID) -> Redirect:
    """Lead to Stripe's page; to the order itself while Stripe is silent, and when nothing is owed any more."""
    row = await queries.get_order(of, order)
    address = await actions.payment_page(of, order) if row.state in ("awaiting_payment", "lapsed") else None
    return Redirect(address, status_code=303) if address else see(f"/orders/{order}")


@get("/invoices/{invoice:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def invoice_file(request: Asked, invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out an invoice or credit note of the partner's own."""
    assert request.user.partner
    number, pdf = await invoices.get_invoice_file(invoice, request.user.partner)
    return download(f"{number}.pdf", pdf)


@get("/billing", guards=[partner], opt=expect("partner"))
async def billing(request: Asked) -> Template:
    """Show where the partner's invoices are addressed."""
    assert request.user.partner
    return page("purchases/billing.html", billing=await invoices.find_billing(request.user.partner))


@post("/billing", guards=[partner], opt=expect("partner"), status_code=303)
async def change_billing(
    request: Asked, data: Annotated[BillingForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Address the invoices to come."""
    assert request.user.partner
    await invoices.change_billing(
        request.user.partner, street=data.street, postcode=data.postcode, city=data.city, reference=data.reference
    )
    return see("/billing")


ROUTES = [order_quote, pay, invoice_file, billing, change_billing]
