"""Exceptions of electronic invoices, and of what the tax authority has to be sent."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import load_statements
from marketplace.core.words import Words
from marketplace.finance.einvoicing.queries import UNREPORTED_EXCEPTIONS, UNSAID_EXCEPTIONS
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KINDS: Final = (
    ExceptionKind(
        code="einvoice_rejected",
        sentence=Words("The platform rejected this document, or the buyer refused it: {detail}"),
        advice=Words("Have what is wrong corrected, then cancel the invoice by a credit note and issue it again."),
        sql="""SELECT coalesce((SELECT concat_ws(' – ', nullif(event.reason_code, ''), nullif(event.reason, ''))
                                FROM life_cycle_event AS event
                                WHERE event.transmission = transmission.id AND event.code = transmission.code
                                ORDER BY event.id DESC LIMIT 1), '') AS detail,
                      transmission.id::text AS subject, invoice.number AS reference,
                      '/finance/einvoicing/' || transmission.id AS path, invoice.total_minor AS amount_minor,
                      invoice.issued_at AS at
               FROM transmission JOIN invoice ON invoice.id = transmission.invoice
               WHERE transmission.state IN ('rejected', 'refused')""",
        write_off=ACKNOWLEDGED,
    ),
    # An invoice without an address, or one that cannot be sent; a status or a report.
    ExceptionKind(
        code="einvoice_waiting",
        sentence=Words("This document has not left: {detail}"),
        advice=Words(
            "Without an address, choose a line of the annuaire or write to the partner; otherwise see what the platform says."
        ),
        sql=load_statements("marketplace.finance.reconciliation")["list_waiting_exceptions"],
    ),
    ExceptionKind(
        code="sale_unreported",
        sentence=Words("This sale is in the books, and the tax authority knows nothing of it: {detail}"),
        advice=Words("It leaves by itself with the next job; if it stays, see why the job “einvoices” fails."),
        sql=UNREPORTED_EXCEPTIONS,
    ),
    ExceptionKind(
        code="part_unreported",
        sentence=Words("This payment is in the books, and no status or report has it: {detail}"),
        advice=Words("It leaves by itself with the next job; if it stays, see why the job “einvoices” fails."),
        sql=UNSAID_EXCEPTIONS,
    ),
)
