"""Columns and constraints of orders, licences and entitlements, and of their invoices."""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytea,
    ForeignKey,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.offers.tables import LicenceTerms, Quote
from marketplace.core.database import DB
from marketplace.core.personal_data import (
    ELEVEN_YEARS,
    FOR_GOOD,
    NOBODYS,
    OLD_DOCUMENTS,
    Ends,
    Erasure,
    Of,
    PersonalData,
)
from marketplace.datasets.releases.tables import Release
from marketplace.money.ledger.tables import JournalEntry
from marketplace.money.payments.tables import Dispute
from marketplace.people.identity.tables import Partner, Person
from pricing.money import EUR


class Order(Table, db=DB, tablename="purchase_order"):
    """A partner's decision to buy one quote or several at once; its payment has the same id."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    number = Text(unique=True)
    """The number for people, such as `P-2026-000042`."""
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    net_minor = BigInt()
    vat_minor = BigInt()
    total_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    vat_basis_points = Integer()
    vat_rule = Text()
    """domestic, overseas, overseas_exempt, reverse_charge, unverified or outside_eu."""
    state = Text(default="awaiting_payment")
    """awaiting_payment → paid (or sold on credit) → refunded (all of it) | charged_back (the rest lost to a dispute); awaiting_payment → lapsed."""
    ordered_at = Timestamptz()
    paid_at = Timestamptz(null=True, default=None)
    returned_minor = BigInt(default=0)
    """The refunds in the books, VAT included; a part of a paid order's money, or all of it."""
    charged_back_minor = BigInt(default=0)
    """The lost disputes in the books, VAT included."""
    refund_requested_at = Timestamptz(null=True, default=None)
    refund_requested_by = Text(null=True, default=None)
    """Who decided the refund: finance, or the partner if the release was called back."""
    reference = Text(default="")
    """The partner's purchase order number for its invoice; empty: the one of its billing details."""
    second_reason = Text(default="")
    """Why the partner bought a release that it has already."""
    may_repeat = Boolean(default=False)
    """Whether its partner may have another unpaid order of the same: by a reason, an award or a subscription."""
    adds_up = Check("total_minor = net_minor + vat_minor AND net_minor > 0 AND vat_minor >= 0")
    known_rule = Check(
        "vat_rule IN ('domestic', 'overseas', 'overseas_exempt', 'reverse_charge', 'unverified', 'outside_eu')"
    )
    known_state = Check("state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded', 'charged_back')")
    paid_at_an_instant = Check("(state IN ('paid', 'refunded', 'charged_back')) = (paid_at IS NOT NULL)")
    no_more_is_returned_than_was_paid = Check(
        "least(returned_minor, charged_back_minor) >= 0 AND returned_minor + charged_back_minor <= total_minor"
    )
    texts_are_bounded = Check("length(reference) <= 60 AND length(second_reason) <= 500")
    a_reason_allows_another = Check("second_reason = '' OR may_repeat")
    gone_whole = Check("(state IN ('refunded', 'charged_back')) = (returned_minor + charged_back_minor = total_minor)")


class OrderLot(Table, db=DB, tablename="order_lot"):
    """What an order has of one release, under one licence: a quote that it buys."""

    personal_data = NOBODYS
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    position = Integer()
    """Its place among the order's lots, from 1."""
    one_lot_a_place = Unique([purchase_order, position])
    positions_count_from_one = Check("position > 0")


class Licence(Table, db=DB, tablename="licence"):
    """What a paid order grants for one of its lots, with the rates agreed when it was sold."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, unique=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    posted_minor = BigInt()
    """What everybody pays for it, before VAT; contributors share a part of it, not of what this partner paid."""
    net_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    subscribers_basis_points = Integer()
    operator_basis_points = Integer()
    sold_at = Timestamptz()
    hold_until = Timestamptz()
    cancelled_at = Timestamptz(null=True, default=None)
    """When a refund or a lost dispute cancelled it."""
    returned_minor = BigInt(default=0)
    """The returned amount, before VAT."""
    contested_at = Timestamptz(null=True, default=None)
    """Since when money may be returned, by a requested refund, a dispute or a claim: its shares wait."""
    claimed_at = Timestamptz(null=True, default=None)
    """Since when a claim of the partner is open: the hold's clock has stopped."""
    returns_are_of_it = Check("returned_minor BETWEEN 0 AND net_minor")
    rates_are_shares = Check(
        "subscribers_basis_points >= 0 AND operator_basis_points >= 0 "
        "AND subscribers_basis_points + operator_basis_points <= 10000"
    )
    nobody_pays_more_than_posted = Check("net_minor BETWEEN 1 AND posted_minor")
    a_claim_contests = Check("claimed_at IS NULL OR contested_at IS NOT NULL")


