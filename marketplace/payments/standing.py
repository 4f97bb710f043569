"""Where things stand at Stripe, written down: payments, saved methods and disputes, from objects just read.

A reading takes its number from the database before Stripe is asked, so that what was asked later counts whichever
answer comes first, and no worker's clock has a say. States only move forward; money is never dropped.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import execute, fetch_one, fetch_value
from marketplace.payments import rules
from marketplace.payments.intents import intend

if TYPE_CHECKING:
    import asyncpg

    from marketplace.payments.rules import Contest, Kept, Standing


MONEY: Final = ("authorised", "paid", "refunded")
"""States in which a payer's money is held or taken."""


async def next_reading() -> int:
    """Return the number of a reading; drawn before asking."""
    return int(await fetch_value("SELECT nextval('stripe_reading')"))


async def apply(told: Standing, reading: int) -> str | None:
    """Record where a payment stands, inside the caller's transaction; return what is amiss, if anything."""
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1 FOR UPDATE", told.subject)
    if amiss := _amiss(payment, told):
        return amiss
    assert payment, "or that would be amiss"
    if not _is_about(payment, told) and rules.state_of(told) not in MONEY:
        return None  # An earlier page or attempt, over without money.
    state = rules.later(payment["state"], rules.state_of(told))
    if payment["reading"] > reading and state == payment["state"]:
        return None  # A later question was answered before; nothing here is further along.
    has_failed = state == "failed" and payment["state"] != "failed"
    if has_failed and told.session_id is None and await fall_back(payment, "payment_failed"):
        return None  # A debit of a saved account that its bank did not honour.
    has_money = state in MONEY
    is_taken = state in ("paid", "refunded")
    await execute(
        """UPDATE payment SET state = $2, session_id = coalesce($3, session_id), checkout_url = $4,
                  payment_intent_id = coalesce($5, payment_intent_id), charge_id = $6, method = coalesce($7, method),
                  transfer = $8, received_minor = $9, refunded_minor = $10, capture_before = $11, paid_at = $12,
                  read_at = $13, reading = greatest(reading, $14) WHERE subject = $1""",
        told.subject, state, told.session_id, told.url if state == "open" else None, told.intent_id,
        told.charge_id if has_money else payment["charge_id"], told.method,
        json.dumps(told.transfer) if state == "processing" and told.transfer else None,
        min(told.received_minor or told.amount_minor, told.amount_minor) if is_taken else 0,
        told.refunded_minor if is_taken else 0, told.capture_before if state == "authorised" else payment["capture_before"],
        (payment["paid_at"] or clock.now()) if is_taken else None, clock.now(), reading,
    )  # fmt: skip
    return None


def _amiss(payment: asyncpg.Record | None, told: Standing) -> str | None:
    """Return what is wrong with what Stripe tells of a payment, as finance reads it."""
    name = f"The session {told.session_id}" if told.session_id else f"The payment {told.intent_id}"
    if payment is None:
        return f"{name} is for no payment of ours."
    if not _is_about(payment, told):
        is_second = rules.state_of(told) in MONEY and payment["state"] in MONEY
        if is_second:
            return f"{name} pays a second time for {told.subject}."
        if rules.state_of(told) not in MONEY:
            return None
    if (told.amount_minor, told.currency) != (payment["amount_minor"], payment["currency"]):
        return f"{name} is over {told.amount_minor} {told.currency}, not what is owed."
    return None


def _is_about(payment: asyncpg.Record, told: Standing) -> bool:
    """Tell whether this is the page or attempt that the payment knows, or its first."""
    if told.session_id is not None:
        return payment["session_id"] in (None, told.session_id)
    return bool(payment["payment_intent_id"] == told.intent_id)


async def fall_back(payment: asyncpg.Record, why: str) -> bool:
    """Ask for a hosted page where a payment can be made whose saved method was not charged; False when it has none.

    Inside the caller's transaction, which holds the payment's row.
    """
    command = await fetch_one(
        "SELECT parameters FROM stripe_command WHERE subject = $1 AND verb = 'charge'", payment["subject"]
    )
    if command is None or payment["session_id"] is not None:
        return False
    page = json.loads(command["parameters"])["page"]
    await execute(
        """UPDATE payment SET state = 'requested', declined = $2, payment_intent_id = NULL, charge_id = NULL
           WHERE subject = $1""",
        payment["subject"], why,
    )  # fmt: skip
    await intend(uuid.UUID(page["metadata"]["command"]), "checkout", payment["subject"], page, clock.now())
    return True


async def apply_kept(told: Kept, reading: int) -> str | None:
    """Record how far a saved method has come, inside the caller's transaction; return what is amiss, if anything."""
    saved = await fetch_one("SELECT * FROM saved_method WHERE id = $1 FOR UPDATE", told.id)
    if saved is None:
        return f"{told.session_id} keeps a method that none of ours asked for."
    if saved["state"] in ("saved", "forgotten"):
        return None
    state = "saved" if told.is_saved else {"open": "open", "expired": "expired"}.get(told.session_status, "failed")
    if state == "open" and saved["reading"] > reading:
        return None
    await execute(
        """UPDATE saved_method SET state = $2, session_id = $3, url = $4, method_id = $5, kind = $6, brand = $7,
                  last_four = $8, ends_on = $9, saved_at = $10, reading = greatest(reading, $11) WHERE id = $1""",
        told.id, state, told.session_id, told.url if state == "open" else None, told.method_id, told.kind, told.brand,
        told.last_four, told.ends_on, clock.now() if state == "saved" else None, reading,
    )  # fmt: skip
    return None


async def apply_contest(told: Contest, reading: int) -> str | None:
    """Record how a dispute stands, inside the caller's transaction; return what is amiss, if anything."""
    subject = await fetch_value(
        "SELECT subject FROM payment WHERE charge_id = $1 OR payment_intent_id = $2", told.charge_id, told.intent_id
    )
    state = rules.dispute_state(told.status)
    await execute(
        """INSERT INTO dispute (id, payment_subject, charge_id, amount_minor, currency, reason, status, state, opened_at,
                                due_at, closed_at, reading)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           ON CONFLICT (id) DO UPDATE SET
               payment_subject = coalesce(excluded.payment_subject, dispute.payment_subject),
               amount_minor = excluded.amount_minor, reason = excluded.reason, status = excluded.status,
               state = excluded.state, due_at = excluded.due_at,
               closed_at = CASE WHEN excluded.state IN ('won', 'lost') THEN coalesce(dispute.closed_at, excluded.closed_at) END,
               reading = excluded.reading
           WHERE dispute.reading < excluded.reading""",
        told.id, subject, told.charge_id, told.amount_minor, told.currency, told.reason, told.status, state, told.opened_at,
        told.due_at, clock.now() if state in ("won", "lost") else None, reading,
    )  # fmt: skip
    return None if subject else f"The dispute {told.id} is about no payment of ours."
