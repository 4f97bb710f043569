"""Stripe's objects in our own words: each function reads one kind of object of the installed package."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from marketplace.money.payments.rules import DisputeStatus, Movement, PaymentStatus, SavedMethodStatus

if TYPE_CHECKING:
    import stripe


def read_session(session: stripe.checkout.Session) -> PaymentStatus:
    """Return the payment of a hosted page, its intent and charge expanded."""
    return PaymentStatus(
        subject=_uuid(session.client_reference_id),
        session_id=session.id,
        session_status=session.status or "",
        url=getattr(session, "url", None),
        amount_minor=session.amount_total or 0,
        currency=(session.currency or "").upper(),
        is_paid=session.payment_status == "paid",
        **_payment(getattr(session, "payment_intent", None)),
    )


def read_intent(intent: stripe.PaymentIntent) -> PaymentStatus:
    """Return the payment of a payment intent, its charge expanded."""
    return PaymentStatus(
        subject=_uuid(metadata_of(intent).get("subject")),
        amount_minor=intent.amount,
        currency=intent.currency.upper(),
        is_paid=intent.status == "succeeded",
        **_payment(intent),
    )


def _payment(intent: Any) -> dict[str, Any]:  # noqa: ANN401 (a payment intent, or None before the first attempt)
    """Return a payment intent's part of a payment's status; empty without an intent."""
    if intent is None or isinstance(intent, str):
        return {"intent_id": intent}
    charge = getattr(intent, "latest_charge", None)
    refusal = getattr(intent, "last_payment_error", None)
    known = {
        "intent_id": intent.id,
        "intent_status": intent.status,
        "is_manual": intent.capture_method == "manual",
        "refusal": getattr(refusal, "decline_code", None) or getattr(refusal, "code", None),
        "transfer": _transfer(intent),
    }
    if charge is None or isinstance(charge, str):
        return known
    details = getattr(charge, "payment_method_details", None)
    before = getattr(getattr(details, "card", None), "capture_before", None)
    uncaptured = charge.amount - charge.amount_captured if charge.captured else 0
    return known | {
        "charge_id": charge.id,
        "is_authorised": charge.status == "succeeded",
        "method": getattr(details, "type", None),
        "received_minor": charge.amount_captured if charge.status == "succeeded" else 0,
        "refunded_minor": max(0, charge.amount_refunded - uncaptured) if charge.captured else 0,
        "capture_before": instant(before) if before else None,
    }


def _transfer(intent: stripe.PaymentIntent) -> dict[str, Any] | None:
    """Return where to send an awaited bank transfer."""
    shown: Any = getattr(getattr(intent, "next_action", None), "display_bank_transfer_instructions", None)
    if shown is None:
        return None
    ibans = [iban for each in shown.financial_addresses or [] if (iban := getattr(each, "iban", None))]
    iban = ibans[0] if ibans else None
    return {
        "iban": getattr(iban, "iban", ""),
        "bic": getattr(iban, "bic", ""),
        "name": getattr(iban, "account_holder_name", ""),
        "reference": shown.reference or "",
        "remaining_minor": shown.amount_remaining or 0,
        "url": shown.hosted_instructions_url or "",
    }


def read_saved_method(session: stripe.checkout.Session) -> SavedMethodStatus:
    """Return the state of a page where a payment method is saved, the method expanded."""
    intent: Any = getattr(session, "setup_intent", None)
    method: Any = getattr(intent, "payment_method", None)
    kind = getattr(method, "type", None)
    details: Any = getattr(method, kind, None) if kind else None
    month, year = getattr(details, "exp_month", None), getattr(details, "exp_year", None)
    return SavedMethodStatus(
        id=_uuid(session.client_reference_id),
        session_id=session.id,
        session_status=session.status or "",
        url=getattr(session, "url", None),
        is_saved=getattr(intent, "status", None) == "succeeded",
        method_id=getattr(method, "id", None),
        kind=kind,
        brand=getattr(details, "brand", None),
        last_four=getattr(details, "last4", None),
        ends_on=dt.date(year + month // 12, month % 12 + 1, 1) if month and year else None,
    )


def read_dispute(dispute: stripe.Dispute) -> DisputeStatus:
    """Return a dispute."""
    due = getattr(dispute.evidence_details, "due_by", None)
    intent = getattr(dispute, "payment_intent", None)
    return DisputeStatus(
        id=dispute.id,
        charge_id=dispute.charge if isinstance(dispute.charge, str) else dispute.charge.id,
        intent_id=intent if isinstance(intent, str) or intent is None else intent.id,
        amount_minor=dispute.amount,
        currency=dispute.currency.upper(),
        reason=dispute.reason,
        status=dispute.status,
        opened_at=instant(dispute.created),
        due_at=instant(due) if due else None,
    )


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def read_movement(transaction: stripe.BalanceTransaction) -> Movement:
    """Return a balance transaction, its source expanded."""
    source: Any = getattr(transaction, "source", None)
    source_id = source if isinstance(source, str) else getattr(source, "id", None)
    is_charge = getattr(source, "object", None) == "charge"
    charge = source_id if is_charge else getattr(source, "charge", None) or getattr(source, "transfer", None)
    is_attempt = is_charge and source.status != "succeeded"
    return Movement(
        id=transaction.id,
        category=transaction.reporting_category,
        amount_minor=transaction.amount,
        fee_minor=transaction.fee,
        net_minor=transaction.net,
        currency=transaction.currency.upper(),
        source_id=source_id,
        charge_id=charge if isinstance(charge, str) or charge is None else charge.id,
        status=transaction.status,
        created_at=instant(transaction.created),
        available_on=instant(transaction.available_on),
        subject=_uuid(metadata_of(source).get("subject")) if is_attempt else None,
    )


def metadata_of(thing: Any) -> dict[str, str]:  # noqa: ANN401 (any of Stripe's objects)
    """Return the metadata of any object; empty if it has none."""
    metadata = getattr(thing, "metadata", None)
    return metadata.to_dict() if metadata else {}


def instant(unix: int) -> dt.datetime:
    """Return a time of Stripe, in Unix seconds, as an instant."""
    return dt.datetime.fromtimestamp(unix, dt.UTC)
