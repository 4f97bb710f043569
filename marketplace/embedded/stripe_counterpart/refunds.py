"""Refunds: money given back from a captured charge; Stripe keeps its fee."""

from marketplace.embedded.stripe_counterpart.balance import Movement, move
from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.refusals import Refused, missing
from marketplace.embedded.stripe_counterpart.world import World


def create_refund(world: World, params: Json) -> Json:
    """Refund the rest of a charge, or an amount in cents of it; refuse more than is left."""
    charge = _charge_to_refund(world, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise Refused(400, message, code="charge_disputed")
    if not charge["captured"]:
        raise Refused(400, f"Charge {charge['id']} has not been captured; cancel its PaymentIntent instead.")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise Refused(400, message, code="charge_already_refunded")
    if amount <= 0:
        raise Refused(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise Refused(400, message, code="amount_too_large", param="amount")
    return _refund(world, charge, amount, params)


def _charge_to_refund(world: World, params: Json) -> Json:
    if params.get("charge"):
        return world.get("charge", params["charge"], "charge")
    if not params.get("payment_intent"):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise Refused(400, message, code="parameter_missing", param="payment_intent")
    intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["latest_charge"] is None:
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise Refused(400, message, code="payment_intent_unexpected_state", param="payment_intent")
    charge = world.find(intent["latest_charge"])
    if charge is None:
        raise missing("charge", intent["latest_charge"])
    return charge


def _refund(world: World, charge: Json, amount: int, params: Json) -> Json:
    is_card = charge["payment_method_details"]["type"] == "card"
    refund = world.add(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=params.get("metadata", {}),
        payment_intent=charge["payment_intent"],
        reason=params.get("reason"),
        status="succeeded",
    )
    movement = Movement(
        "refund" if is_card else "payment_refund",
        "refund",
        -amount,
        charge["currency"],
        refund["id"],
        description=f"REFUND FOR {charge['id']}",
    )
    refund["balance_transaction"] = move(world, movement)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    emit(world, "refund.created", refund)
    emit(world, "charge.refunded", charge)
    return refund


def fail_refund(world: World, identifier: str) -> Json:
    """Let the holder's bank return a refund: the amount comes back as a movement of its own."""
    refund = world.get("refund", identifier)
    if refund["status"] == "failed":
        raise Refused(400, f"The refund {identifier} has already failed.")
    charge = world.get("charge", refund["charge"])
    movement = Movement("refund_failure", "refund_failure", refund["amount"], refund["currency"], refund["id"])
    refund.update(
        status="failed",
        failure_reason="expired_or_canceled_card",
        failure_balance_transaction=move(world, movement)["id"],
    )
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    emit(world, "refund.failed", refund)
    return refund
