"""Payment intents: an amount to be paid, from its creation to success, failure or cancellation."""

from dataclasses import dataclass
from typing import NoReturn

from marketplace.demo.stripe_counterpart.cash_balances import (
    apply_cash,
    receive_transfer,
    request_transfer,
    waiting_intents,
)
from marketplace.demo.stripe_counterpart.charges import (
    add_charge,
    authorize_charge,
    book_pending_debit,
    capture_charge,
    decline_charge,
    decline_message,
    fail_debit,
    release_authorization,
    settle_debit,
)
from marketplace.demo.stripe_counterpart.disputes import open_dispute
from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.payment_methods import (
    card_of,
    create_payment_method,
    find_payment_method,
)
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

MIN_AMOUNT, MAX_AMOUNT = 50, 99_999_999
DEFAULT_METHOD_TYPES = ("card", "sepa_debit")
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
_COPIED_FROM_REQUEST = (
    "allowed_payment_method_types",
    "capture_method",
    "customer",
    "description",
    "excluded_payment_method_types",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


@dataclass(frozen=True)
class Confirmation:
    """How an intent is confirmed. off_session: the payer is not there to authenticate. authenticated: they already have."""

    off_session: bool = False
    authenticated: bool = False
    error_on_requires_action: bool = False
    return_url: str | None = None


@dataclass(frozen=True)
class _Decline:
    """Why a payment method was declined, in Stripe's codes. charge: the failed charge, if one was tried."""

    code: str
    decline_code: str | None = None
    charge: str | None = None

    @property
    def message(self) -> str:
        """Stripe's message for the payer."""
        if self.code == "authentication_required":
            return "Your card was declined. This transaction requires authentication."
        if self.code == "payment_intent_authentication_failure":
            return "We are unable to authenticate your payment method."
        return decline_message(self.decline_code or "")


def check_amount(amount: int, currency: str, param: str) -> None:
    """Refuse an amount (in cents) outside Stripe's limits."""
    if amount < MIN_AMOUNT:
        message = f"Amount must be at least 0.50 {currency}."
        raise ApiError(400, message, code="amount_too_small", param=param)
    if amount > MAX_AMOUNT:
        message = f"Amount must be no more than 999,999.99 {currency}."
        raise ApiError(400, message, code="amount_too_large", param=param)


def method_types(params: Json) -> list[str]:
    """Return the types of payment method that a request allows."""
    allowed = params.get("allowed_payment_method_types") or DEFAULT_METHOD_TYPES
    return [name for name in allowed if name not in params.get("excluded_payment_method_types", ())]


# ------------------------------------------------------------------ create and confirm
def create_payment_intent(state: StripeState, params: Json) -> Json:
    """Create an intent, and confirm it if the call asks for it."""
    check_amount(params["amount"], params["currency"], "amount")
    if params.get("customer"):
        state.get("customer", params["customer"], "customer")
    intent = state.add(
        "payment_intent",
        amount=params["amount"],
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency=params["currency"].lower(),
        payment_method_types=method_types(params),
        status="requires_payment_method",
    )
    intent.update({name: params[name] for name in _COPIED_FROM_REQUEST if name in params})
    intent["client_secret"] = f"{intent['id']}_secret_{state.new_token()}"
    if "automatic_payment_methods" in params:
        intent["automatic_payment_methods"] = {"allow_redirects": None, **params["automatic_payment_methods"]}
    if "payment_method_options" in params:
        intent["payment_method_options"] = supported_method_options(params["payment_method_options"])
    if chosen := _chosen_method(state, params):
        intent.update(payment_method=chosen["id"], status="requires_confirmation")
    emit(state, "payment_intent.created", intent)
    return confirm_by_request(state, intent, params) if params.get("confirm") else intent


def supported_method_options(options: Json) -> Json:
    """Return the options of payment methods that are supported (EUR bank transfers); refuse any other."""
    for name in sorted(set(options) - {"customer_balance"}):
        raise ApiError(400, f"The local counterpart does not support payment_method_options[{name}].")
    transfer = options.get("customer_balance", {}).get("bank_transfer", {})
    if transfer.get("type", "eu_bank_transfer") != "eu_bank_transfer":
        raise ApiError(400, "The local counterpart receives bank transfers in euros only.")
    return options


def _chosen_method(state: StripeState, params: Json) -> Json | None:
    """Return the payment method that a call names or describes, if any."""
    if params.get("payment_method"):
        return find_payment_method(state, params["payment_method"])
    return create_payment_method(state, params["payment_method_data"]) if "payment_method_data" in params else None


def confirm_by_request(state: StripeState, intent: Json, params: Json) -> Json:
    """Confirm an intent as a call asks."""
    if chosen := (_chosen_method(state, params) if not params.get("confirm") else None):
        intent["payment_method"] = chosen["id"]
    if params.get("setup_future_usage"):
        intent["setup_future_usage"] = params["setup_future_usage"]
    _check_redirects(intent, params)
    confirmation = Confirmation(
        off_session=bool(params.get("off_session")),
        error_on_requires_action=bool(params.get("error_on_requires_action")),
        return_url=params.get("return_url"),
    )
    return confirm(state, intent, confirmation)


def _check_redirects(intent: Json, params: Json) -> None:
    """Refuse a confirmation whose payer could be redirected without a return address."""
    redirects = (intent["automatic_payment_methods"] or {}).get("allow_redirects")
    if "return_url" not in params and redirects != "never":
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these"
            " payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't"
            " want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and"
            " `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
        )
        raise ApiError(400, message, param="return_url", payment_intent=to_public(intent))


def confirm(state: StripeState, intent: Json, confirmation: Confirmation) -> Json:
    """Attempt the payment with the intent's payment method."""
    method = _confirmable_method(state, intent)
    card = card_of(method)
    if card.authenticates and not confirmation.authenticated:
        return _require_authentication(state, intent, method, confirmation)
    intent.update(next_action=None, last_payment_error=None)
    if method["type"] == "customer_balance":
        request_transfer(state, intent)
        _apply_waiting_cash(state, intent["customer"], None)
        return intent
    charge = add_charge(state, intent, method)
    if card.decline_code is not None:
        decline_charge(state, charge, card.decline_code)
        _decline(state, intent, method, _Decline("card_declined", card.decline_code, charge["id"]))
    if intent["setup_future_usage"] and intent["customer"]:
        method["customer"] = intent["customer"]
    if method["type"] == "sepa_debit":
        intent["status"] = "processing"
        emit(state, "payment_intent.processing", intent)
        book_pending_debit(state, charge, method)
        return intent
    authorize_charge(charge)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        emit(state, "charge.succeeded", charge)
        emit(state, "payment_intent.amount_capturable_updated", intent)
        return intent
    return _capture(state, intent, charge, intent["amount"], "charge.succeeded")


def _confirmable_method(state: StripeState, intent: Json) -> Json:
    """Return the intent's payment method, or refuse when it cannot be confirmed with it."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=to_public(intent))
    if not intent["payment_method"]:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=to_public(intent))
    method = state.get("payment_method", intent["payment_method"], "payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise ApiError(400, "The provided PaymentMethod belongs to another customer.", param="payment_method")
    if method["type"] not in intent["payment_method_types"]:
        message = f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent."
        raise ApiError(400, message, param="payment_method")
    return method


def _require_authentication(state: StripeState, intent: Json, method: Json, confirmation: Confirmation) -> Json:
    """Redirect the payer to their bank, or decline if they are off session."""
    if confirmation.off_session or confirmation.error_on_requires_action:
        _decline(state, intent, method, _Decline("authentication_required", "authentication_required"))
    intent["status"] = "requires_action"
    if confirmation.return_url:
        url = f"{state.origin.base}/c/authenticate/{intent['id']}"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": url, "return_url": confirmation.return_url},
        }
    else:
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    emit(state, "payment_intent.requires_action", intent)
    return intent


def authenticate(state: StripeState, intent: Json, *, agreed: bool) -> Json:
    """Authenticate the payer at their bank, or fail to; an authenticated intent is confirmed."""
    if intent["status"] != "requires_action":
        raise ApiError(400, "There is nothing to authenticate.", code="payment_intent_unexpected_state")
    method = state.get("payment_method", intent["payment_method"])
    if not agreed:
        _decline(state, intent, method, _Decline("payment_intent_authentication_failure"))
    return confirm(state, intent, Confirmation(authenticated=True))


def _decline(state: StripeState, intent: Json, method: Json, decline: _Decline) -> NoReturn:
    """Reset the intent for another payment method, record the error, and raise it."""
    reasons = {"charge": decline.charge, "decline_code": decline.decline_code, "payment_method": to_public(method)}
    known: Json = {name: value for name, value in reasons.items() if value is not None}
    error = {"type": "card_error", "code": decline.code, "message": decline.message, **known}
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=error)
    emit(state, "payment_intent.payment_failed", intent)
    raise PaymentDeclinedError(
        402, decline.message, code=decline.code, kind="card_error", payment_intent=to_public(intent), **known
    )


# ------------------------------------------------------------------ capture, cancel, settle
def capture(state: StripeState, intent: Json, params: Json) -> Json:
    """Capture all or part of an authorised amount; the rest is released."""
    if intent["status"] != "requires_capture":
        message = f"This PaymentIntent could not be captured because it has a status of {intent['status']}."
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=to_public(intent))
    amount: int = params.get("amount_to_capture") or intent["amount_capturable"]
    if not 0 < amount <= intent["amount_capturable"]:
        message = f"The amount to capture, {amount}, must be between 1 and {intent['amount_capturable']}."
        raise ApiError(400, message, code="amount_too_large", param="amount_to_capture")
    charge = state.get("charge", intent["latest_charge"])
    return _capture(state, intent, charge, amount, "charge.captured")


def _capture(state: StripeState, intent: Json, charge: Json, amount: int, event_type: str) -> Json:
    method = state.get("payment_method", charge["payment_method"])
    capture_charge(state, charge, method, amount)
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    emit(state, event_type, charge)
    emit(state, "payment_intent.succeeded", intent)
    if card_of(method).disputed:
        open_dispute(state, charge)
    return intent


def cancel(state: StripeState, intent: Json, reason: str | None, event_type: str = "charge.refunded") -> Json:
    """Cancel an intent and release its authorisation, if any."""
    if intent["status"] not in _CANCELABLE:
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=to_public(intent))
    if intent["status"] == "requires_capture":
        release_authorization(state, state.get("charge", intent["latest_charge"]), event_type)
    intent.update(
        status="canceled", canceled_at=state.now(), cancellation_reason=reason, amount_capturable=0, next_action=None
    )
    emit(state, "payment_intent.canceled", intent)
    return intent


def fund_customer(state: StripeState, customer: Json, params: Json) -> tuple[Json, list[Json]]:
    """Receive a bank transfer and apply it to the customer's intents; return it with the intents it paid in full."""
    transaction = receive_transfer(state, customer, params)
    return transaction, _apply_waiting_cash(state, customer["id"], params.get("reference"))


