"""Invoices and credit notes: a document for every entry that moves revenue, numbered in the transaction that enters it.

Its content is fixed with its number; its file is drawn from that alone, once, and stored. A job finds an entry without
a document and issues one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import (
    copy_in,
    execute,
    fetch_column,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Expired, Invalid, NotFound, existing
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import paris_day
from marketplace.money.ledger import chart
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient
from marketplace.sales.message_kinds import INVOICE_CORRECTED, INVOICE_ISSUED, REFUNDED
from marketplace.sales.orders.numbers import draw_numbers, number, series_of
from marketplace.sales.orders.rules import one_line
from marketplace.sales.orders.tables import BillingDetails, Invoice, InvoiceFile, NumberSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__, "invoice_queries.sql")
BATCH_SIZE: Final = 200
LETTERS: Final = {"invoice": "F", "credit_note": "A"}
MESSAGES: Final = {
    ("sale",): INVOICE_ISSUED,
    ("refund", "dispute_lost"): REFUNDED,
    ("sale_reissued",): INVOICE_CORRECTED,
}
"""Kinds of entry → the message to the partner about the document; a cancelled sale has none, its replacement has."""


class UnissuedEntry(Struct, frozen=True):
    """An entry without its document, and the document's content; amounts in cents, the period half-open."""

    entry: int
    kind: str
    at: dt.datetime
    purchase_order: uuid.UUID
    order_number: str
    partner: uuid.UUID
    vat_basis_points: int
    vat_rule: str
    currency: str
    paid_at: dt.datetime | None
    sold_minor: int
    vat_minor: int
    company: str
    country: str
    vat_number: str
    street: str | None
    postcode: str | None
    city: str | None
    reference: str | None
    electronic_address: str | None
    ordered_by: str | None
    approved_by: str | None
    language: str
    lines: str
    """Those of `InvoicedLot`, as JSON."""
    corrects: str | None
    corrects_at: dt.datetime | None
    due_at: dt.datetime | None
    """Of a sale on credit."""


class InvoicedLot(Struct, frozen=True):
    """What an entry moves of one lot, in cents before VAT; the period half-open."""

    title_fr: str
    title_en: str
    months: int
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    net_minor: int


class InvoiceRow(Struct, frozen=True):
    """An invoice or credit note as an order's page lists it; `total_minor` in cents, VAT included."""

    id: uuid.UUID
    number: str
    kind: str
    issued_at: dt.datetime
    total_minor: int


class NumberedFile(Struct, frozen=True):
    """An invoice's number, and its file once it is drawn."""

    number: str
    pdf: bytes | None


class Billing(Struct, frozen=True):
    """Where a partner's invoices are addressed."""

    street: str
    postcode: str
    city: str
    reference: str
    changed_at: dt.datetime


# ------------------------------------------------------------------ numbering
async def issue_invoices(orders: Sequence[uuid.UUID] | None = None) -> int:
    """Issue a document for every entry that sells or returns without one; return how many. Joins a transaction.

    orders: only their entries are read; by default, as in the job, all entries.
    """
    issued = 0
    while batch := await _issue_some(orders):
        issued += batch
    return issued


async def _issue_some(orders: Sequence[uuid.UUID] | None) -> int:
    given = (BATCH_SIZE, chart.LICENCES_SOLD, chart.VAT_COLLECTED)
    async with transaction():
        if orders is None:
            entries = await fetch_rows(UnissuedEntry, SQL["list_unissued"], *given)
        else:
            entries = await fetch_rows(UnissuedEntry, SQL["list_unissued_of"], *given, [str(order) for order in orders])
        sales = [entry for entry in entries if entry.sold_minor + entry.vat_minor > 0]
        returns = [entry for entry in entries if entry.sold_minor + entry.vat_minor < 0 and entry.corrects]
        issued = await _number("invoice", sales)
        issued += await _number("credit_note", returns)
    return issued


