"""Connected accounts and the transfers to them: the optional way to pay subscribers."""

import json
from dataclasses import replace

import stripe

from marketplace.demo.stripe_counterpart.balance import (
    NewTransaction,
    add_balance_transaction,
    available_amount,
    retrieve_balance,
)
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.responses import blank, to_public
from marketplace.demo.stripe_counterpart.state import MINUTE, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

OUR_ACCOUNT = "our_account"
"""The setting that lists how our own account differs from a complete one."""
_LINK_LIFE = 5 * MINUTE
_NEEDED_TO_ONBOARD = ["external_account", "individual.verification.document"]


def create_account(state: StripeState, params: Json) -> Json:
    """Create a connected account that can be paid once it has been onboarded."""
    wanted = params.get("capabilities", {})
    requirements = blank(stripe.Account.Requirements)
    requirements.update(
        currently_due=list(_NEEDED_TO_ONBOARD),
        past_due=list(_NEEDED_TO_ONBOARD),
        disabled_reason="requirements.past_due",
    )
    agreement = params.get("tos_acceptance", {}).get("service_agreement", "full")
    return state.add(
        "account",
        business_type=params.get("business_type"),
        capabilities={name: "inactive" for name, capability in wanted.items() if capability.get("requested")},
        charges_enabled=False,
        country=params.get("country", "FR"),
        default_currency="eur",
        details_submitted=False,
        email=params.get("email"),
        metadata=params.get("metadata", {}),
        payouts_enabled=False,
        requirements=requirements,
        tos_acceptance={"date": None, "ip": None, "service_agreement": agreement, "user_agent": None},
        type=params.get("type", "none"),
    )


def retrieve_our_account(state: StripeState) -> Json:
    """Return the marketplace's own account, as the control plane has set it up."""
    chosen = json.loads(state.setting(OUR_ACCOUNT, "{}"))
    account = blank(stripe.Account)
    requirements = blank(stripe.Account.Requirements)
    requirements["currently_due"] = chosen.get("due", [])
    account.update(
        id="acct_ours",
        object="account",
        type="standard",
        country="FR",
        capabilities={"card_payments": "active", "sepa_debit_payments": chosen.get("sepa", "active")},
        charges_enabled=chosen.get("charges_enabled", True),
        default_currency=chosen.get("currency", "eur"),
        details_submitted=True,
        payouts_enabled=chosen.get("payouts_enabled", True),
        requirements=requirements,
    )
    return account


def retrieve_balance_settings(state: StripeState) -> Json:
    """Return the schedule of Stripe's automatic payouts of our balance."""
    settings = blank(stripe.BalanceSettings)
    schedule = blank(stripe.BalanceSettings.Payments.Payouts.Schedule)
    schedule["interval"] = json.loads(state.setting(OUR_ACCOUNT, "{}")).get("interval", "daily")
    payouts = blank(stripe.BalanceSettings.Payments.Payouts)
    payouts.update(schedule=schedule, status="enabled")
    for absent in ("automatic_transfer_rules_by_currency", "minimum_balance_by_currency"):
        del payouts[absent]  # The package cannot read a map that is null.
    settings["object"] = "balance_settings"
    settings["payments"]["payouts"] = payouts
    return settings


def create_account_link(state: StripeState, params: Json) -> Json:
    """Return the address of the page where the account's owner onboards."""
    account = state.get("account", params["account"], "account")
    account["_return_url"] = params.get("return_url")
    url = f"{state.origin.base}/c/onboard/{account['id']}"
    return {"object": "account_link", "created": state.now(), "expires_at": state.now() + _LINK_LIFE, "url": url}


def delete_account(state: StripeState, account: Json) -> Json:
    """Delete a connected account, which must be empty."""
    money = retrieve_balance(state, account["id"])
    if sum(part["amount"] for part in (*money["available"], *money["pending"])):
        raise ApiError(400, "This account has a balance that is not zero, and cannot be deleted.")
    state.remove(account["id"])
    return {"id": account["id"], "object": "account", "deleted": True}


def onboard(state: StripeState, account: Json) -> Json:
    """Complete the onboarding of an account."""
    account.update(
        capabilities=dict.fromkeys(account["capabilities"], "active"),
        details_submitted=True,
        payouts_enabled=True,
        requirements=blank(stripe.Account.Requirements),
    )
    emit(state, "account.updated", account, account=account["id"])
    return account


