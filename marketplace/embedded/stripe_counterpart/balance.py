"""The balance: every movement of money is one balance transaction, and the balance is nothing but their sum.

`reporting_category` names a movement for accounting; `type` is a technical name that several categories share. A payout
that Stripe makes by itself takes every available movement that no payout has taken before, so its movements sum to it.
"""

from dataclasses import dataclass

from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.world import DAY, World

CARD_DELAY_DAYS, SEPA_DELAY_DAYS = 3, 14
_CARD_RATE_PER_MILLE, _CARD_FIXED = 15, 25
_SEPA_FEE = 35
_TRANSFER_RATE_PER_MILLE, _TRANSFER_FEE_CAP = 5, 500


@dataclass(frozen=True)
class Movement:
    """A balance transaction about to be made. amount and fee in cents; days until the money is available."""

    type: str
    category: str
    amount: int
    currency: str
    source: str | None
    fee: int = 0
    days: int = 0
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


def move(world: World, movement: Movement, account: str = "") -> Json:
    """Write a balance transaction, pending until its money is available."""
    fee_details = [
        {
            "amount": movement.fee,
            "application": None,
            "currency": movement.currency,
            "description": movement.fee_description,
            "type": "stripe_fee",
        }
    ]
    transaction = world.add(
        "balance_transaction",
        account=account,
        type=movement.type,
        reporting_category=movement.category,
        amount=movement.amount,
        fee=movement.fee,
        fee_details=fee_details if movement.fee else [],
        net=movement.amount - movement.fee,
        currency=movement.currency,
        source=movement.source,
        description=movement.description,
        balance_type="payments",
        status="available",
        available_on=world.now() + movement.days * DAY,
        _payout=None,
    )
    if movement.days:
        transaction["status"] = "pending"
        world.set_alarm(transaction["available_on"], "make_available", transaction["id"])
    return transaction


def make_available(world: World, identifier: str) -> None:
    """Turn pending money into available money once its day has come."""
    world.get("balance_transaction", identifier)["status"] = "available"


def charge_fee(world: World, amount: int, description: str, currency: str = "eur") -> Json:
    """Take one of Stripe's own fees, in cents, out of the balance."""
    return move(world, Movement("stripe_fee", "fee", -amount, currency, None, description=description))


def retrieve_balance(world: World, account: str) -> Json:
    """Return what is available and what is pending, per currency."""
    rows = world.query(
        "SELECT json_extract(body, '$.status'), json_extract(body, '$.currency'), sum(json_extract(body, '$.net'))"
        " FROM object WHERE kind = 'balance_transaction' AND account = ? GROUP BY 1, 2 ORDER BY 2",
        (account,),
    )
    sums = {(status, currency): amount for status, currency, amount in rows}
    currencies = sorted({"eur"} | {currency for _, currency in sums})
    return {
        "object": "balance",
        "livemode": False,
        **{
            status: [
                {
                    "amount": sums.get((status, currency), 0),
                    "currency": currency,
                    "source_types": {"card": sums.get((status, currency), 0)},
                }
                for currency in currencies
            ]
            for status in ("available", "pending")
        },
    }


def available_amount(world: World, currency: str, account: str = "") -> int:
    """Return how much of a currency can be paid out now, in cents."""
    available = retrieve_balance(world, account)["available"]
    return sum(entry["amount"] for entry in available if entry["currency"] == currency)


# ------------------------------------------------------------------ payouts
def create_payout(world: World, params: Json, account: str) -> Json:
    """Pay out an amount on request; such a payout is not reconciled to the movements behind it."""
    if params["amount"] <= 0:
        raise Refused(
            400, "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if params["amount"] > available_amount(world, params["currency"], account):
        raise Refused(
            400, "You have insufficient funds in your Stripe account for this payout.", code="balance_insufficient"
        )
    payout = _add_payout(world, params["amount"], params["currency"], account)
    payout.update(
        automatic=False,
        status="pending",
        reconciliation_status="not_applicable",
        metadata=params.get("metadata", {}),
        description=params.get("description"),
        statement_descriptor=params.get("statement_descriptor"),
    )
    emit(world, "payout.created", payout, account=account)
    return payout


def pay_out_available(world: World, currency: str = "eur") -> Json:
    """Make Stripe's automatic payout of everything available that no payout has taken yet, and let it arrive."""
    taken = world.select(
        "balance_transaction",
        "account = '' AND json_extract(body, '$._payout') IS NULL AND json_extract(body, '$.status') = 'available'"
        " AND json_extract(body, '$.currency') = ? AND json_extract(body, '$.type') <> 'payout'",
        (currency,),
    )
    total = sum(transaction["net"] for transaction in taken)
    if total <= 0:
        raise Refused(400, f"Nothing to pay out: {total} {currency} available.", code="balance_insufficient")
    payout = _add_payout(world, total, currency, "")
    for transaction in (*taken, world.get("balance_transaction", payout["balance_transaction"])):
        transaction["_payout"] = payout["id"]
    payout.update(automatic=True, status="in_transit", reconciliation_status="completed")
    emit(world, "payout.created", payout)
    payout["status"] = "paid"
    emit(world, "payout.paid", payout)
    emit(world, "payout.reconciliation_completed", payout)
    return payout


def fail_payout(world: World, identifier: str) -> Json:
    """Let the bank return a payout: its amount comes back as a movement of its own."""
    payout = world.get("payout", identifier)
    if payout["status"] == "failed":
        raise Refused(400, f"The payout {identifier} has already failed.")
    movement = Movement("payout_failure", "payout_reversal", payout["amount"], payout["currency"], payout["id"])
    payout.update(
        status="failed",
        failure_balance_transaction=move(world, movement)["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )
    emit(world, "payout.failed", payout)
    return payout


def _add_payout(world: World, amount: int, currency: str, account: str) -> Json:
    payout = world.add(
        "payout",
        account=account,
        amount=amount,
        currency=currency,
        method="standard",
        type="bank_account",
        destination=f"ba_{world.new_token()}",
        source_type="card",
        arrival_date=world.now() + DAY,
        description="STRIPE PAYOUT",
    )
    movement = Movement("payout", "payout", -amount, currency, payout["id"], description="STRIPE PAYOUT")
    payout["balance_transaction"] = move(world, movement, account)["id"]
    return payout
