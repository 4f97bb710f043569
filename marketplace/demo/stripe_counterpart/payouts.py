"""Payouts: available money sent to our bank account, on request or by Stripe itself every day.

An automatic payout includes every available transaction that no payout includes yet, so its transactions sum to it.
"""

from marketplace.demo.stripe_counterpart.balance import NewTransaction, add_balance_transaction, available_amount
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.state import DAY, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json


def create_payout(state: StripeState, params: Json, account: str) -> Json:
    """Pay out an amount on request; such a payout is not reconciled with transactions."""
    if params["amount"] <= 0:
        raise ApiError(
            400, "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if params["amount"] > available_amount(state, params["currency"], account):
        raise ApiError(
            400, "You have insufficient funds in your Stripe account for this payout.", code="balance_insufficient"
        )
    payout = _add_payout(state, params["amount"], params["currency"], account)
    payout.update(
        automatic=False,
        status="pending",
        reconciliation_status="not_applicable",
        metadata=params.get("metadata", {}),
        description=params.get("description"),
        statement_descriptor=params.get("statement_descriptor"),
    )
    emit(state, "payout.created", payout, account=account)
    return payout


def pay_out_available(state: StripeState, currency: str = "eur") -> Json:
    """Make Stripe's automatic payout of every available transaction that no payout includes yet; it arrives at once."""
    included = state.select(
        "balance_transaction",
        "account = '' AND json_extract(body, '$._payout') IS NULL AND json_extract(body, '$.status') = 'available'"
        " AND json_extract(body, '$.currency') = ? AND json_extract(body, '$.type') <> 'payout'",
        (currency,),
    )
    total = sum(transaction["net"] for transaction in included)
    if total <= 0:
        raise ApiError(400, f"Nothing to pay out: {total} {currency} available.", code="balance_insufficient")
    payout = _add_payout(state, total, currency, "")
    for transaction in (*included, state.get("balance_transaction", payout["balance_transaction"])):
        transaction["_payout"] = payout["id"]
    payout.update(automatic=True, status="in_transit", reconciliation_status="completed")
    emit(state, "payout.created", payout)
    payout["status"] = "paid"
    emit(state, "payout.paid", payout)
    emit(state, "payout.reconciliation_completed", payout)
    return payout


def fail_payout(state: StripeState, identifier: str) -> Json:
    """Let the bank return a payout: its amount is added to the balance as a transaction of its own."""
    payout = state.get("payout", identifier)
    if payout["status"] == "failed":
        raise ApiError(400, f"The payout {identifier} has already failed.")
    returned = NewTransaction("payout_failure", "payout_reversal", payout["amount"], payout["currency"], payout["id"])
    payout.update(
        status="failed",
        failure_balance_transaction=add_balance_transaction(state, returned)["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )
    emit(state, "payout.failed", payout)
    return payout


def _add_payout(state: StripeState, amount: int, currency: str, account: str) -> Json:
    payout = state.add(
        "payout",
        account=account,
        amount=amount,
        currency=currency,
        method="standard",
        type="bank_account",
        destination=f"ba_{state.new_token()}",
        source_type="card",
        arrival_date=state.now() + DAY,
        description="STRIPE PAYOUT",
    )
    returned = NewTransaction("payout", "payout", -amount, currency, payout["id"], description="STRIPE PAYOUT")
    payout["balance_transaction"] = add_balance_transaction(state, returned, account)["id"]
    return payout
