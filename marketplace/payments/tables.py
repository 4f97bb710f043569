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
    requested_at = Timestamptz()
    paid_at = Timestamptz(null=True, default=None)
    amount_is_positive = Check("amount_minor > 0")
    known_state = Check("state IN ('requested', 'open', 'paid', 'expired', 'failed', 'refunded')")
    never_refunds_more = Check("refunded_minor BETWEEN 0 AND amount_minor")
    paid_at_an_instant = Check("(state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)")


class StripeCommand(Table, db=DB, tablename="stripe_command"):
    """An intent committed with the business change; a worker calls Stripe with this row's id as the idempotency key."""

    id = UUID(primary_key=True)
    verb = Text()
    subject = UUID()
    parameters = JSONB()
    state = Text(default="pending")
    """pending → done | failed."""
    attempts = Integer(default=0)
    next_at = Timestamptz()
    created_at = Timestamptz()
    object_id = Text(null=True, default=None)
    error = Text(null=True, default=None)
    known_state = Check("state IN ('pending', 'done', 'failed')")


class StripeEvent(Table, db=DB, tablename="stripe_event"):
    """A verified event as it came; a worker re-reads the object it speaks of, so order and repeats do not matter."""

    id = Text(primary_key=True)
    type = Text()
    payload = JSONB()
    came_by = Text()
    """webhook or sweep."""
    received_at = Timestamptz()
    handled_at = Timestamptz(null=True, default=None)
    error = Text(null=True, default=None)
    known_way = Check("came_by IN ('webhook', 'sweep')")


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
    payment_subject = UUID(null=True, default=None)
    """The payment it belongs to, when one is known."""
    status = Text()
    payout_id = Text(null=True, default=None)
    created_at = Timestamptz()
    available_on = Timestamptz()
    adds_up = Check("net_minor = amount_minor - fee_minor")
    known_status = Check("status IN ('pending', 'available')")