async def _number(kind: str, entries: Sequence[UnissuedEntry]) -> int:
    """Issue numbered documents for these entries, in order, except entries that have got one by then."""
    if not entries:
        return 0
    now = clock.now()
    its_series = NumberSeries.select(NumberSeries.code).where(NumberSeries.code == series_of(LETTERS[kind], now))
    await fetch_scalar(str, its_series.lock_rows("UPDATE"))
    among = Invoice.entry.is_in([entry.entry for entry in entries])
    issued = set(await fetch_column(int, Invoice.select(Invoice.entry).where(among)))
    mine = [entry for entry in entries if entry.entry not in issued]
    if not mine:
        return 0
    first, at = await draw_numbers(LETTERS[kind], now, len(mine))
    series, _, position = first.rpartition("-")
    records = [_record(kind, series, place, at, entry) for place, entry in enumerate(mine, int(position))]
    await copy_in("invoice", INVOICE_COLUMNS, records)
    for kinds, message in MESSAGES.items():
        if facts := [_fact(entry) for entry in mine if entry.kind in kinds]:
            await send_each(message, facts)
    return len(records)


def _fact(entry: UnissuedEntry) -> tuple[int, Recipient, dict[str, str]]:
    """Return the fields of the message about an entry's document."""
    details = {"order": entry.order_number, "id": str(entry.purchase_order)}
    return entry.entry, Recipient("partner", str(entry.partner)), details


OF_BUYER: Final = ("street", "postcode", "city", "reference", "electronic_address", "ordered_by", "approved_by")
"""What a document says of the buyer where it is known."""
INVOICE_COLUMNS: Final = (
    "id",
    "number",
    "series",
    "position",
    "previous",
    "kind",
    "purchase_order",
    "entry",
    "corrects",
    "issued_at",
    "net_minor",
    "vat_minor",
    "total_minor",
    "document",
)


def _record(kind: str, series: str, place: int, at: dt.datetime, entry: UnissuedEntry) -> tuple[object, ...]:
    """Return the invoice at one place of its series, in the order of its columns."""
    net, vat = abs(entry.sold_minor), abs(entry.vat_minor)
    its_number, previous = number(series, place), number(series, place - 1) if place > 1 else None
    corrects = entry.corrects if kind == "credit_note" else None
    document = msgspec.json.encode(_document(kind, its_number, at, entry, (net, vat)), order="deterministic")
    of = (kind, entry.purchase_order, entry.entry, corrects, at, net, vat, net + vat)
    return (uuid.uuid4(), its_number, series, place, previous, *of, document)


def _document(
    kind: str, its_number: str, at: dt.datetime, entry: UnissuedEntry, amounts_minor: tuple[int, int]
) -> dict[str, Any]:
    """Return the content of a document: whole cents, days in Paris and at the data's place, the parties today."""
    seller, (net, vat) = settings(), amounts_minor
    lots = msgspec.json.decode(entry.lines, type=list[InvoicedLot])
    corrects = None
    if kind == "credit_note":
        assert entry.corrects_at, "a credit note corrects an invoice"
        corrects = {"number": entry.corrects, "issued_on": paris_day(entry.corrects_at).isoformat()}
    on_credit = (
        {}
        if entry.due_at is None
        else {
            "due_on": paris_day(max(entry.due_at, at)).isoformat(),
            "pay_to": {"iban": seller.payout_iban, "name": seller.seller_name},
        }
    )
    return on_credit | {
        "kind": kind,
        "number": its_number,
        "language": entry.language,
        "issued_on": paris_day(at).isoformat(),
        "delivered_on": paris_day(entry.paid_at or entry.at).isoformat(),
        "order": entry.order_number,
        "corrects": corrects,
        "seller": {
            "name": seller.seller_name,
            "street": seller.seller_street,
            "postcode": seller.seller_postcode,
            "city": seller.seller_city,
            "siren": seller.seller_siren,
            "vat_number": seller.seller_vat_number,
            "legal": seller.seller_legal,
        },
        "buyer": {
            "name": entry.company,
            "country": entry.country,
            "vat_number": entry.vat_number,
        }
        | {name: getattr(entry, name) or "" for name in OF_BUYER},
        "lines": [_line(lot) for lot in [lot for lot in lots if lot.net_minor] or lots[:1]],
        "currency": entry.currency,
        "vat_rule": entry.vat_rule,
        "vat_basis_points": entry.vat_basis_points,
        "net_minor": net,
        "vat_minor": vat,
        "total_minor": net + vat,
    }