class Entitlement(Table, db=DB, tablename="entitlement"):
    """A partner may read a release between two instants, unless revoked."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict, unique=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)
    suspended_at = Timestamptz(null=True, default=None)
    """Since when a dispute or an overdue invoice suspends it; it is restored when that is over."""
    interval_is_not_empty = Check("starts_at < ends_at")


class OrderReturn(Table, db=DB, tablename="order_return"):
    """A returned amount of an order's money, with an entry and a credit note; append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """refund, dispute, or failure: a payment that failed after it had been made."""
    dispute = ForeignKey(Dispute, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    net_minor = BigInt()
    vat_minor = BigInt()
    total_minor = BigInt()
    lots_minor = Array(base_column=BigInt())
    """What of the part before VAT goes back for each lot of the order, by its position."""
    at = Timestamptz()
    known_kind = Check("kind IN ('refund', 'dispute', 'failure') AND (kind = 'dispute') = (dispute IS NOT NULL)")
    adds_up = Check("total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0")


class NumberSeries(Table, db=DB, tablename="number_series"):
    """A series of numbers for people; drawing one locks the row until the transaction ends."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    """Letter and year, such as `F-2026`."""
    last = BigInt()
    last_at = Timestamptz()
    counts_from_one = Check("last > 0")


class BillingDetails(Table, db=DB, tablename="billing_details"):
    """A partner's billing address; the company and its VAT number are in `identity`."""

    personal_data = PersonalData(
        (Of.PARTNER,),
        "10 years after the last order",
        exported=False,
        erasure=Erasure.EXPIRES,
        ends=Ends(
            "changed_at",
            ELEVEN_YEARS,
            f"NOT EXISTS (SELECT FROM purchase_order WHERE partner = billing_details.partner AND ordered_at > now() - interval '{ELEVEN_YEARS} days')",
        ),
    )
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict, primary_key=True)
    street = Text()
    postcode = Text()
    city = Text()
    reference = Text()
    """The text that the partner's accountants require on every invoice; may be empty."""
    changed_at = Timestamptz()
    address_is_whole = Check("length(street) BETWEEN 1 AND 200 AND length(city) BETWEEN 1 AND 100")


class ElectronicAddress(Table, db=DB, tablename="electronic_address"):
    """Where a French partner receives invoices electronically: the annuaire's latest answer, never guessed."""

    personal_data = NOBODYS
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict, primary_key=True)
    siren = Text()
    address = Text(null=True, default=None)
    """A line of the annuaire (scheme 0225); null: it has none, or several and nobody chose."""
    lines = Text(default="")
    """All its lines, separated by spaces."""
    looked_at = Timestamptz()
    siren_is_nine_digits = Check("siren ~ '^[0-9]{9}$'")
    address_is_a_line = Check("address IS NULL OR address = ANY (string_to_array(lines, ' '))")


class Invoice(Table, db=DB, tablename="invoice"):
    """An invoice or credit note: the document of one sale or refund in the books. Append-only, including its document.

    Each names the previous one in its series, so that the keys alone prevent gaps.
    """

    personal_data = PersonalData(
        (Of.PARTNER,),
        OLD_DOCUMENTS,
        exported=False,
        erasure=Erasure.KEPT,
        ends=Ends("issued_at", ELEVEN_YEARS, "document <> ''"),
    )
    id = UUID(primary_key=True)
    number = Text(unique=True)
    series = Text()
    position = BigInt()
    previous: ForeignKey[Invoice] = ForeignKey(
        "self", null=True, default=None, on_delete=OnDelete.restrict, target_column="number", unique=True
    )
    kind = Text()
    """invoice or credit_note."""
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    entry = ForeignKey(JournalEntry, null=False, on_delete=OnDelete.restrict, unique=True)
    corrects: ForeignKey[Invoice] = ForeignKey(
        "self", null=True, default=None, on_delete=OnDelete.restrict, target_column="number"
    )
    """The invoice a credit note corrects."""
    issued_at = Timestamptz()
    net_minor = BigInt()
    vat_minor = BigInt()
    total_minor = BigInt()
    document = Bytea()
    """Its content as canonical JSON: every drawing uses it alone."""
    one_a_place = Unique([series, position])
    known_kind = Check("kind IN ('invoice', 'credit_note')")
    series_is_of_its_kind = Check("series ~ CASE kind WHEN 'invoice' THEN '^F-[0-9]{4}$' ELSE '^A-[0-9]{4}$' END")
    number_is_its_place = Check(
        "position > 0 AND number = series || '-' || "
        "CASE WHEN position < 1000000 THEN lpad(position::text, 6, '0') ELSE position::text END"
    )
    follows_the_one_before = Check(
        "CASE WHEN position = 1 THEN previous IS NULL ELSE previous IS NOT NULL AND previous = series || '-' || "
        "CASE WHEN position <= 1000000 THEN lpad((position - 1)::text, 6, '0') ELSE (position - 1)::text END END"
    )
    a_credit_note_corrects = Check("(kind = 'credit_note') = (corrects IS NOT NULL)")
    adds_up = Check("total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0")


class InvoiceCorrection(Table, db=DB, tablename="invoice_correction"):
    """A decision to cancel what remains of an invoice by a credit note and issue it again under the next number."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="person = me.person")
    id = UUID(primary_key=True)
    """The source of both of its entries."""
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict, target_column="number", unique=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    net_minor = BigInt()
    vat_minor = BigInt()
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    reason = Text()
    at = Timestamptz()
    something_is_left = Check("net_minor >= 0 AND vat_minor >= 0 AND net_minor + vat_minor > 0")
    reason_is_given = Check("length(btrim(reason)) BETWEEN 3 AND 2000")


class InvoiceFile(Table, db=DB, tablename="invoice_file"):
    """The file a partner downloads: drawn once from its invoice's document, and never changed. Append-only."""

    personal_data = PersonalData(
        (Of.PARTNER,),
        OLD_DOCUMENTS,
        exported=False,
        erasure=Erasure.KEPT,
        ends=Ends("drawn_at", ELEVEN_YEARS, "pdf <> ''"),
    )
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.restrict, primary_key=True)
    pdf = Bytea()
    sha256 = Text()
    """The SHA-256 of the file, hex."""
    drawn_at = Timestamptz()
    hash_is_of_the_file = Check("sha256 = encode(sha256(pdf), 'hex')")
