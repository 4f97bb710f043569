"""Queries of documents on their way for pages and the job: transmissions, files, reports, months."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, paged
from marketplace.core.statements import load_statements
from marketplace.finance.einvoicing.tables import EinvoicingState, LifeCycleEvent, Report
from marketplace.money.ledger import chart

SQL: Final = load_statements(__package__)
REPORTS_SHOWN: Final = 24
UNREPORTED_EXCEPTIONS: Final = SQL["list_unreported_exceptions"]
UNSAID_EXCEPTIONS: Final = SQL["list_unsaid_exceptions"]
"""The queries of documents on their way for the queue of exceptions."""


class StateRow(Struct, frozen=True):
    """Since when documents are sent, the latest answer read from the platform, and why its last request failed."""

    from_at: dt.datetime
    read_until: dt.datetime
    error: str


class TransmissionRow(Struct, frozen=True):
    """A document on its way, as listed; `total_minor` in cents."""

    id: uuid.UUID
    state: str
    code: int | None
    address: str | None
    kind: str
    number: str
    issued_at: dt.datetime
    total_minor: int
    company: str


class TransmissionPage(Struct, frozen=True):
    """A document on its way, with its possible corrections; `issued_anew`: the number that replaced it."""

    id: uuid.UUID
    state: str
    code: int | None
    address: str | None
    created_at: dt.datetime
    invoice: uuid.UUID
    kind: str
    number: str
    issued_at: dt.datetime
    total_minor: int
    purchase_order: uuid.UUID
    order_number: str
    company: str
    lines: str | None
    looked_at: dt.datetime | None
    issued_anew: str | None


class EventRow(Struct, frozen=True):
    """A status of a document."""

    code: int
    at: dt.datetime
    reason_code: str
    reason: str


class FlowRow(Struct, frozen=True):
    """A file of the outbox."""

    kind: str
    name: str
    state: str
    attempts: int
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    platform_id: str | None
    error: str


class ReportRow(Struct, frozen=True):
    """A report of a period; amounts in cents, days included."""

    id: uuid.UUID
    kind: str
    first_day: dt.date
    last_day: dt.date
    sequence: int
    documents: int
    net_minor: int
    vat_minor: int
    made_at: dt.datetime


class Month(Struct, frozen=True):
    """VAT of one month in cents: booked, reported by statuses and by reports, and still to be reported."""

    month: dt.date
    booked_minor: int
    statuses_minor: int
    reports_minor: int
    waiting_minor: int

    @property
    def difference_minor(self) -> int:
        """Return the booked VAT that is neither reported nor waiting to be."""
        return self.booked_minor - self.statuses_minor - self.reports_minor - self.waiting_minor


class Document(Struct, frozen=True):
    """An invoice's number and its document as canonical JSON."""

    number: str
    document: bytes


async def find_state() -> StateRow | None:
    """Return the state of the exchange; None if no platform was ever set up."""
    return await fetch_row(StateRow, select(StateRow, EinvoicingState).where(EinvoicingState.id == 1))


async def get_transmission(transmission: uuid.UUID) -> TransmissionPage:
    """Return one document on its way; raises NotFound."""
    return existing(
        await fetch_row(TransmissionPage, SQL["get_transmission"], transmission), NotFound("There is no such document.")
    )


async def list_events(transmission: uuid.UUID) -> list[EventRow]:
    """Return the statuses of a document, the earliest first."""
    of_it = select(EventRow, LifeCycleEvent).where(LifeCycleEvent.transmission == transmission)
    return await fetch_rows(EventRow, of_it.order_by(LifeCycleEvent.at, LifeCycleEvent.id))


async def list_flows(transmission: uuid.UUID) -> list[FlowRow]:
    """Return the files of a document, the earliest first."""
    return await fetch_rows(
        FlowRow,
        """SELECT flow.kind, flow.name, flow.state, flow.attempts, flow.created_at, flow.submitted_at, flow.platform_id, flow.error
       FROM einvoicing_flow AS flow
       WHERE flow.id = ANY (ARRAY(
           SELECT id FROM einvoicing_flow WHERE transmission = $1
           UNION ALL SELECT its.id FROM transmission JOIN settled_part AS part ON part.invoice = transmission.invoice
           JOIN einvoicing_flow AS its ON its.part = part.id WHERE transmission.id = $1))
       ORDER BY flow.created_at, flow.id""",
        transmission,
    )


async def list_reports() -> list[ReportRow]:
    """Return the last reports, the latest first."""
    latest = select(ReportRow, Report).order_by(Report.made_at, ascending=False).order_by(Report.id)
    return await fetch_rows(ReportRow, latest.limit(REPORTS_SHOWN))


async def list_months() -> list[Month]:
    """Return the VAT of each month since e-invoicing began, the latest first."""
    return await fetch_rows(Month, SQL["list_months"], chart.VAT_COLLECTED, chart.SUSPENSE)


async def get_document(invoice: uuid.UUID, partner: uuid.UUID | None = None) -> Document:
    """Return an invoice's document; `partner` may fetch only its own. Raises NotFound."""
    return existing(
        await fetch_row(
            Document,
            """SELECT invoice.number, invoice.document
       FROM invoice
       JOIN purchase_order ON purchase_order.id = invoice.purchase_order
       WHERE invoice.id = $1 AND ($2::uuid IS NULL OR purchase_order.partner = $2)""",
            invoice,
            partner,
        ),
        NotFound("There is no such invoice."),
    )


class PartnersDocument(Struct, frozen=True):
    """An invoice or credit note for its partner's program; amounts in cents."""

    id: uuid.UUID
    number: str
    kind: str
    """invoice or credit_note."""
    purchase_order: uuid.UUID
    issued_at: dt.datetime
    net_minor: int
    vat_minor: int
    total_minor: int
    corrects: str | None
    """The number of the invoice that a credit note corrects."""
    currency: str


async def list_of_partner(
    partner: uuid.UUID, order: uuid.UUID | None, after: uuid.UUID | None
) -> Paged[PartnersDocument]:
    """Return a partner's documents, the latest first, of all orders or of one, after one of them.

    Raises NotFound for another’s.
    """
    rows = await fetch_rows(
        PartnersDocument,
        """SELECT invoice.id, invoice.number, invoice.kind, invoice.purchase_order, invoice.issued_at, invoice.net_minor,
                  invoice.vat_minor, invoice.total_minor, invoice.corrects, purchase_order.currency
           FROM invoice JOIN purchase_order ON purchase_order.id = invoice.purchase_order
           WHERE purchase_order.partner = $1
             AND ($2::uuid IS NULL OR invoice.purchase_order = $2)
             AND ($3::uuid IS NULL OR (invoice.issued_at, invoice.id) < (
                 SELECT own.issued_at, own.id FROM invoice AS own
                 JOIN purchase_order AS own_order ON own_order.id = own.purchase_order AND own_order.partner = $1
                 WHERE own.id = $3))
           ORDER BY invoice.issued_at DESC, invoice.id DESC LIMIT $4""",
        partner,
        order,
        after,
        PAGE_SIZE + 1,
    )
    if (
        after
        and not rows
        and not await fetch_scalar(
            bool,
            """SELECT EXISTS (
           SELECT
           FROM invoice
           JOIN purchase_order ON purchase_order.id = invoice.purchase_order
           WHERE purchase_order.partner = $1 AND invoice.id = $2
       )""",
            partner,
            after,
        )
    ):
        raise NotFound("There is no such invoice.")
    return paged(rows, 1)
