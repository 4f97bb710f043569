"""Refunds of captured charges; Stripe does not refund its fee."""

from marketplace.demo.stripe_counterpart.balance import NewTransaction, add_balance_transaction
from marketplace.demo.stripe_counterpart.errors import ApiError, no_such_object
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.payment_methods import card_of
from marketplace.demo.stripe_counterpart.state import MINUTE, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json


def create_refund(state: StripeState, params: Json) -> Json:
    """Refund the rest of a charge, or an amount in cents of it; refuse more than is left."""
    charge = _charge_to_refund(state, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise ApiError(400, message, code="charge_disputed")
    if not charge["captured"]:
        raise ApiError(400, f"Charge {charge['id']} has not been captured; cancel its PaymentIntent instead.")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded")
    if amount <= 0:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, message, code="amount_too_large", param="amount")
    return _refund(state, charge, amount, params)


def _charge_to_refund(state: StripeState, params: Json) -> Json:
    if params.get("charge"):
        return state.get("charge", params["charge"], "charge")
    if not params.get("payment_intent"):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise ApiError(400, message, code="parameter_missing", param="payment_intent")
    intent = state.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["latest_charge"] is None:
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise ApiError(400, message, code="payment_intent_unexpected_state", param="payment_intent")
    charge = state.find(intent["latest_charge"])
    if charge is None:
        raise no_such_object("charge", intent["latest_charge"])
    return charge


def _refund(state: StripeState, charge: Json, amount: int, params: Json) -> Json:
    is_card = charge["payment_method_details"]["type"] == "card"
    refund = state.add(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=params.get("metadata", {}),
        payment_intent=charge["payment_intent"],
        reason=params.get("reason"),
        status="succeeded",
    )
    transaction = NewTransaction(
        "refund" if is_card else "payment_refund",
        "refund",
        -amount,
        charge["currency"],
        refund["id"],
        description=f"REFUND FOR {charge['id']}",
    )
    refund["balance_transaction"] = add_balance_transaction(state, transaction)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    if is_card and card_of(state.get("payment_method", charge["payment_method"])).refund_fails:
        state.schedule(state.now() + MINUTE, "fail_refund", refund["id"])
    emit(state, "refund.created", refund)
    emit(state, "charge.refunded", charge)
    return refund


def fail_refund(state: StripeState, identifier: str) -> Json:
    """Fail a refund: its amount is added back to the balance as a transaction of its own."""
    refund = state.get("refund", identifier)
    if refund["status"] == "failed":
        raise ApiError(400, f"The refund {identifier} has already failed.")
    charge = state.get("charge", refund["charge"])
    transaction = NewTransaction("refund_failure", "refund_failure", refund["amount"], refund["currency"], refund["id"])
    refund.update(
        status="failed",
        failure_reason="expired_or_canceled_card",
        failure_balance_transaction=add_balance_transaction(state, transaction)["id"],
    )
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    emit(state, "refund.failed", refund)
    return refund


def fail_refund_if_due(state: StripeState, identifier: str) -> None:
    """Fail a refund of a card whose bank returns it, unless it failed before."""
    if state.get("refund", identifier)["status"] != "failed":
        fail_refund(state, identifier)