def _line(lot: InvoicedLot) -> dict[str, Any]:
    """Return the line of one lot, with days at the data's place."""
    zone = ZoneInfo(lot.time_zone)
    return {
        "title_fr": lot.title_fr,
        "title_en": lot.title_en,
        "months": lot.months,
        "from": lot.period_from.astimezone(zone).date().isoformat(),
        "until": lot.period_to.astimezone(zone).isoformat(),
        "net_minor": lot.net_minor,
    }


# ------------------------------------------------------------------ files
async def render_invoices() -> int:
    """Draw the file of every invoice and credit note that has none yet; return how many."""
    drawn = 0
    while waiting := await fetch_column(uuid.UUID, SQL["list_unrendered"], BATCH_SIZE):
        for invoice in waiting:
            await _render(invoice)
        drawn += len(waiting)
    return drawn


async def render_pending_invoices() -> None:
    """Issue missing documents, and draw missing files; a job."""
    await issue_invoices()
    await render_invoices()


async def _render(invoice: uuid.UUID) -> None:
    from marketplace.sales.orders.invoice_pdf import draw  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    document = await fetch_scalar(bytes, Invoice.select(Invoice.document).where(Invoice.id == invoice))
    assert document, "an invoice has its document"
    pdf = await asyncio.to_thread(draw, msgspec.json.decode(document))
    new = InvoiceFile(invoice=invoice, pdf=pdf, sha256=hashlib.sha256(pdf).hexdigest(), drawn_at=clock.now())
    await InvoiceFile.insert(new).on_conflict(action="DO NOTHING")


async def list_invoices(order: uuid.UUID) -> list[InvoiceRow]:
    """Return an order's invoice and credit notes, the first issued first."""
    of_order = select(InvoiceRow, Invoice).where(Invoice.purchase_order == order)
    return await fetch_rows(InvoiceRow, of_order.order_by(Invoice.issued_at, Invoice.number))


async def get_invoice_file(invoice: uuid.UUID, partner: uuid.UUID | None = None) -> tuple[str, bytes]:
    """Return an invoice's number and file, drawn now if it is missing; `partner` may fetch only its own.

    Refuses one that was emptied after the legal retention.
    """
    missing = NotFound("There is no such invoice.")
    row = existing(await fetch_row(NumberedFile, SQL["find_invoice_file"], invoice, partner), missing)
    if row.pdf is None:
        await _render(invoice)
        row = existing(await fetch_row(NumberedFile, SQL["find_invoice_file"], invoice, partner), missing)
    assert row.pdf is not None, "it was drawn above"
    if not row.pdf:
        raise Expired(
            "{number} was kept for ten years, as the law wants it; its amounts are still in the books.",
            number=row.number,
        )
    return row.number, row.pdf


# ------------------------------------------------------------------ addresses
async def find_billing(partner: uuid.UUID) -> Billing | None:
    """Return a partner's billing address, or None."""
    return await fetch_row(Billing, select(Billing, BillingDetails).where(BillingDetails.partner == partner))


LONGEST_BILLED: Final = {"street": 200, "postcode": 20, "city": 100, "reference": 60}


async def change_billing(partner: uuid.UUID, *, street: str, postcode: str, city: str, reference: str = "") -> None:
    """Write a partner's billing address for later invoices; refuses an address without street or city."""
    written = {"street": street, "postcode": postcode, "city": city, "reference": reference}
    texts = {field: one_line(text, LONGEST_BILLED[field], field=field) for field, text in written.items()}
    if missing := [field for field in ("street", "city") if not texts[field]]:
        raise Invalid("Write the street and the city, as your invoices should show them.", field=missing[0])
    await execute(SQL["change_billing"], partner, *texts.values(), clock.now())


async def empty_old_invoices(before: dt.datetime) -> None:
    """Empty the text and the file of invoices issued before an instant; number, amounts and entry stay."""
    while await fetch_scalar(int, "SELECT empty_old_invoices($1, $2)", before, BATCH_SIZE):
        pass


async def delete_old_billing(before: dt.datetime) -> None:
    """Delete the billing details of partners who ordered nothing since an instant."""
    await fetch_scalar(int, "SELECT delete_old_billing($1)", before)
