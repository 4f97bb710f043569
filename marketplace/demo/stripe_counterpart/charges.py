"""Charges: one attempt to pay, authorised, captured, pending or failed, with its balance transactions."""

import stripe

from marketplace.demo.stripe_counterpart.balance import (
    CARD_DELAY_DAYS,
    SEPA_DELAY_DAYS,
    NewTransaction,
    add_balance_transaction,
    charge_fee,
    fee_for,
)
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.payment_methods import IBAN_THAT_FAILS, card_of
from marketplace.demo.stripe_counterpart.responses import blank
from marketplace.demo.stripe_counterpart.state import DAY, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

AUTHORIZATION_DAYS = 7
DEBIT_SETTLES_AFTER_DAYS = 5
_FAILED_DEBIT_FEE = 350


def add_charge(state: StripeState, intent: Json, method: Json) -> Json:
    """Create the pending charge of an intent's attempt with a payment method."""
    charge = state.add(
        "charge",
        prefix="ch" if method["type"] == "card" else "py",
        amount=intent["amount"],
        billing_details=method["billing_details"],
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"type": method["type"], method["type"]: _method_details(method)},
        receipt_email=intent["receipt_email"],
        status="pending",
        transfer_group=intent["transfer_group"],
    )
    if method["type"] == "card" and intent["capture_method"] == "manual":
        capture_before = state.now() + AUTHORIZATION_DAYS * DAY
        charge["payment_method_details"]["card"].update(
            amount_authorized=intent["amount"], capture_before=capture_before
        )
        state.schedule(capture_before, "expire_authorization", intent["id"])
    intent["latest_charge"] = charge["id"]
    return charge


def _method_details(method: Json) -> Json:
    if method["type"] == "card":
        details = blank(stripe.Charge.PaymentMethodDetails.Card)
        del details["amount_authorized"], details["capture_before"]
        details.update({name: method["card"][name] for name in _SHARED_CARD_FIELDS}, network="visa")
        return details
    if method["type"] == "sepa_debit":
        details = blank(stripe.Charge.PaymentMethodDetails.SepaDebit)
        details.update({name: method["sepa_debit"][name] for name in _SHARED_SEPA_FIELDS})
        return details
    return {}


_SHARED_CARD_FIELDS = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
_SHARED_SEPA_FIELDS = ("bank_code", "branch_code", "country", "fingerprint", "last4")


def authorize_charge(charge: Json) -> None:
    """Authorise a charge without capturing it."""
    charge.update(status="succeeded", paid=True, outcome=_outcome("authorized", "Payment complete."))


def decline_charge(state: StripeState, charge: Json, decline_code: str) -> None:
    """Decline a charge, as the card's bank does."""
    outcome = _outcome("issuer_declined", "The bank refused the payment.")
    outcome.update(network_status="declined_by_network", reason=decline_code)
    charge.update(
        status="failed", failure_code="card_declined", failure_message=decline_message(decline_code), outcome=outcome
    )
    emit(state, "charge.failed", charge)


def decline_message(decline_code: str) -> str:
    """Return Stripe's message for the payer."""
    if decline_code == "insufficient_funds":
        return "Your card has insufficient funds."
    return "Your card was declined."


def _outcome(kind: str, message: str) -> Json:
    outcome = blank(stripe.Charge.Outcome)
    outcome.update(
        type=kind, seller_message=message, network_status="approved_by_network", risk_level="normal", risk_score=12
    )
    return outcome


def capture_charge(state: StripeState, charge: Json, method: Json, amount: int) -> None:
    """Capture an authorised charge. Its whole amount is added to the balance, then the part not captured is reversed."""
    days = 0 if card_of(method).instantly_available else CARD_DELAY_DAYS
    transaction = NewTransaction(
        "charge" if method["type"] == "card" else "payment",
        "charge",
        charge["amount"],
        charge["currency"],
        charge["id"],
        fee=fee_for(method["type"], amount),
        days=days,
        description=charge["description"],
    )
    charge["balance_transaction"] = add_balance_transaction(state, transaction)["id"]
    if amount < charge["amount"]:
        rest = charge["amount"] - amount
        add_balance_transaction(
            state,
            NewTransaction("refund", "partial_capture_reversal", -rest, charge["currency"], charge["id"], days=days),
        )
        charge["amount_refunded"] = rest
    charge.update(captured=True, amount_captured=amount)


def release_authorization(state: StripeState, charge: Json, event_type: str) -> None:
    """Release an uncaptured authorisation; the balance does not change."""
    charge.update(refunded=True, amount_refunded=charge["amount"])
    emit(state, event_type, charge)


# ------------------------------------------------------------------ SEPA debits settle days later
def book_pending_debit(state: StripeState, charge: Json, method: Json) -> None:
    """Add a debit's pending transaction, and schedule the bank's answer."""
    transaction = NewTransaction(
        "payment",
        "charge",
        charge["amount"],
        charge["currency"],
        charge["id"],
        fee=fee_for("sepa_debit", charge["amount"]),
        days=SEPA_DELAY_DAYS,
        description=charge["description"],
    )
    charge["balance_transaction"] = add_balance_transaction(state, transaction)["id"]
    charge["_fails"] = method["_iban"] == IBAN_THAT_FAILS
    state.schedule(state.now() + DEBIT_SETTLES_AFTER_DAYS * DAY, "settle_debit", charge["id"])
    emit(state, "charge.pending", charge)


def settle_debit(state: StripeState, charge: Json) -> None:
    """Settle a debit: its money is available."""
    transaction = state.get("balance_transaction", charge["balance_transaction"])
    transaction.update(available_on=state.now(), status="available")
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    emit(state, "charge.succeeded", charge)


def fail_debit(state: StripeState, charge: Json) -> None:
    """Fail a debit: its transaction is reversed by another, and Stripe charges its fee for the failure."""
    transaction = state.get("balance_transaction", charge["balance_transaction"])
    transaction.update(available_on=state.now(), status="available")
    reversal = NewTransaction(
        "payment_failure_refund", "charge_failure", -charge["amount"], charge["currency"], charge["id"]
    )
    charge.update(
        status="failed",
        failure_balance_transaction=add_balance_transaction(state, reversal)["id"],
        failure_code="insufficient_funds",
        failure_message="The customer's bank account has insufficient funds.",
    )
    charge_fee(state, _FAILED_DEBIT_FEE, "SEPA Direct Debit failed payment fee", charge["currency"])
    emit(state, "charge.failed", charge)
