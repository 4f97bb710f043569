"""The balance: the sum of all balance transactions, each one movement of money.

`reporting_category` names a transaction for accounting; `type` is a technical name that several categories share.
"""

from dataclasses import dataclass

from msgspec import Struct

from marketplace.demo.stripe_counterpart.state import DAY, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

CARD_DELAY_DAYS, SEPA_DELAY_DAYS = 3, 14
_CARD_RATE_PER_MILLE, _CARD_FIXED = 15, 25
_SEPA_FEE = 35
_TRANSFER_RATE_PER_MILLE, _TRANSFER_FEE_CAP = 5, 500


@dataclass(frozen=True)
class NewTransaction:
    """A balance transaction to add. amount and fee in cents; days until the money is available, or from when it is."""

    type: str
    category: str
    amount: int
    currency: str
    source: str | None
    fee: int = 0
    days: int = 0
    available_on: int | None = None
    description: str | None = None
    fee_description: str = "Stripe processing fees"


def fee_for(method_type: str, amount: int) -> int:
    """Return Stripe's fee in cents, halves rounded up.

    1.5 % + 25 for cards of the EEA, 35 for a SEPA debit, 0.5 % capped at 5 euros for a bank transfer.
    """
    if method_type == "sepa_debit":
        return _SEPA_FEE
    if method_type == "customer_balance":
        return min(_per_mille(amount, _TRANSFER_RATE_PER_MILLE), _TRANSFER_FEE_CAP)
    return _per_mille(amount, _CARD_RATE_PER_MILLE) + _CARD_FIXED


def _per_mille(amount: int, rate: int) -> int:
    return (2 * amount * rate + 1000) // 2000


def add_balance_transaction(state: StripeState, new: NewTransaction, account: str = "") -> Json:
    """Add a balance transaction, pending until its money is available."""
    fee_details = [
        {
            "amount": new.fee,
            "application": None,
            "currency": new.currency,
            "description": new.fee_description,
            "type": "stripe_fee",
        }
    ]
    transaction = state.add(
        "balance_transaction",
        account=account,
        type=new.type,
        reporting_category=new.category,
        amount=new.amount,
        fee=new.fee,
        fee_details=fee_details if new.fee else [],
        net=new.amount - new.fee,
        currency=new.currency,
        source=new.source,
        description=new.description,
        balance_type="payments",
        status="available",
        available_on=state.now() + new.days * DAY if new.available_on is None else new.available_on,
        _payout=None,
    )
    if transaction["available_on"] > state.now():
        transaction["status"] = "pending"
        state.schedule(transaction["available_on"], "make_available", transaction["id"])
    return transaction


def make_available(state: StripeState, identifier: str) -> None:
    """Make a pending transaction available."""
    state.get("balance_transaction", identifier)["status"] = "available"


def charge_fee(state: StripeState, amount: int, description: str, currency: str = "eur") -> Json:
    """Charge one of Stripe's own fees, in cents, to the balance."""
    return add_balance_transaction(
        state, NewTransaction("stripe_fee", "fee", -amount, currency, None, description=description)
    )


def retrieve_balance(state: StripeState, account: str) -> Json:
    """Return the available and the pending money, per currency."""
    sums = {(each.status, each.currency): each.net for each in state.fetch_rows(_NetSum, _NET_SUMS, (account,))}
    currencies = sorted({"eur"} | {currency for _, currency in sums})

    def entries(status: str) -> list[Json]:
        amounts = {currency: sums.get((status, currency), 0) for currency in currencies}
        return [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in amounts.items()
        ]

    return {"object": "balance", "livemode": False, "available": entries("available"), "pending": entries("pending")}


class _NetSum(Struct, frozen=True):
    """The sum of transactions of one status and currency, in cents."""

    status: str
    currency: str
    net: int


_NET_SUMS = """
SELECT json_extract(body, '$.status'), json_extract(body, '$.currency'), sum(json_extract(body, '$.net'))
FROM object
WHERE kind = 'balance_transaction' AND account = ?
GROUP BY 1, 2
ORDER BY 2
"""


def available_amount(state: StripeState, currency: str, account: str = "") -> int:
    """Return how much of a currency can be paid out now, in cents."""
    available = retrieve_balance(state, account)["available"]
    return sum(entry["amount"] for entry in available if entry["currency"] == currency)
