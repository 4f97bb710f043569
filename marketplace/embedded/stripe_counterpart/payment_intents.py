"""Payment intents: what is to be paid, and every way in which it comes to be paid or not."""

from dataclasses import dataclass
from typing import NoReturn

from marketplace.embedded.stripe_counterpart.cash import (
    apply_cash,
    give_instructions,
    receive_transfer,
    waiting_intents,
)
from marketplace.embedded.stripe_counterpart.charges import (
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
from marketplace.embedded.stripe_counterpart.contract import Json, shown
from marketplace.embedded.stripe_counterpart.disputes import open_dispute
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.payment_methods import (
    card_of,
    create_payment_method,
    find_payment_method,
)
from marketplace.embedded.stripe_counterpart.refusals import Declined, Refused
from marketplace.embedded.stripe_counterpart.world import World

SMALLEST_AMOUNT, LARGEST_AMOUNT = 50, 99_999_999
DEFAULT_METHOD_TYPES = ("card", "sepa_debit")
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
_KEPT_FROM_REQUEST = (
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
    """How an intent is confirmed. off_session: nobody is there to authenticate. authenticated: they already have."""

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
        """What Stripe tells the payer."""
        if self.code == "authentication_required":
            return "Your card was declined. This transaction requires authentication."
        if self.code == "payment_intent_authentication_failure":
            return "We are unable to authenticate your payment method."
        return decline_message(self.decline_code or "")


def check_amount(amount: int, currency: str, param: str) -> None:
    """Refuse an amount that Stripe does not take, in cents."""
    if amount < SMALLEST_AMOUNT:
        message = f"Amount must be at least 0.50 {currency}."
        raise Refused(400, message, code="amount_too_small", param=param)
    if amount > LARGEST_AMOUNT:
        message = f"Amount must be no more than 999,999.99 {currency}."
        raise Refused(400, message, code="amount_too_large", param=param)


def method_types(params: Json) -> list[str]:
    """Return the types of payment method that a request allows."""
    allowed = params.get("allowed_payment_method_types") or DEFAULT_METHOD_TYPES
    return [name for name in allowed if name not in params.get("excluded_payment_method_types", ())]


# ------------------------------------------------------------------ create and confirm
def create_payment_intent(world: World, params: Json) -> Json:
    """Create an intent, and confirm it at once when asked."""
    check_amount(params["amount"], params["currency"], "amount")
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    intent = world.add(
        "payment_intent",
        amount=params["amount"],
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency=params["currency"].lower(),
        payment_method_types=method_types(params),
        status="requires_payment_method",
    )
    intent.update({name: params[name] for name in _KEPT_FROM_REQUEST if name in params})
    intent["client_secret"] = f"{intent['id']}_secret_{world.new_token()}"
    if "automatic_payment_methods" in params:
        intent["automatic_payment_methods"] = {"allow_redirects": None, **params["automatic_payment_methods"]}
    if "payment_method_options" in params:
        intent["payment_method_options"] = played_method_options(params["payment_method_options"])
    if chosen := _chosen_method(world, params):
        intent.update(payment_method=chosen["id"], status="requires_confirmation")
    emit(world, "payment_intent.created", intent)
    return confirm_by_request(world, intent, params) if params.get("confirm") else intent


def played_method_options(options: Json) -> Json:
    """Return the options of payment methods that have their effect here: EUR bank transfers; refuse any other."""
    for name in sorted(set(options) - {"customer_balance"}):
        raise Refused(400, f"The local counterpart does not play payment_method_options[{name}].")
    transfer = options.get("customer_balance", {}).get("bank_transfer", {})
    if transfer.get("type", "eu_bank_transfer") != "eu_bank_transfer":
        raise Refused(400, "The local counterpart receives bank transfers in euros only.")
    return options


def _chosen_method(world: World, params: Json) -> Json | None:
    """Return the payment method that a call names or describes, if any."""
    if params.get("payment_method"):
        return find_payment_method(world, params["payment_method"])
    return create_payment_method(world, params["payment_method_data"]) if "payment_method_data" in params else None


def confirm_by_request(world: World, intent: Json, params: Json) -> Json:
    """Confirm an intent as a call asks."""
    if chosen := (_chosen_method(world, params) if not params.get("confirm") else None):
        intent["payment_method"] = chosen["id"]
    if params.get("setup_future_usage"):
        intent["setup_future_usage"] = params["setup_future_usage"]
    confirmation = Confirmation(
        off_session=bool(params.get("off_session")),
        error_on_requires_action=bool(params.get("error_on_requires_action")),
        return_url=params.get("return_url"),
    )
    return confirm(world, intent, confirmation)


def confirm(world: World, intent: Json, confirmation: Confirmation) -> Json:
    """Try to take the money with the intent's payment method."""
    method = _confirmable_method(world, intent)
    card = card_of(method)
    if card.authenticates and not confirmation.authenticated:
        return _require_authentication(world, intent, method, confirmation)
    intent.update(next_action=None, last_payment_error=None)
    if method["type"] == "customer_balance":
        give_instructions(world, intent)
        _apply_waiting_cash(world, intent["customer"], None)
        return intent
    charge = add_charge(world, intent, method)
    if card.decline_code is not None:
        decline_charge(world, charge, card.decline_code)
        _decline(world, intent, method, _Decline("card_declined", card.decline_code, charge["id"]))
    if intent["setup_future_usage"] and intent["customer"]:
        method["customer"] = intent["customer"]
    if method["type"] == "sepa_debit":
        intent["status"] = "processing"
        emit(world, "payment_intent.processing", intent)
        book_pending_debit(world, charge, method)
        return intent
    authorize_charge(charge)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        emit(world, "charge.succeeded", charge)
        emit(world, "payment_intent.amount_capturable_updated", intent)
        return intent
    return _take(world, intent, charge, intent["amount"], "charge.succeeded")


def _confirmable_method(world: World, intent: Json) -> Json:
    """Return the intent's payment method, or refuse when it cannot be confirmed with it."""
    if intent["status"] not in _CONFIRMABLE:
        message = f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        raise Refused(400, message, code="payment_intent_unexpected_state", payment_intent=shown(intent))
    if not intent["payment_method"]:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise Refused(400, message, code="payment_intent_unexpected_state", payment_intent=shown(intent))
    method = world.get("payment_method", intent["payment_method"], "payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise Refused(400, "The provided PaymentMethod belongs to another customer.", param="payment_method")
    if method["type"] not in intent["payment_method_types"]:
        message = f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent."
        raise Refused(400, message, param="payment_method")
    return method


def _require_authentication(world: World, intent: Json, method: Json, confirmation: Confirmation) -> Json:
    """Send the payer to their bank, or decline when nobody is there to go."""
    if confirmation.off_session or confirmation.error_on_requires_action:
        _decline(world, intent, method, _Decline("authentication_required", "authentication_required"))
    intent["status"] = "requires_action"
    if confirmation.return_url:
        url = f"{world.origin.base}/c/authenticate/{intent['id']}"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": url, "return_url": confirmation.return_url},
        }
    else:
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    emit(world, "payment_intent.requires_action", intent)
    return intent


def authenticate(world: World, intent: Json, *, agreed: bool) -> Json:
    """Let the payer agree or not at their bank; agreeing takes the money."""
    if intent["status"] != "requires_action":
        raise Refused(400, "There is nothing to authenticate.", code="payment_intent_unexpected_state")
    method = world.get("payment_method", intent["payment_method"])
    if not agreed:
        _decline(world, intent, method, _Decline("payment_intent_authentication_failure"))
    return confirm(world, intent, Confirmation(authenticated=True))


def _decline(world: World, intent: Json, method: Json, decline: _Decline) -> NoReturn:
    """Give the intent back for another payment method, and tell why."""
    reasons = {"charge": decline.charge, "decline_code": decline.decline_code, "payment_method": shown(method)}
    known: Json = {name: value for name, value in reasons.items() if value is not None}
    error = {"type": "card_error", "code": decline.code, "message": decline.message, **known}
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=error)
    emit(world, "payment_intent.payment_failed", intent)
    raise Declined(402, decline.message, code=decline.code, kind="card_error", payment_intent=shown(intent), **known)


# ------------------------------------------------------------------ capture, cancel, settle
def capture(world: World, intent: Json, params: Json) -> Json:
    """Take all or part of an authorised amount; what is not taken is released."""
    if intent["status"] != "requires_capture":
        message = f"This PaymentIntent could not be captured because it has a status of {intent['status']}."
        raise Refused(400, message, code="payment_intent_unexpected_state", payment_intent=shown(intent))
    amount: int = params.get("amount_to_capture") or intent["amount_capturable"]
    if not 0 < amount <= intent["amount_capturable"]:
        message = f"The amount to capture, {amount}, must be between 1 and {intent['amount_capturable']}."
        raise Refused(400, message, code="amount_too_large", param="amount_to_capture")
    charge = world.get("charge", intent["latest_charge"])
    return _take(world, intent, charge, amount, "charge.captured")


def _take(world: World, intent: Json, charge: Json, amount: int, event_type: str) -> Json:
    method = world.get("payment_method", charge["payment_method"])
    capture_charge(world, charge, method, amount)
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    emit(world, event_type, charge)
    emit(world, "payment_intent.succeeded", intent)
    if card_of(method).disputed:
        open_dispute(world, charge)
    return intent


def cancel(world: World, intent: Json, reason: str | None, event_type: str = "charge.refunded") -> Json:
    """Give up an intent; an authorisation behind it is released."""
    if intent["status"] not in _CANCELABLE:
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        raise Refused(400, message, code="payment_intent_unexpected_state", payment_intent=shown(intent))
    if intent["status"] == "requires_capture":
        release_authorization(world, world.get("charge", intent["latest_charge"]), event_type)
    intent.update(
        status="canceled", canceled_at=world.now(), cancellation_reason=reason, amount_capturable=0, next_action=None
    )
    emit(world, "payment_intent.canceled", intent)
    return intent


def fund_customer(world: World, customer: Json, params: Json) -> tuple[Json, list[Json]]:
    """Receive a bank transfer and use it for what its customer owes; returns it with the intents it paid in full."""
    transaction = receive_transfer(world, customer, params)
    return transaction, _apply_waiting_cash(world, customer["id"], params.get("reference"))


def _apply_waiting_cash(world: World, customer_id: str, reference: str | None) -> list[Json]:
    customer = world.get("customer", customer_id)
    waiting = waiting_intents(world, customer_id, reference)
    paid = [intent for intent in waiting if apply_cash(world, customer, intent)]
    for intent in paid:
        intent["next_action"] = None
        method = world.get("payment_method", intent["payment_method"])
        charge = add_charge(world, intent, method)
        authorize_charge(charge)
        _take(world, intent, charge, intent["amount"], "charge.succeeded")
    return paid


def expire_authorization(world: World, intent_id: str) -> None:
    """Release an authorisation that nobody captured in time."""
    intent = world.get("payment_intent", intent_id)
    if intent["status"] == "requires_capture":
        cancel(world, intent, "expired", "charge.expired")


def fail_late(world: World, charge: Json) -> Json:
    """Let a charge fail that had succeeded; Stripe itself calls this a dispute for every method that we take."""
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise Refused(400, f"Charge {charge['id']} has taken no money.")
    charge.update(paid=False)
    return _fail(world, charge)


def _fail(world: World, charge: Json) -> Json:
    fail_debit(world, charge)
    intent = world.get("payment_intent", charge["payment_intent"])
    message = charge["failure_message"]
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={"type": "card_error", "code": "payment_method_provider_decline", "message": message},
    )
    emit(world, "payment_intent.payment_failed", intent)
    return intent


def settle(world: World, charge: Json) -> Json | None:
    """Let the bank answer a pending debit; returns its intent, or None when the charge is no longer pending."""
    if charge["status"] != "pending":
        return None
    intent = world.get("payment_intent", charge["payment_intent"])
    if charge["_fails"]:
        _fail(world, charge)
    else:
        settle_debit(world, charge)
        intent.update(status="succeeded", amount_received=charge["amount"])
        emit(world, "payment_intent.succeeded", intent)
    return intent