def create_transfer(state: StripeState, params: Json) -> Json:
    """Move available money to a connected account."""
    account = state.get("account", params["destination"], "destination")
    if account["capabilities"].get("transfers") != "active":
        message = (
            "Your destination account needs to have at least one of the following capabilities enabled:"
            " transfers, crypto_transfers, legacy_payments"
        )
        raise ApiError(400, message, code="insufficient_capabilities_for_transfer", param="destination")
    amount, currency = params.get("amount", 0), params["currency"].lower()
    if amount <= 0:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    source = _source_of(state, params, amount)
    if source is None and amount > available_amount(state, currency):
        raise ApiError(
            400, "You have insufficient available funds in your Stripe account.", code="balance_insufficient"
        )
    transfer = state.add(
        "transfer",
        amount=amount,
        currency=currency,
        description=params.get("description"),
        destination=account["id"],
        metadata=params.get("metadata", {}),
        source_transaction=source and source["id"],
        source_type="card",
        transfer_group=params.get("transfer_group")
        or (source and (source["transfer_group"] or f"group_{source['id']}")),
    )
    transfer["reversals"]["url"] = f"/v1/transfers/{transfer['id']}/reversals"
    outgoing = NewTransaction(
        "transfer", "transfer", -amount, currency, transfer["id"], description=params.get("description")
    )
    if source is not None:
        incoming = state.get("balance_transaction", source["balance_transaction"])
        outgoing = replace(outgoing, available_on=incoming["available_on"])
    transfer["balance_transaction"] = add_balance_transaction(state, outgoing)["id"]
    transfer["destination_payment"] = _add_destination_payment(state, account["id"], transfer)["id"]
    emit(state, "transfer.created", transfer)
    return transfer


def _source_of(state: StripeState, params: Json, amount: int) -> Json | None:
    """Return the charge that a transfer is paid from, available or not; None when it is paid from the balance."""
    if "source_transaction" not in params:
        return None
    charge = state.get("charge", params["source_transaction"], "source_transaction")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise ApiError(400, f"The charge {charge['id']} has not succeeded.", param="source_transaction")
    if charge["currency"] != params["currency"].lower():
        message = f"The currency of source_transaction's balance transaction ({charge['currency']}) differs."
        raise ApiError(400, message, param="source_transaction")
    earlier = state.select("transfer", "json_extract(body, '$.source_transaction') = ?", (charge["id"],))
    left = charge["amount_captured"] - sum(each["amount"] - each["amount_reversed"] for each in earlier)
    if amount > left:
        message = f"Transfers using this transaction as a source must not exceed the source amount of {left}."
        raise ApiError(400, message, param="amount")
    return charge


def _add_destination_payment(state: StripeState, account: str, transfer: Json) -> Json:
    """Add the payment that the connected account receives."""
    payment = state.add(
        "charge",
        account=account,
        prefix="py",
        amount=transfer["amount"],
        amount_captured=transfer["amount"],
        captured=True,
        currency=transfer["currency"],
        paid=True,
        source_transfer=transfer["id"],
        status="succeeded",
    )
    received = NewTransaction("payment", "charge", transfer["amount"], transfer["currency"], payment["id"], days=1)
    payment["balance_transaction"] = add_balance_transaction(state, received, account)["id"]
    return payment


def reverse_transfer(state: StripeState, transfer: Json, params: Json) -> Json:
    """Reverse the rest of a transfer, or an amount in cents of it."""
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = params.get("amount", left)
    if not 0 < amount <= left:
        raise ApiError(400, f"Cannot reverse {amount}: {left} of the transfer is left.", param="amount")
    reversal = state.add(
        "transfer_reversal",
        amount=amount,
        currency=transfer["currency"],
        metadata=params.get("metadata", {}),
        transfer=transfer["id"],
    )
    returned = NewTransaction("transfer_refund", "transfer_reversal", amount, transfer["currency"], reversal["id"])
    reclaimed = NewTransaction(
        "payment_refund", "refund", -amount, transfer["currency"], transfer["destination_payment"]
    )
    reversal["balance_transaction"] = add_balance_transaction(state, returned)["id"]
    add_balance_transaction(state, reclaimed, transfer["destination"])
    transfer["amount_reversed"] += amount
    transfer["reversed"] = amount == left
    transfer["reversals"]["data"].insert(0, to_public(reversal))
    emit(state, "transfer.reversed", transfer)
    return reversal
