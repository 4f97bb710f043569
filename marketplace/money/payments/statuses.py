"""Stripe's state of payments, saved methods and disputes, written from objects just read.

A reading draws its number from the database before the call to Stripe, so that later calls win in any order of answers,
without any worker's clock. States only move forward; money is never dropped.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_scalar, select
from marketplace.money.payments import rules
from marketplace.money.payments.outbox import write_command
from marketplace.money.payments.queries import SQL, PaymentRow
from marketplace.money.payments.tables import Payment, SavedMethod, StripeCommand

if TYPE_CHECKING:
    from piccolo.custom_types import Combinable

    from marketplace.core.database import Values
    from marketplace.money.payments.rules import DisputeStatus, PaymentStatus, SavedMethodStatus


MONEY: Final = ("authorised", "paid", "refunded")
"""States in which a payer's money is authorised or received."""


class SavedMethodState(Struct, frozen=True):
    """The state of a saved method, and the reading that found it."""

    state: str
    reading: int


async def next_reading() -> int:
    """Return the number of a reading; draw it before the call."""
    reading = await fetch_scalar(int, "SELECT nextval('stripe_reading')")
    assert reading, "a sequence always has a next number"
    return reading


# ------------------------------------------------------------------ payments
async def lock_payment(subject: uuid.UUID | None) -> PaymentRow | None:
    """Return a payment, its row locked for the caller's transaction, or None."""
    by_subject = select(PaymentRow, Payment).where(Payment.subject == subject)
    return await fetch_row(PaymentRow, by_subject.lock_rows("UPDATE"))


async def record_payment(status: PaymentStatus, reading: int) -> str | None:
    """Record a payment's status inside the caller's transaction; return its fault, if any."""
    payment = await lock_payment(status.subject)
    if error := _find_error(payment, status):
        return error
    assert payment, "or that would be an error"
    if not _is_about(payment, status) and rules.state_of(status) not in MONEY:
        return None  # An earlier page or attempt, over without money.
    state = rules.later(payment.state, rules.state_of(status))
    if payment.reading > reading and state == payment.state:
        return None  # The answer to an earlier call; nothing in it is further along.
    has_failed = state == "failed" and payment.state != "failed"
    if has_failed and status.session_id is None and await fall_back_to_page(payment, "payment_failed"):
        return None  # A debit of a saved account that its bank did not honour.
    await Payment.update(_changes(payment, status, state, reading)).where(Payment.subject == payment.subject)
    return None


def _changes(payment: PaymentRow, status: PaymentStatus, state: str, reading: int) -> Values:
    """Return the changes of a payment by a status; what the status does not know stays as it is."""
    is_received, now = state in ("paid", "refunded"), clock.now()
    received_minor = min(status.received_minor or status.amount_minor, status.amount_minor)
    awaited = status.transfer if state == "processing" else None
    return {
        Payment.state: state,
        Payment.session_id: status.session_id or payment.session_id,
        Payment.checkout_url: status.url if state == "open" else None,
        Payment.payment_intent_id: status.intent_id or payment.payment_intent_id,
        Payment.charge_id: status.charge_id if state in MONEY else payment.charge_id,
        Payment.method: status.method or payment.method,
        Payment.transfer: json.dumps(awaited) if awaited else None,
        Payment.received_minor: received_minor if is_received else 0,
        Payment.refunded_minor: status.refunded_minor if is_received else 0,
        Payment.capture_before: status.capture_before if state == "authorised" else payment.capture_before,
        Payment.paid_at: (payment.paid_at or now) if is_received else None,
        Payment.read_at: now,
        Payment.reading: max(payment.reading, reading),
    }


