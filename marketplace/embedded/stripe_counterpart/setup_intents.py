"""Setup intents: a payment method kept for later, so that a winner of an auction can be charged while away."""

from typing import Any

from marketplace.embedded.stripe_counterpart.contract import Json, shown
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.payment_intents import method_types
from marketplace.embedded.stripe_counterpart.payment_methods import card_of, find_payment_method
from marketplace.embedded.stripe_counterpart.refusals import Declined, Refused
from marketplace.embedded.stripe_counterpart.world import World

_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create_setup_intent(world: World, params: Json) -> Json:
    """Create a setup intent, and confirm it at once when asked."""
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    intent = world.add(
        "setup_intent",
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=params.get("metadata", {}),
        payment_method_types=method_types(params),
        status="requires_payment_method",
        usage=params.get("usage", "off_session"),
    )
    intent["client_secret"] = f"{intent['id']}_secret_{world.new_token()}"
    if params.get("payment_method"):
        intent["payment_method"] = find_payment_method(world, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    emit(world, "setup_intent.created", intent)
    return confirm_setup(world, intent, params) if params.get("confirm") else intent


def confirm_setup(world: World, intent: Json, params: Json) -> Json:
    """Keep the payment method: authenticated once here, chargeable later without the payer."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot confirm this SetupIntent because it has a status of {intent['status']}."
        raise Refused(400, message, code="setup_intent_unexpected_state")
    chosen = params.get("payment_method") or intent["payment_method"]
    if not chosen:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise Refused(400, message, code="setup_intent_unexpected_state")
    method = find_payment_method(world, chosen)
    card = card_of(method)
    if not card.attachable:
        _decline(world, intent, method, card.decline_code)
    method["customer"] = intent["customer"]
    intent.update(status="succeeded", payment_method=method["id"], last_setup_error=None, next_action=None)
    if method["type"] == "sepa_debit":
        intent["mandate"] = _add_mandate(world, method)["id"]
    emit(world, "setup_intent.succeeded", intent)
    return intent


def cancel_setup(world: World, intent: Json, reason: str | None) -> Json:
    """Give up a setup intent that has not succeeded."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot cancel this SetupIntent because it has a status of {intent['status']}."
        raise Refused(400, message, code="setup_intent_unexpected_state")
    intent.update(status="canceled", cancellation_reason=reason)
    emit(world, "setup_intent.canceled", intent)
    return intent


def _decline(world: World, intent: Json, method: Json, decline_code: str | None) -> None:
    reasons: dict[str, Any] = {"decline_code": decline_code, "payment_method": shown(method)}
    message = "Your card was declined."
    intent.update(
        status="requires_payment_method",
        last_setup_error={"type": "card_error", "code": "card_declined", "message": message, **reasons},
    )
    emit(world, "setup_intent.setup_failed", intent)
    raise Declined(402, message, code="card_declined", kind="card_error", setup_intent=shown(intent), **reasons)


def _add_mandate(world: World, method: Json) -> Json:
    details = {"reference": world.new_token(16).upper(), "url": "https://example.test/mandate"}
    return world.add(
        "mandate",
        customer_acceptance={
            "type": "online",
            "accepted_at": world.now(),
            "online": {"ip_address": None, "user_agent": None},
        },
        payment_method=method["id"],
        payment_method_details={"type": "sepa_debit", "sepa_debit": details},
        status="active",
        type="multi_use",
    )