def _apply_waiting_cash(state: StripeState, customer_id: str, reference: str | None) -> list[Json]:
    customer = state.get("customer", customer_id)
    waiting = waiting_intents(state, customer_id, reference)
    paid = [intent for intent in waiting if apply_cash(state, customer, intent)]
    for intent in paid:
        intent["next_action"] = None
        method = state.get("payment_method", intent["payment_method"])
        charge = add_charge(state, intent, method)
        authorize_charge(charge)
        _capture(state, intent, charge, intent["amount"], "charge.succeeded")
    return paid


def expire_authorization(state: StripeState, intent_id: str) -> None:
    """Release an authorisation that was not captured in time."""
    intent = state.get("payment_intent", intent_id)
    if intent["status"] == "requires_capture":
        cancel(state, intent, "expired", "charge.expired")


def fail_after_success(state: StripeState, charge: Json) -> Json:
    """Fail a charge that had succeeded; for every method that we accept Stripe reports this as a dispute instead."""
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise ApiError(400, f"Charge {charge['id']} has not been captured.")
    charge.update(paid=False)
    return _fail(state, charge)


def _fail(state: StripeState, charge: Json) -> Json:
    fail_debit(state, charge)
    intent = state.get("payment_intent", charge["payment_intent"])
    message = charge["failure_message"]
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={"type": "card_error", "code": "payment_method_provider_decline", "message": message},
    )
    emit(state, "payment_intent.payment_failed", intent)
    return intent


def settle(state: StripeState, charge: Json) -> Json | None:
    """Settle or fail a pending debit; return its intent, or None if the charge is no longer pending."""
    if charge["status"] != "pending":
        return None
    intent = state.get("payment_intent", charge["payment_intent"])
    if charge["_fails"]:
        _fail(state, charge)
    else:
        settle_debit(state, charge)
        intent.update(status="succeeded", amount_received=charge["amount"])
        emit(state, "payment_intent.succeeded", intent)
    return intent
