"""Correcting an invoice: a credit note cancels what remains of it, and a new invoice with the next number replaces it.

No document or entry is ever edited. The money, the licence, its shares and access stay as they are.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.sales.orders.invoices import issue_invoices
from marketplace.sales.orders.queries import SQL
from marketplace.sales.orders.tables import InvoiceCorrection

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


class InvoiceToCorrect(Struct, frozen=True):
    """An invoice, and what credit notes have left of it; amounts in cents."""

    number: str
    kind: str
    purchase_order: uuid.UUID
    net_minor: int
    vat_minor: int
    is_corrected: bool


async def correct_invoice(invoice: uuid.UUID, actor: Actor, *, reason: str, correction: uuid.UUID) -> None:
    """Cancel what remains of an invoice and issue it again, with the buyer's present details.

    `correction` is the form's id, so that a click counts once. Refuses a credit note, an invoice that was corrected,
    and one of which nothing remains.
    """
    reason = check_reason(reason)
    assert actor.person is not None, "a person decides it"
    async with transaction():
        if await InvoiceCorrection.exists().where(InvoiceCorrection.id == correction):
            return
        await execute(
            "SELECT FROM purchase_order WHERE id = (SELECT purchase_order FROM invoice WHERE id = $1) FOR UPDATE",
            invoice,
        )
        found = existing(
            await fetch_row(InvoiceToCorrect, SQL["find_invoice_to_correct"], invoice),
            NotFound("There is no such invoice."),
        )
        if found.kind != "invoice" or found.is_corrected:
            raise Conflict(
                "Only an invoice that was not corrected yet can be corrected: {number}.", number=found.number
            )
        if found.net_minor + found.vat_minor == 0:
            raise Conflict(
                "Nothing is left of the invoice {number}: credit notes gave it all back.", number=found.number
            )
        now = clock.now()
        row = InvoiceCorrection(
            id=correction,
            invoice=found.number,
            purchase_order=found.purchase_order,
            net_minor=found.net_minor,
            vat_minor=found.vat_minor,
            person=actor.person,
            reason=reason,
            at=now,
        )
        await InvoiceCorrection.insert(row)
        cancelled = [
            (chart.LICENCES_SOLD, chart.PARTNERS, found.net_minor),
            (chart.VAT_COLLECTED, chart.PARTNERS, found.vat_minor),
        ]
        anew = [(credit, debit, amount) for debit, credit, amount in cancelled]
        source = str(correction)
        await record_all(
            [
                Entry("sale_cancelled", source, now, f"Annulation {found.number}", cancelled),
                Entry("sale_reissued", source, now, f"Nouvelle facture pour {found.number}", anew),
            ]
        )
        await issue_invoices([found.purchase_order])
        await note_action(actor, "invoice_corrected", f"invoice {found.number}", reason=reason)