def _find_error(payment: PaymentRow | None, status: PaymentStatus) -> str | None:
    """Return the fault in Stripe's statement on a payment, for finance."""
    name = f"The session {status.session_id}" if status.session_id else f"The payment {status.intent_id}"
    if payment is None:
        return f"{name} is for no payment of ours."
    if not _is_about(payment, status):
        is_second = rules.state_of(status) in MONEY and payment.state in MONEY
        if is_second:
            return f"{name} pays a second time for {status.subject}."
        if rules.state_of(status) not in MONEY:
            return None
    if (status.amount_minor, status.currency) != (payment.amount_minor, payment.currency):
        return f"{name} is over {status.amount_minor} {status.currency}, not what is owed."
    return None


def _is_about(payment: PaymentRow, status: PaymentStatus) -> bool:
    """Return whether this is the page or attempt that the payment knows, or its first."""
    if status.session_id is not None:
        return payment.session_id in (None, status.session_id)
    return payment.payment_intent_id == status.intent_id


async def fall_back_to_page(payment: PaymentRow, why: str) -> bool:
    """Request a hosted page for a payment whose saved method was not charged; False if it has no page.

    It runs inside the caller's transaction, which has locked the payment's row.
    """
    charges = (StripeCommand.subject == payment.subject, StripeCommand.verb == "charge")
    parameters = await fetch_scalar(str, StripeCommand.select(StripeCommand.parameters).where(*charges))
    if parameters is None or payment.session_id is not None or payment.state == "expired":
        return False
    page: dict[str, Any] = json.loads(parameters)["page"]
    asked_anew: Values = {
        Payment.state: "requested",
        Payment.declined: why,
        Payment.payment_intent_id: None,
        Payment.charge_id: None,
    }
    await Payment.update(asked_anew).where(Payment.subject == payment.subject)
    await write_command(uuid.UUID(page["metadata"]["command"]), "checkout", payment.subject, page, clock.now())
    return True


# ------------------------------------------------------------------ saved methods and disputes
async def record_saved_method(status: SavedMethodStatus, reading: int) -> str | None:
    """Record a saved method's status inside the caller's transaction; return its fault, if any."""
    by_id = select(SavedMethodState, SavedMethod).where(SavedMethod.id == status.id)
    saved = await fetch_row(SavedMethodState, by_id.lock_rows("UPDATE"))
    if saved is None:
        return f"{status.session_id} saves a method that none of ours asked for."
    if saved.state in ("saved", "forgotten"):
        return None
    state = "saved" if status.is_saved else {"open": "open", "expired": "expired"}.get(status.session_status, "failed")
    if state == "open" and saved.reading > reading:
        return None
    await SavedMethod.update(
        {
            SavedMethod.state: state,
            SavedMethod.session_id: status.session_id,
            SavedMethod.url: status.url if state == "open" else None,
            SavedMethod.method_id: status.method_id,
            SavedMethod.kind: status.kind,
            SavedMethod.brand: status.brand,
            SavedMethod.last_four: status.last_four,
            SavedMethod.ends_on: status.ends_on,
            SavedMethod.saved_at: clock.now() if state == "saved" else None,
            SavedMethod.reading: max(saved.reading, reading),
        }
    ).where(SavedMethod.id == status.id)
    return None


async def record_dispute(status: DisputeStatus, reading: int) -> str | None:
    """Record a dispute's status inside the caller's transaction; return its fault, if any."""
    is_its_payment: Combinable = Payment.charge_id == status.charge_id
    if status.intent_id is not None:
        is_its_payment |= Payment.payment_intent_id == status.intent_id
    subject = await fetch_scalar(uuid.UUID, Payment.select(Payment.subject).where(is_its_payment))
    state = rules.dispute_state(status.status)
    closed_at = clock.now() if state in ("won", "lost") else None
    known = (status.charge_id, status.amount_minor, status.currency, status.reason, status.status)
    instants = (status.opened_at, status.due_at, closed_at)
    await execute(SQL["record_dispute"], status.id, subject, *known, state, *instants, reading)
    return None if subject else f"The dispute {status.id} is about no payment of ours."
