"""Columns and constraints of payments: commands out, events in, and Stripe's balance transactions mirrored."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Integer, Text, Timestamptz, Varchar
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB


class Payment(Table, db=DB, tablename="payment"):
    """What is owed for one subject (an order's id) and where Stripe says it stands."""

    subject = UUID(primary_key=True)
    amount_minor = BigInt()
    currency = Varchar(length=3, default="EUR")
    state = Text(default="requested")
    """requested → open (the hosted page exists) → paid | expired | failed; paid → refunded."""
    session_id = Text(null=True, default=None, unique=True)
    checkout_url = Text(null=True, default=None)
    payment_intent_id = Text(null=True, default=None, unique=True)
    charge_id = Text(null=True, default=None, unique=True)
    refunded_minor = BigInt(default=0)
    """What Stripe says was given back; a refund that its bank returns lowers it again."""
    requested_at = Timestamptz()
    paid_at = Timestamptz(null=True, default=None)
    read_at = Timestamptz(null=True, default=None)
    """When Stripe was asked what stands here: an answer asked for earlier changes nothing."""
    amount_is_positive = Check("amount_minor > 0")
    known_state = Check("state IN ('requested', 'open', 'paid', 'expired', 'failed', 'refunded')")
    never_refunds_more = Check("refunded_minor BETWEEN 0 AND amount_minor")
    paid_at_an_instant = Check("(state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)")


class StripeCommand(Table, db=DB, tablename="stripe_command"):
    """An intent committed with the business change; a worker calls Stripe with this row's id as the idempotency key."""

    id = UUID(primary_key=True)
    verb = Text()
    """checkout, refund or expire_session."""
    subject = UUID()
    parameters = JSONB()
    """What the call says, decided when the intent was; the same at every attempt."""
    state = Text(default="pending")
    """pending → done | failed."""
    attempts = Integer(default=0)
    generation = Integer(default=0)
    """How many fresh keys it needed, each after looking that the last one had done nothing."""
    next_at = Timestamptz()
    """When a worker may take it; whoever holds it has moved this to the end of its lease."""
    created_at = Timestamptz()
    first_tried_at = Timestamptz(null=True, default=None)
    object_id = Text(null=True, default=None)
    error = Text(null=True, default=None)
    known_verb = Check("verb IN ('checkout', 'refund', 'expire_session')")
    known_state = Check("state IN ('pending', 'done', 'failed')")


class StripeEvent(Table, db=DB, tablename="stripe_event"):
    """A verified event as it came; a worker re-reads the object it speaks of, so order and repeats do not matter."""

    id = Text(primary_key=True)
    type = Text()
    payload = Text()
    """The body as it came."""
    came_by = Text()
    """webhook or sweep."""
    received_at = Timestamptz()
    handled_at = Timestamptz(null=True, default=None)
    error = Text(null=True, default=None)
    """Why it could not be put to use; finance sees it."""
    known_way = Check("came_by IN ('webhook', 'sweep')")


class StripeCursor(Table, db=DB, tablename="stripe_cursor"):
    """How far one of Stripe's lists is read: everything created before `at`, in Stripe's time, is here."""

    list = Text(primary_key=True)
    at = Timestamptz()
    known_list = Check("list IN ('events', 'balance_transactions')")


class BalanceTransaction(Table, db=DB, tablename="balance_transaction"):
    """Stripe's own ledger line, mirrored; finance matches it to a journal entry."""

    id = Text(primary_key=True)
    category = Text()
    """Stripe's reporting_category."""
    amount_minor = BigInt()
    fee_minor = BigInt()
    net_minor = BigInt()
    currency = Varchar(length=3, default="EUR")
    source_id = Text(null=True, default=None)
    """Charge, refund, payout or other object it comes from."""
    charge_id = Text(null=True, default=None)
    """The charge behind that object."""
    payment_subject = UUID(null=True, default=None)
    """The payment it belongs to, when one is known."""
    status = Text()
    payout_id = Text(null=True, default=None)
    created_at = Timestamptz()
    available_on = Timestamptz()
    adds_up = Check("net_minor = amount_minor - fee_minor")
    known_status = Check("status IN ('pending', 'available')")
