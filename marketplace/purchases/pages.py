"""What a partner does about purchases: pay, have money back for what was called back, fetch an invoice, say where invoices are addressed."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.errors import Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.purchases import invoices, quote_pages
from marketplace.purchases.electronic_addresses import find_receiving
from marketplace.purchases.quote_pages import to_payment
from marketplace.purchases.refunds import return_money_of_recalled
from marketplace.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.web.pages import again, download, page, see

Asked = Request[Actor, Any, Any]


class BillingForm(Struct):
    """Where invoices are addressed."""

    street: str
    postcode: str
    city: str
    reference: str
    form_id: uuid.UUID


def _own(request: Asked) -> uuid.UUID:
    assert request.user.partner
    return request.user.partner


@post("/orders/{order:uuid}/pay", guards=[partner], opt=expect("partner", stranger=404))
async def pay(request: Asked, order: FromPath[uuid.UUID]) -> Redirect:
    """Go to Stripe's page for an order that awaits its payment."""
    return await to_payment(_own(request), order)


@post("/orders/{order:uuid}/return-recalled", guards=[partner], opt=expect("partner", stranger=404))
async def return_recalled(request: Asked, order: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Give the money back for a release that was called back while its licence lasted."""
    await return_money_of_recalled(_own(request), order, by=request.user.name, refund_id=data.form_id)
    return see(f"/orders/{order}")


@get("/invoices/{invoice:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def invoice_file(request: Asked, invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out an invoice or credit note of the partner's own."""
    assert request.user.partner
    number, pdf = await invoices.get_invoice_file(invoice, request.user.partner)
    return download(f"{number}.pdf", pdf)


@get("/billing", guards=[partner], opt=expect("partner"))
async def billing(request: Asked) -> Template:
    """Show where the partner's invoices are addressed."""
    of = _own(request)
    return page("purchases/billing.html", billing=await invoices.find_billing(of), receiving=await find_receiving(of))


@post("/billing", guards=[partner], opt=expect("partner"), status_code=303)
async def change_billing(
    request: Asked, data: Annotated[BillingForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect | Template:
    """Address the invoices to come."""
    of = _own(request)
    written = {name: getattr(data, name) for name in invoices.LONGEST_BILLED}
    try:
        await invoices.change_billing(of, **written)
    except Invalid as refusal:
        return again("purchases/billing.html", refusal, billing=data, receiving=await find_receiving(of))
    return see("/billing")


ROUTES = [*quote_pages.ROUTES, pay, return_recalled, invoice_file, billing, change_billing]
