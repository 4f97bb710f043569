"""The duplicate of an unpaid invoice, which its seller sends to reclaim the VAT (French tax code, article 272)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from marketplace.core.database import fetch_row
from marketplace.core.errors import NotFound
from marketplace.core.web import formats
from marketplace.core.web.i18n import language
from marketplace.core.words import Words
from marketplace.finance.einvoicing.queries import Document
from marketplace.money.credit.queries import find_due, get_reclaimed

if TYPE_CHECKING:
    import uuid

UNPAID: Final = Words(
    "DUPLICATE. Invoice left unpaid for the sum of {net} before VAT and of {vat} of VAT, which may not be deducted "
    "(French general tax code, article 272)."
)


async def draw_duplicate(order: uuid.UUID, partner: uuid.UUID | None = None) -> tuple[str, bytes]:
    """Return the number of an order's latest invoice and its file, marked as unpaid; `partner` may fetch only its own.

    Refuses an order that is not, or no longer, written off.
    """
    from marketplace.sales.orders.invoice_pdf import draw  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    due, found = (
        await find_due(order),
        await fetch_row(
            Document,
            """SELECT invoice.number, document FROM invoice
               JOIN purchase_order ON purchase_order.id = invoice.purchase_order
               WHERE purchase_order.id = $1 AND kind = 'invoice' AND ($2::uuid IS NULL OR purchase_order.partner = $2)
               ORDER BY issued_at DESC, invoice.number DESC LIMIT 1""",
            order,
            partner,
        ),
    )
    if due is None or found is None or not due.written_off_minor:
        raise NotFound("Nothing of that order is written off.")
    document, vat = msgspec.json.decode(found.document), await get_reclaimed(order)
    before = language.set(document["language"])
    try:
        net = formats.money(due.written_off_minor - vat, document["currency"])
        sentence = getattr(UNPAID, document["language"]).format(net=net, vat=formats.money(vat, document["currency"]))
    finally:
        language.reset(before)
    return found.number, await asyncio.to_thread(draw, {**document, "unpaid": sentence})
