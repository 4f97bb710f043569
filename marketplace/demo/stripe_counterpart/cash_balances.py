"""Cash balances: bank transfers of a customer to an IBAN of their own, applied to the payment intents that wait for them.

A transfer that names the reference of an intent pays that one. Any other pays the oldest first. The rest stays in the
customer's cash balance and pays the next intent.
"""

import hashlib

import stripe

from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.responses import blank
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

_WAITING = (
    "json_extract(body, '$.customer') = ? AND json_extract(body, '$.status') = 'requires_action'"
    " AND json_extract(body, '$.next_action.type') = 'display_bank_transfer_instructions' ORDER BY sequence"
)
_BANK_CODE, _BIC = "9999900001", "LOCLFRPPXXX"


def request_transfer(state: StripeState, intent: Json) -> None:
    """Show the payer where to transfer the money of an intent; nothing is charged until it arrives."""
    if not intent["customer"]:
        message = "A PaymentIntent paid from a customer balance needs a customer."
        raise ApiError(400, message, code="parameter_missing", param="customer")
    shapes = stripe.PaymentIntent.NextAction.DisplayBankTransferInstructions
    iban = blank(shapes.FinancialAddress.Iban)
    iban.update(account_holder_name="Local Counterpart", bic=_BIC, country="FR", iban=_iban_of(intent["customer"]))
    address = {"type": "iban", "iban": iban, "supported_networks": ["sepa"]}
    intent["status"] = "requires_action"
    intent["next_action"] = {
        "type": "display_bank_transfer_instructions",
        "display_bank_transfer_instructions": {
            "amount_remaining": intent["amount"],
            "currency": intent["currency"],
            "financial_addresses": [address],
            "hosted_instructions_url": f"{state.origin.base}/c/transfer/{intent['id']}",
            "reference": state.new_token(12).upper(),
            "type": "eu_bank_transfer",
        },
    }
    emit(state, "payment_intent.requires_action", intent)


def _iban_of(customer: str) -> str:
    """Return the customer's own IBAN: French, with valid check digits."""
    account = int(hashlib.sha256(customer.encode()).hexdigest(), 16) % 10**11
    number = f"{_BANK_CODE}{account:011d}00"
    check = 98 - int(f"{number}152700") % 97
    return f"FR{check:02d}{number}"


def receive_transfer(state: StripeState, customer: Json, params: Json) -> Json:
    """Add a transfer to a customer's cash balance."""
    currency, amount = params["currency"].lower(), params["amount"]
    if amount <= 0:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    transfer = blank(stripe.CustomerCashBalanceTransaction.Funded.BankTransfer)
    transfer.update(
        type="eu_bank_transfer",
        reference=params.get("reference"),
        eu_bank_transfer={"bic": _BIC, "iban_last4": "3000", "sender_name": customer["name"]},
    )
    return _add_cash(state, customer, currency, amount, {"type": "funded", "funded": {"bank_transfer": transfer}})


def cash_of(customer: Json, currency: str) -> int:
    """Return a customer's cash in a currency, in cents."""
    return int(customer.get("_cash", {}).get(currency, 0))


def waiting_intents(state: StripeState, customer: str, reference: str | None) -> list[Json]:
    """Return the intents that wait for a customer's transfer: that of the reference first, then the oldest."""
    waiting = state.select("payment_intent", _WAITING, (customer,))
    return sorted(waiting, key=lambda intent: instructions_of(intent)["reference"] != reference)


def instructions_of(intent: Json) -> Json:
    """Return the transfer instructions of an intent."""
    instructions: Json = intent["next_action"]["display_bank_transfer_instructions"]
    return instructions


def apply_cash(state: StripeState, customer: Json, intent: Json) -> bool:
    """Apply a customer's cash to an intent, and return whether it is now paid in full."""
    instructions = instructions_of(intent)
    used = min(cash_of(customer, intent["currency"]), instructions["amount_remaining"])
    if used == 0:
        return False
    applied = {"type": "applied_to_payment", "applied_to_payment": {"payment_intent": intent["id"]}}
    _add_cash(state, customer, intent["currency"], -used, applied)
    instructions["amount_remaining"] -= used
    if instructions["amount_remaining"] == 0:
        return True
    emit(state, "payment_intent.partially_funded", intent)
    return False


def _add_cash(state: StripeState, customer: Json, currency: str, amount: int, details: Json) -> Json:
    """Change a customer's cash by an amount in cents. details: the type of the transaction and its fields."""
    customer["_cash"] = {**customer.get("_cash", {}), currency: cash_of(customer, currency) + amount}
    transaction = state.add(
        "customer_cash_balance_transaction",
        currency=currency,
        customer=customer["id"],
        ending_balance=customer["_cash"][currency],
        net_amount=amount,
        **details,
    )
    emit(state, "customer_cash_balance_transaction.created", transaction)
    return transaction


def retrieve_cash_balance(customer: Json) -> Json:
    """Return a customer's cash balance."""
    return {
        "object": "cash_balance",
        "available": customer.get("_cash") or None,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }
