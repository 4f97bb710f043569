"""Columns and constraints of files for the approved platform, and of its answers."""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    BigInt,
    BigSerial,
    Boolean,
    Bytea,
    Date,
    ForeignKey,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.sales.orders.tables import Invoice, Order


class EinvoicingState(Table, db=DB, tablename="einvoicing_state"):
    """One row, once a platform is set up: since when invoices are sent, and the latest change read from it."""

    personal_data = NOBODYS
    id = Integer(primary_key=True)
    from_at = Timestamptz()
    """Documents issued from this instant on must be sent."""
    read_until = Timestamptz()
    """The latest change read from the platform."""
    error = Text(default="")
    """Why the last request to the platform failed; empty: it answered."""
    only_one = Check("id = 1")


class Einvoice(Table, db=DB, tablename="einvoice"):
    """Whether a document goes through the platform, as known when it was issued; a trigger writes it; append-only."""

    personal_data = NOBODYS
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict, primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """invoice or credit_note."""
    travels = Boolean()
    """To its buyer's platform: a company in France's VAT territory. Otherwise it goes into reports."""
    is_in_parts = Boolean()
    """For an order on credit each payment is reported, not the document's whole amount."""
    issued_at = Timestamptz()
    vat_at = Timestamptz(null=True, default=None)
    """When the books have its VAT."""
    vat_minor = BigInt()
    """Below zero for a credit note."""


class EinvoiceUnsaid(Table, db=DB, tablename="einvoice_unsaid"):
    """A part of a document that may not be reported yet; the job deletes it once it finds it reported.

    For orders on credit each payment and each invoice has its own row, which means: check the order.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    what = Text()
    """transmission, receipt (a status 212), transactions, payments, or parts."""
    subject = UUID()
    """The document; for parts the order."""
    at = Timestamptz()
    """When it was issued; for payments when it settled or earlier."""
    known_matter = Check("what IN ('transmission', 'receipt', 'transactions', 'payments', 'parts')")


class EinvoicingMonth(Table, db=DB, tablename="einvoicing_month"):
    """The VAT of a month by the last sum over many documents, in cents; the next sum replaces all rows."""

    personal_data = NOBODYS
    month = Date(primary_key=True)
    booked_minor = BigInt()
    statuses_minor = BigInt()
    reports_minor = BigInt()
    waiting_minor = BigInt()
    summed_at = Timestamptz()


class Transmission(Table, db=DB, tablename="transmission"):
    """An invoice or credit note on its way to a French company: its destination and its state."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict, unique=True)
    address = Text(null=True, default=None)
    """The buyer's line of the annuaire (scheme 0225); null until it is known."""
    state = Text(default="waiting")
    """waiting → queued → deposited | rejected | refused; rejected or refused → corrected."""
    code = Integer(null=True, default=None)
    """The latest status of its life, from 200 on; see `codes`."""
    created_at = Timestamptz()
    deposited_at = Timestamptz(null=True, default=None)
    known_state = Check("state IN ('waiting', 'queued', 'deposited', 'rejected', 'refused', 'corrected')")
    addressed_before_it_leaves = Check("address IS NOT NULL OR state IN ('waiting', 'corrected')")
    deposited_at_an_instant = Check("(deposited_at IS NOT NULL) OR state NOT IN ('deposited', 'refused')")


class LifeCycleEvent(Table, db=DB, tablename="life_cycle_event"):
    """One status of a transmission as the platform reported it, recorded once; append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    transmission = ForeignKey(Transmission, null=False, on_delete=OnDelete.restrict)
    source = Text(unique=True)
    """The platform's flow with the status."""
    code = Integer()
    at = Timestamptz()
    reason_code = Text(default="")
    reason = Text(default="")
    received_at = Timestamptz()


class Report(Table, db=DB, tablename="e_report"):
    """Sales, or payments, of one period that go to no buyer's platform; a later report of a period replaces it."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    kind = Text()
    """transactions or payments."""
    first_day = Date()
    last_day = Date()
    """Included; both in Paris."""
    sequence = Integer()
    """From 1; from 2 on it replaces an earlier report."""
    documents = BigInt()
    net_minor = BigInt()
    vat_minor = BigInt()
    """The sum of its documents; credit notes are subtracted."""
    made_at = Timestamptz()
    known_kind = Check("kind IN ('transactions', 'payments')")
    days_are_ordered = Check("first_day <= last_day AND sequence > 0 AND documents > 0")
    one_report_a_place = Unique([kind, first_day, sequence])


class ReportedDocument(Table, db=DB, tablename="reported_document"):
    """An invoice or credit note, and the report that had it first; append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    report = ForeignKey(Report, null=False, on_delete=OnDelete.restrict)
    once_a_kind = Unique([invoice, kind])


class SettledPart(Table, db=DB, tablename="settled_part"):
    """A reported movement of money for a document on credit: by a status 212 to its buyer's platform, or by a report.

    Append-only.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict)
    source = Text()
    """The movement of the sale on credit; `corrected`: the reversal of all amounts reported before it was cancelled."""
    total_minor = BigInt()
    """VAT included; below zero if returned."""
    vat_minor = BigInt()
    settled_at = Timestamptz()
    report = ForeignKey(Report, null=True, default=None, on_delete=OnDelete.restrict)
    """The report that had it first; null: a status 212 reports it."""
    once_a_document = Unique([invoice, source])
    moves_something = Check("total_minor <> 0")


class Flow(Table, db=DB, tablename="einvoicing_flow"):
    """The outbox: a file for the platform, written with the change that requires it, sent under its id, answered."""

    personal_data = PersonalData((Of.PARTNER,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    """Also the tracking id for asking the platform whether it has the file."""
    kind = Text()
    """invoice, receipt (a status 212), transactions or payments."""
    transmission = ForeignKey(Transmission, null=True, default=None, on_delete=OnDelete.restrict)
    report = ForeignKey(Report, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    part = ForeignKey(SettledPart, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """The amount that a status 212 reports for a document paid in parts."""
    name = Text()
    body = Bytea(null=True, default=None)
    """The file; null: the invoice's own file."""
    state = Text(default="pending")
    """pending → submitted → accepted | refused; pending → refused."""
    attempts = Integer(default=0)
    next_at = Timestamptz()
    created_at = Timestamptz()
    submitted_at = Timestamptz(null=True, default=None)
    answered_at = Timestamptz(null=True, default=None)
    platform_id = Text(null=True, default=None, unique=True)
    """The platform's id of it (flowId)."""
    error = Text(default="")
    known_kind = Check("kind IN ('invoice', 'receipt', 'transactions', 'payments')")
    known_state = Check("state IN ('pending', 'submitted', 'accepted', 'refused')")
    of_one_thing = Check(
        "(kind IN ('invoice', 'receipt')) = (report IS NULL) AND num_nonnulls(transmission, report, part) = 1 "
        "AND (part IS NULL OR kind = 'receipt')"
    )
    one_of_each = Unique([transmission, kind])
    submitted_under_an_id = Check(
        "state NOT IN ('submitted', 'accepted') OR (platform_id IS NOT NULL AND submitted_at IS NOT NULL)"
    )
