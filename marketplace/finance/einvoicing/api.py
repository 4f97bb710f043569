"""Invoices for a partner's programs: the list of them, and each as a file."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from marketplace.core.web.pages import download
from marketplace.finance.einvoicing.queries import PartnersDocument, list_of_partner
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.sales.orders.invoices import get_invoice_file

After = Annotated[uuid.UUID | None, QueryParameter(name="after")]
Order = Annotated[uuid.UUID | None, QueryParameter(name="order")]
PDF = "application/pdf"


class Invoices(Struct):
    """Invoices and credit notes, the latest first."""

    invoices: list[PartnersDocument]
    has_more: bool
    after: uuid.UUID | None
    """Ask for those after this one next."""


@get("/api/v1/invoices", guards=[partner], opt=expect("partner", scope="orders"), tags=["purchases"])
async def list_invoices(request: ActorRequest, after: After = None, order: Order = None) -> Invoices:
    """List the partner's invoices and credit notes, the latest first, of all orders or of one."""
    assert request.user.partner
    found = await list_of_partner(request.user.partner, order, after)
    return Invoices(list(found.rows), found.more, found.rows[-1].id if found.rows else after)


@get(
    "/api/v1/invoices/{invoice:uuid}",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders") | {"files": [PDF]},
    tags=["purchases"],
)
async def show_invoice(request: ActorRequest, invoice: FromPath[uuid.UUID]) -> Response[bytes]:
    """Download an invoice or credit note: a PDF that holds its figures as Factur-X."""
    assert request.user.partner
    number, pdf = await get_invoice_file(invoice, request.user.partner)
    return download(f"{number}.pdf", pdf)


ROUTES = [list_invoices, show_invoice]
