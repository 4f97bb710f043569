"""Columns and constraints of payments: commands out, events in, disputes, and Stripe's balance transactions mirrored."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import EVERYBODY, FOR_GOOD, NOBODYS, Erasure, Of, PersonalData, of_calls
from marketplace.people.identity.tables import Partner
from pricing.money import EUR


class Payer(Table, db=DB, tablename="payer"):
    """A partner as Stripe's customer, who owns saved methods and bank transfers."""

    personal_data = PersonalData((Of.PARTNER,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict, primary_key=True)
    customer_id = Text(null=True, default=None, unique=True)
    """None until the command that makes it is done."""
    asked_at = Timestamptz()


class Payment(Table, db=DB, tablename="payment"):
    """The debt of one subject (an order's id, a deposit's) and its state by Stripe."""

    personal_data = NOBODYS
    subject = UUID(primary_key=True)
    payer = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    amount_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    capture = Text(default="automatic")
    """automatic, or manual: authorised first, then captured or released."""
    state = Text(default="requested")
    """requested → open (the hosted page exists) → processing (a bank was asked to pay) → paid | failed | expired;
    authorised first: → authorised → paid (captured) | released; paid → refunded (all of it)."""
    session_id = Text(null=True, default=None, unique=True)
    checkout_url = Text(null=True, default=None)
    payment_intent_id = Text(null=True, default=None, unique=True)
    charge_id = Text(null=True, default=None, unique=True)
    method = Text(null=True, default=None)
    """card, sepa_debit or customer_balance, once one was chosen."""
    transfer = JSONB(null=True, default=None)
    """Where to send a bank transfer, while one is awaited: iban, bic, name, reference, remaining_minor, url."""
    declined = Text(null=True, default=None)
    """Why the saved method was not charged, such as `authentication_required`; the hosted page followed."""
    received_minor = BigInt(default=0)
    """The received amount: less than the amount if a deposit was captured in part."""
    refunded_minor = BigInt(default=0)
    """The amount that Stripe reports as refunded; a refund that its bank returns lowers it again."""
    requested_at = Timestamptz()
    capture_before = Timestamptz(null=True, default=None)
    """When Stripe releases an authorised amount."""
    paid_at = Timestamptz(null=True, default=None)
    read_at = Timestamptz(null=True, default=None)
    """When Stripe was last asked for this payment, by the clock of the worker that asked."""
    reading = BigInt(default=0)
    """The number of that reading, drawn before the call: an answer to an earlier call never undoes a later one."""
    amount_is_positive = Check("amount_minor > 0")
    known_capture = Check("capture IN ('automatic', 'manual')")
    known_state = Check(
        "state IN ('requested', 'open', 'processing', 'failed', 'expired', 'authorised', 'released', 'paid', 'refunded')"
    )
    never_receives_more = Check("received_minor BETWEEN 0 AND amount_minor")
    never_refunds_more = Check("refunded_minor BETWEEN 0 AND amount_minor")
    paid_at_an_instant = Check("(state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)")


class SavedMethod(Table, db=DB, tablename="saved_method"):
    """A card or account that a partner let us charge off session; its id is that of the command that asked for it."""

    personal_data = PersonalData((Of.PARTNER,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    payer = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    state = Text(default="requested")
    """requested → open (the hosted page exists) → saved | expired | failed; saved → forgotten."""
    session_id = Text(null=True, default=None, unique=True)
    url = Text(null=True, default=None)
    method_id = Text(null=True, default=None, unique=True)
    kind = Text(null=True, default=None)
    """card or sepa_debit."""
    brand = Text(null=True, default=None)
    last_four = Text(null=True, default=None)
    ends_on = Date(null=True, default=None)
    """First day on which the card is no longer valid."""
    requested_at = Timestamptz()
    saved_at = Timestamptz(null=True, default=None)
    reading = BigInt(default=0)
    known_state = Check("state IN ('requested', 'open', 'saved', 'expired', 'failed', 'forgotten')")
    saved_is_known = Check("state NOT IN ('saved', 'forgotten') OR (method_id IS NOT NULL AND saved_at IS NOT NULL)")


class StripeCommand(Table, db=DB, tablename="stripe_command"):
    """A call committed with the business change; a worker calls Stripe with this row's id as the idempotency key."""

    personal_data = of_calls(EVERYBODY, "created_at", "state = 'done' AND parameters <> jsonb_build_object()")
    id = UUID(primary_key=True)
    verb = Text()
    subject = UUID()
    """The payment's, or the saved method's; a customer's partner; the command that made the account to close."""
    parameters = JSONB()
    """The call's parameters, decided when the command was written; the same at every attempt.

    Only payments reads it.
    """
    amount_minor = BigInt(null=True, default=None)
    """The amount of a refund, capture or transfer; None if it is the payment's, or no money moves."""
    state = Text(default="pending")
    """pending → done | failed; failed → pending again when finance staff try it again."""
    attempts = Integer(default=0)
    generation = Integer(default=0)
    """How many fresh keys it needed, each after a check that the last one had no effect."""
    next_at = Timestamptz()
    """When a worker may claim it; a claim moves this to the end of its lease."""
    created_at = Timestamptz()
    first_tried_at = Timestamptz(null=True, default=None)
    object_id = Text(null=True, default=None)
    error = Text(null=True, default=None)
    settled_by = Text(null=True, default=None)
    """Who in finance gave it up, which removed it from the list of stuck commands."""
    settled_reason = Text(null=True, default=None)
    settled_at = Timestamptz(null=True, default=None)
    known_verb = Check(
        "verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget', "
        "'account', 'transfer', 'close_account')"
    )
    known_state = Check("state IN ('pending', 'done', 'failed')")
    given_up_with_a_reason = Check(
        "(settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (settled_reason IS NULL) "
        "AND (settled_at IS NULL OR state = 'failed')"
    )


class StripeEvent(Table, db=DB, tablename="stripe_event"):
    """A verified event as it came; a worker reads its object again, so order and repeats do not matter."""

    personal_data = of_calls((Of.PARTNER, Of.SUBSCRIBER), "received_at", "handled_at IS NOT NULL AND payload <> ''")
    id = Text(primary_key=True)
    type = Text()
    payload = Text()
    """The body as it came."""
    came_by = Text()
    """webhook or sweep: the one that brought it first."""
    received_at = Timestamptz()
    created_at = Timestamptz()
    """In Stripe's time."""
    webhook_at = Timestamptz(null=True, default=None)
    """When a webhook first brought it; None while only the sweep has."""
    lost_at = Timestamptz(null=True, default=None)
    """When it was found that no webhook had brought it in time; finance sees it."""
    handled_at = Timestamptz(null=True, default=None)
    error = Text(null=True, default=None)
    """Why it could not be handled; finance sees it."""
    known_way = Check("came_by IN ('webhook', 'sweep')")


class Dispute(Table, db=DB, tablename="dispute"):
    """A payer's demand at their bank to reverse a charge; Stripe reports who wins."""

    personal_data = NOBODYS
    id = Text(primary_key=True)
    payment_subject = UUID(null=True, default=None)
    """The payment it is about, if one is known."""
    charge_id = Text()
    amount_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    reason = Text()
    status = Text()
    """Stripe's own word."""
    state = Text()
    """asked (an inquiry: no money has moved) → open → won | lost."""
    opened_at = Timestamptz()
    due_at = Timestamptz(null=True, default=None)
    """Until when evidence is accepted."""
    closed_at = Timestamptz(null=True, default=None)
    """When it was first read as won or lost."""
    reading = BigInt(default=0)
    amount_is_positive = Check("amount_minor > 0")
    known_state = Check("state IN ('asked', 'open', 'won', 'lost')")


class StripeCursor(Table, db=DB, tablename="stripe_cursor"):
    """How far one of Stripe's lists is read: everything created before `at`, in Stripe's time, is here."""

    personal_data = NOBODYS
    list = Text(primary_key=True)
    at = Timestamptz()
    known_list = Check("list IN ('events', 'balance_transactions')")


class BalanceTransaction(Table, db=DB, tablename="balance_transaction"):
    """Stripe's own ledger line, mirrored; finance matches it to a journal entry."""

    personal_data = NOBODYS
    id = Text(primary_key=True)
    category = Text()
    """Stripe's reporting_category."""
    amount_minor = BigInt()
    fee_minor = BigInt()
    net_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    source_id = Text(null=True, default=None)
    """The charge, refund, payout or other object it comes from."""
    charge_id = Text(null=True, default=None)
    """The charge of that object; for a reversed transfer, the transfer."""
    payment_subject = UUID(null=True, default=None)
    """The payment it belongs to, if one is known."""
    status = Text()
    payout_id = Text(null=True, default=None)
    created_at = Timestamptz()
    available_on = Timestamptz()
    adds_up = Check("net_minor = amount_minor - fee_minor")
    known_status = Check("status IN ('pending', 'available')")
