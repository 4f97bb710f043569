"""Setup intents: a payment method saved to be charged off session, such as an auction winner's."""

from typing import Any

from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.payment_intents import method_types
from marketplace.demo.stripe_counterpart.payment_methods import card_of, find_payment_method
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create_setup_intent(state: StripeState, params: Json) -> Json:
    """Create a setup intent, and confirm it if the call asks for it."""
    if params.get("customer"):
        state.get("customer", params["customer"], "customer")
    intent = state.add(
        "setup_intent",
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=params.get("metadata", {}),
        payment_method_types=method_types(params),
        status="requires_payment_method",
        usage=params.get("usage", "off_session"),
    )
    intent["client_secret"] = f"{intent['id']}_secret_{state.new_token()}"
    if params.get("payment_method"):
        intent["payment_method"] = find_payment_method(state, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    emit(state, "setup_intent.created", intent)
    return confirm_setup(state, intent, params) if params.get("confirm") else intent


def confirm_setup(state: StripeState, intent: Json, params: Json) -> Json:
    """Save the payment method; it can then be charged off session."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot confirm this SetupIntent because it has a status of {intent['status']}."
        raise ApiError(400, message, code="setup_intent_unexpected_state")
    chosen = params.get("payment_method") or intent["payment_method"]
    if not chosen:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise ApiError(400, message, code="setup_intent_unexpected_state")
    method = find_payment_method(state, chosen)
    card = card_of(method)
    if not card.attachable:
        _decline(state, intent, method, card.decline_code)
    method["customer"] = intent["customer"]
    intent.update(status="succeeded", payment_method=method["id"], last_setup_error=None, next_action=None)
    if method["type"] == "sepa_debit":
        intent["mandate"] = _add_mandate(state, method)["id"]
    emit(state, "setup_intent.succeeded", intent)
    return intent


def cancel_setup(state: StripeState, intent: Json, reason: str | None) -> Json:
    """Cancel a setup intent that has not succeeded."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot cancel this SetupIntent because it has a status of {intent['status']}."
        raise ApiError(400, message, code="setup_intent_unexpected_state")
    intent.update(status="canceled", cancellation_reason=reason)
    emit(state, "setup_intent.canceled", intent)
    return intent


def _decline(state: StripeState, intent: Json, method: Json, decline_code: str | None) -> None:
    reasons: dict[str, Any] = {"decline_code": decline_code, "payment_method": to_public(method)}
    message = "Your card was declined."
    intent.update(
        status="requires_payment_method",
        last_setup_error={"type": "card_error", "code": "card_declined", "message": message, **reasons},
    )
    emit(state, "setup_intent.setup_failed", intent)
    raise PaymentDeclinedError(
        402, message, code="card_declined", kind="card_error", setup_intent=to_public(intent), **reasons
    )


def _add_mandate(state: StripeState, method: Json) -> Json:
    details = {"reference": state.new_token(16).upper(), "url": "https://example.test/mandate"}
    return state.add(
        "mandate",
        customer_acceptance={
            "type": "online",
            "accepted_at": state.now(),
            "online": {"ip_address": None, "user_agent": None},
        },
        payment_method=method["id"],
        payment_method_details={"type": "sepa_debit", "sepa_debit": details},
        status="active",
        type="multi_use",
    )
