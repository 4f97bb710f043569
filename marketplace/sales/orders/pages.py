"""A partner's pages of purchases: pay, get a refund after a recall, fetch an invoice, set the billing address."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, download, page, see
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.sales.orders import approval_pages, invoices, quote_pages
from marketplace.sales.orders.electronic_addresses import find_receiving
from marketplace.sales.orders.quote_pages import to_payment
from marketplace.sales.orders.refunds import return_money_of_recalled


class BillingForm(Struct):
    """A billing address."""

    street: str
    postcode: str
    city: str
    reference: str
    form_id: uuid.UUID


def _own(request: ActorRequest) -> uuid.UUID:
    assert request.user.partner
    return request.user.partner


@post("/orders/{order:uuid}/pay", guards=[partner], opt=expect("partner", stranger=404))
async def pay(request: ActorRequest, order: FromPath[uuid.UUID]) -> Redirect:
    """Go to Stripe's page for an order that awaits its payment."""
    return await to_payment(_own(request), order)


@post("/orders/{order:uuid}/return-recalled", guards=[partner], opt=expect("partner", stranger=404))
async def return_recalled(request: ActorRequest, order: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Refund a release that was called back while its licence lasted."""
    await return_money_of_recalled(_own(request), order, by=request.user.name, refund_id=data.form_id)
    return see(f"/orders/{order}")


@get("/invoices/{invoice:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def invoice_file(request: ActorRequest, invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out one of the partner's own invoices or credit notes."""
    assert request.user.partner
    number, pdf = await invoices.get_invoice_file(invoice, request.user.partner)
    return download(f"{number}.pdf", pdf)


@get("/billing", guards=[partner], opt=expect("partner"))
async def billing(request: ActorRequest) -> Template:
    """Show the partner's billing address."""
    of = _own(request)
    return page("orders/billing.html", billing=await invoices.find_billing(of), receiving=await find_receiving(of))


@post("/billing", guards=[partner], opt=expect("partner"), status_code=303)
async def change_billing(
    request: ActorRequest, data: Annotated[BillingForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect | Template:
    """Set the address of later invoices."""
    of = _own(request)
    written = {name: getattr(data, name) for name in invoices.LONGEST_BILLED}
    try:
        await invoices.change_billing(of, **written)
    except Invalid as refusal:
        return again("orders/billing.html", refusal, billing=data, receiving=await find_receiving(of))
    return see("/billing")


ROUTES = [*quote_pages.ROUTES, *approval_pages.ROUTES, pay, return_recalled, invoice_file, billing, change_billing]
