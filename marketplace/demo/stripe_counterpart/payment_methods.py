"""Payment methods: test cards and test bank accounts, each with a known behaviour."""

import hashlib
from dataclasses import dataclass

import stripe

from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.responses import blank
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json


@dataclass(frozen=True)
class TestCard:
    """A card number with a known behaviour.

    decline_code: why every charge is declined, if it is. authenticates: its bank asks the holder first. disputed: the
    holder later disputes the charge. instantly_available: the money is available at once. refund_fails: its bank returns
    a refund a while after it succeeded.
    """

    number: str
    decline_code: str | None = None
    authenticates: bool = False
    disputed: bool = False
    instantly_available: bool = False
    attachable: bool = True
    refund_fails: bool = False


_ORDINARY = TestCard("4242424242424242")
CARDS_BY_TOKEN: dict[str, TestCard] = {
    "visa": _ORDINARY,
    "chargeDeclined": TestCard("4000000000000002", decline_code="generic_decline", attachable=False),
    "chargeDeclinedInsufficientFunds": TestCard(
        "4000000000009995", decline_code="insufficient_funds", attachable=False
    ),
    "chargeCustomerFail": TestCard("4000000000000341", decline_code="generic_decline"),
    "authenticationRequired": TestCard("4000002760003184", authenticates=True),
    "createDispute": TestCard("4000000000000259", disputed=True),
    "refundFail": TestCard("4000000000005126", refund_fails=True),
    "bypassPending": TestCard("4000000000000077", instantly_available=True),
}
CARDS_BY_TOKEN["visa_chargeDeclined"] = CARDS_BY_TOKEN["chargeDeclined"]
CARDS_BY_TOKEN["visa_chargeDeclinedInsufficientFunds"] = CARDS_BY_TOKEN["chargeDeclinedInsufficientFunds"]
_CARDS_BY_NUMBER = {card.number: card for card in CARDS_BY_TOKEN.values()}

IBAN_THAT_PAYS = "DE89370400440532013000"
IBAN_THAT_FAILS = "DE62370400440532013001"
_IBAN_LENGTHS = range(15, 35)
_NO_BILLING_DETAILS: Json = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def create_payment_method(state: StripeState, params: Json) -> Json:
    """Create a card (by test number or `tok_…`) or a SEPA debit account (by IBAN)."""
    details = {**_NO_BILLING_DETAILS, **params.get("billing_details", {})}
    metadata = params.get("metadata", {})
    if params["type"] == "card":
        return _add_card(state, _card_asked_for(params.get("card", {})), params.get("card", {}), details, metadata)
    if params["type"] == "sepa_debit":
        return _add_sepa_account(state, params, details, metadata)
    if params["type"] == "customer_balance":
        return state.add(
            "payment_method", type="customer_balance", customer_balance={}, billing_details=details, metadata=metadata
        )
    raise ApiError(400, f"The local counterpart has no payment method of type {params['type']}.", param="type")


def _card_asked_for(card: Json) -> TestCard:
    token = card.get("token", "").removeprefix("tok_")
    found = CARDS_BY_TOKEN.get(token) or _CARDS_BY_NUMBER.get(card.get("number", "").replace(" ", ""))
    if found is None:
        message = "Your card number is incorrect."
        raise PaymentDeclinedError(402, message, code="incorrect_number", kind="card_error", param="number")
    return found


def _add_card(state: StripeState, card: TestCard, sent: Json, details: Json, metadata: Json) -> Json:
    shape = blank(stripe.PaymentMethod.Card)
    shape.update(
        brand="visa",
        country="FR",
        display_brand="visa",
        exp_month=sent.get("exp_month", 12),
        exp_year=sent.get("exp_year", 2034),
        fingerprint=_fingerprint(card.number),
        funding="credit",
        last4=card.number[-4:],
        networks={"available": ["visa"], "preferred": None},
        three_d_secure_usage={"supported": True},
    )
    return state.add(
        "payment_method", type="card", card=shape, billing_details=details, metadata=metadata, _number=card.number
    )


def _add_sepa_account(state: StripeState, params: Json, details: Json, metadata: Json) -> Json:
    iban = params.get("sepa_debit", {}).get("iban", "").replace(" ", "").upper()
    if not _has_valid_check_digits(iban):
        raise ApiError(
            400, "The IBAN you provided is invalid.", code="invalid_bank_account_iban", param="sepa_debit[iban]"
        )
    if not (details["name"] and details["email"]):
        raise ApiError(
            400,
            "SEPA debit needs billing_details[name] and billing_details[email].",
            code="parameter_missing",
            param="billing_details",
        )
    shape = {
        "bank_code": iban[4:12],
        "branch_code": None,
        "country": iban[:2],
        "fingerprint": _fingerprint(iban),
        "generated_from": None,
        "last4": iban[-4:],
    }
    return state.add(
        "payment_method", type="sepa_debit", sepa_debit=shape, billing_details=details, metadata=metadata, _iban=iban
    )


def _has_valid_check_digits(iban: str) -> bool:
    """Whether an IBAN passes ISO 7064 mod 97-10."""
    if not (len(iban) in _IBAN_LENGTHS and iban.isalnum() and iban.isascii()):
        return False
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def _fingerprint(number: str) -> str:
    return hashlib.sha256(number.encode()).hexdigest()[:16]


def find_payment_method(state: StripeState, identifier: str) -> Json:
    """Return a payment method by id; `pm_card_visa` and the like make a fresh one, as in Stripe's test mode."""
    if identifier.startswith("pm_card_") and state.find(identifier) is None:
        token = identifier.removeprefix("pm_card_")
        return create_payment_method(state, {"type": "card", "card": {"token": f"tok_{token}"}})
    return state.get("payment_method", identifier, "payment_method")


def card_of(method: Json) -> TestCard:
    """Return the behaviour of a payment method; other methods behave as an ordinary card."""
    return _CARDS_BY_NUMBER.get(method.get("_number", ""), _ORDINARY)


def attach(state: StripeState, method: Json, customer: str) -> Json:
    """Attach a payment method to a customer, for later payments."""
    state.get("customer", customer, "customer")
    card = card_of(method)
    if not card.attachable:
        raise PaymentDeclinedError(
            402, "Your card was declined.", code="card_declined", kind="card_error", decline_code=card.decline_code
        )
    if method["customer"] not in (None, customer):
        raise ApiError(400, "The payment method you provided has already been attached to a customer.")
    method["customer"] = customer
    emit(state, "payment_method.attached", method)
    return method


def detach(state: StripeState, method: Json) -> Json:
    """Detach a payment method from its customer; it cannot be used again."""
    if method["customer"] is None:
        raise ApiError(
            400, "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    previous = method["customer"]
    method["customer"] = None
    emit(state, "payment_method.detached", method, previous={"customer": previous})
    return method
