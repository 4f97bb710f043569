"""Every cent: the balance is the sum of its transactions, and every payout the sum of its own."""

import random
from typing import Any

import pytest
import stripe

from tests.demo.counterpart_harness import Running

IBAN_THAT_PAYS, IBAN_THAT_FAILS = "DE89370400440532013000", "DE62370400440532013001"
DAY = 86_400


def check_movements(running: Running) -> int:
    """Check that movements sum to the balance and automatic payouts to their movements; return the balance."""
    movements = running.all_movements()
    assert all(each.net == each.amount - each.fee for each in movements)
    assert all(each.fee == sum(detail.amount for detail in each.fee_details) for each in movements)
    assert sum(each.net for each in movements) == running.total_balance()
    for payout in running.client.payouts.list({"limit": 100}).auto_paging_iter():
        inside = running.all_movements(payout=payout.id)
        if payout.automatic:
            assert sum(each.net for each in inside) == 0
            assert [each.amount for each in inside if each.type == "payout"] == [-payout.amount]
        else:
            assert inside == []
    return running.total_balance()


@pytest.mark.parametrize(
    ("amount", "fee"), [(50, 26), (100, 27), (1000, 40), (12_000, 205), (333, 30), (366, 30), (367, 31)]
)
def test_a_card_costs_one_and_a_half_per_cent_and_25_cents(fresh_counterpart: Running, amount: int, fee: int) -> None:
    fresh_counterpart.charge(amount)
    movement = fresh_counterpart.all_movements()[0]
    assert (movement.type, movement.reporting_category) == ("charge", "charge")
    assert (movement.amount, movement.fee, movement.net) == (amount, fee, amount - fee)


def test_money_of_a_card_is_available_after_three_days(fresh_counterpart: Running) -> None:
    fresh_counterpart.charge(10_000)
    movement = fresh_counterpart.all_movements()[0]
    assert (movement.status, movement.available_on - movement.created) == ("pending", 3 * DAY)
    fresh_counterpart.control("clock", seconds=3 * DAY - 5)
    assert fresh_counterpart.client.balance.retrieve().available[0].amount == 0
    fresh_counterpart.control("clock", seconds=5)
    assert fresh_counterpart.client.balance.retrieve().available[0].amount == movement.net
    assert fresh_counterpart.all_movements()[0].status == "available"


def test_a_charge_can_be_available_at_once(fresh_counterpart: Running) -> None:
    fresh_counterpart.charge(10_000, "pm_card_bypassPending")
    assert fresh_counterpart.client.balance.retrieve().available[0].amount == 10_000 - 175


# ------------------------------------------------------------------ refunds
def test_refunds_in_parts_never_exceed_the_charge(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge(10_000)
    refunds = fresh_counterpart.client.refunds
    first = refunds.create({"payment_intent": intent.id, "amount": 4000, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        refunds.create({"payment_intent": intent.id, "amount": 6001})
    rest = refunds.create({"payment_intent": intent.id})
    assert (first.amount, rest.amount, rest.status) == (4000, 6000, "succeeded")
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded") as refused:
        refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    charge = fresh_counterpart.client.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (10_000, True)
    given_back = [each for each in fresh_counterpart.all_movements() if each.reporting_category == "refund"]
    assert [(each.amount, each.fee, each.source) for each in given_back] == [(-6000, 0, rest.id), (-4000, 0, first.id)]
    assert check_movements(fresh_counterpart) == -175


@pytest.mark.parametrize("amount", [0, -1])
def test_a_refund_of_nothing_is_refused(fresh_counterpart: Running, amount: int) -> None:
    intent = fresh_counterpart.charge(10_000)
    with pytest.raises(stripe.InvalidRequestError):
        fresh_counterpart.client.refunds.create({"payment_intent": intent.id, "amount": amount})


def test_a_refund_that_fails_returns_to_the_balance(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge(10_000)
    refund = fresh_counterpart.client.refunds.create({"payment_intent": intent.id})
    failed = fresh_counterpart.control("fail_refund", refund=refund.id)
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert fresh_counterpart.all_movements()[0].reporting_category == "refund_failure"
    assert check_movements(fresh_counterpart) == 10_000 - 175


def test_a_refund_to_a_card_whose_bank_returns_it_fails_later(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge(10_000, "pm_card_refundFail")
    refund = fresh_counterpart.client.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    fresh_counterpart.control("clock", seconds=61)
    assert fresh_counterpart.client.refunds.retrieve(refund.id).status == "failed"
    assert fresh_counterpart.client.charges.retrieve(str(intent.latest_charge)).amount_refunded == 0
    assert check_movements(fresh_counterpart) == 10_000 - 175


def test_a_transfer_from_a_charge_does_not_wait_for_its_money(fresh_counterpart: Running) -> None:
    account = fresh_counterpart.client.accounts.create(
        {"type": "express", "capabilities": {"transfers": {"requested": True}}}
    )
    fresh_counterpart.control("onboard", account=account.id)
    charge = str(fresh_counterpart.charge(10_000).latest_charge)
    asked: Any = {"amount": 6_000, "currency": "eur", "destination": account.id}
    with pytest.raises(stripe.InvalidRequestError, match="insufficient available funds"):
        fresh_counterpart.client.transfers.create(asked)
    made = fresh_counterpart.client.transfers.create({**asked, "source_transaction": charge})
    assert (made.source_transaction, made.transfer_group) == (charge, f"group_{charge}")
    with pytest.raises(stripe.InvalidRequestError, match="source amount of 4000"):
        fresh_counterpart.client.transfers.create({**asked, "source_transaction": charge})
    outgoing, incoming = fresh_counterpart.all_movements()
    assert (outgoing.status, outgoing.available_on) == ("pending", incoming.available_on)
    assert check_movements(fresh_counterpart) == 10_000 - 175 - 6_000


def test_a_confirmation_that_may_redirect_says_where_back_to(fresh_counterpart: Running) -> None:
    asked: Any = {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
    for refused in (asked, {**asked, "off_session": True}, {**asked, "automatic_payment_methods": {"enabled": True}}):
        with pytest.raises(stripe.InvalidRequestError, match="return_url"):
            fresh_counterpart.client.payment_intents.create(refused)
    assert (
        fresh_counterpart.client.payment_intents.create({**asked, "return_url": "http://x.test/"}).status == "succeeded"
    )
    assert fresh_counterpart.charge(500, off_session=True).status == "succeeded"


# ------------------------------------------------------------------ declines, authentication, deposits
@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ],
)
def test_a_declined_card_leaves_a_failed_charge(
    fresh_counterpart: Running, method: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        fresh_counterpart.charge(10_000, method)
    error: Any = declined.value.error
    assert (declined.value.code, error.decline_code) == (code, decline_code)
    intent = fresh_counterpart.client.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert fresh_counterpart.client.charges.retrieve(str(intent.latest_charge)).status == "failed"
    assert fresh_counterpart.all_movements() == []
    paid = fresh_counterpart.client.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


def test_an_absent_payer_cannot_authenticate(fresh_counterpart: Running) -> None:
    with pytest.raises(stripe.CardError) as declined:
        fresh_counterpart.charge(10_000, "pm_card_authenticationRequired", off_session=True)
    assert declined.value.code == "authentication_required"
    error: Any = declined.value.error
    assert error.payment_intent.status == "requires_payment_method"


def test_a_saved_card_is_charged_off_session(fresh_counterpart: Running) -> None:
    customer = fresh_counterpart.client.customers.create({"email": "winner@example.test"})
    setup = fresh_counterpart.client.setup_intents.create(
        {"customer": customer.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    assert setup.status == "succeeded"
    intent = fresh_counterpart.charge(50_000, str(setup.payment_method), customer=customer.id, off_session=True)
    assert intent.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        fresh_counterpart.charge(50_000, str(setup.payment_method))


def test_a_deposit_is_held_then_captured_in_part(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge(10_000, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 10_000)
    charge: Any = fresh_counterpart.client.charges.retrieve(str(intent.latest_charge))
    assert charge.payment_method_details.card.capture_before == charge.created + 7 * DAY
    assert fresh_counterpart.all_movements() == []
    with pytest.raises(stripe.InvalidRequestError):
        fresh_counterpart.client.payment_intents.capture(intent.id, {"amount_to_capture": 10_001})
    captured = fresh_counterpart.client.payment_intents.capture(intent.id, {"amount_to_capture": 4000})
    assert (captured.status, captured.amount_received) == ("succeeded", 4000)
    found = [(each.reporting_category, each.amount, each.fee) for each in fresh_counterpart.all_movements()]
    assert found == [("partial_capture_reversal", -6000, 0), ("charge", 10_000, 85)]
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        fresh_counterpart.client.refunds.create({"payment_intent": intent.id, "amount": 4001})


def test_a_deposit_that_nobody_captures_expires(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge(10_000, capture_method="manual")
    fresh_counterpart.control("clock", days=7)
    expired = fresh_counterpart.client.payment_intents.retrieve(intent.id)
    assert (expired.status, expired.cancellation_reason) == ("canceled", "expired")
    with pytest.raises(stripe.InvalidRequestError):
        fresh_counterpart.client.payment_intents.capture(intent.id)
    assert check_movements(fresh_counterpart) == 0


# ------------------------------------------------------------------ debits
def test_a_debit_settles_days_later(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge_debit(70_000, IBAN_THAT_PAYS)
    assert intent.status == "processing"
    movement = fresh_counterpart.all_movements()[0]
    assert (movement.type, movement.reporting_category, movement.fee) == ("payment", "charge", 35)
    fresh_counterpart.control("clock", days=4.9)
    assert fresh_counterpart.client.payment_intents.retrieve(intent.id).status == "processing"
    fresh_counterpart.control("clock", days=0.2)
    assert fresh_counterpart.client.payment_intents.retrieve(intent.id).status == "succeeded"
    assert fresh_counterpart.client.balance.retrieve().available[0].amount == 70_000 - 35


def test_a_debit_that_fails_leaves_only_its_costs(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge_debit(30_000, IBAN_THAT_FAILS)
    assert fresh_counterpart.control("settle") == {"settled": 1}
    assert fresh_counterpart.control("settle") == {"settled": 0}
    assert fresh_counterpart.client.payment_intents.retrieve(intent.id).status == "requires_payment_method"
    categories = [each.reporting_category for each in fresh_counterpart.all_movements()]
    assert categories == ["fee", "charge_failure", "charge"]
    assert check_movements(fresh_counterpart) == -35 - 350


def test_a_debit_reversed_after_it_settled_is_lost(fresh_counterpart: Running) -> None:
    intent = fresh_counterpart.charge_debit(30_000, IBAN_THAT_PAYS)
    fresh_counterpart.control("settle")
    dispute = fresh_counterpart.control("dispute", payment_intent=intent.id)
    assert (dispute["status"], dispute["reason"]) == ("lost", "insufficient_funds")
    assert check_movements(fresh_counterpart) == -35 - 2000


def test_a_wrong_iban_is_refused(fresh_counterpart: Running) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        fresh_counterpart.charge_debit(30_000, "DE88370400440532013000")
    assert refused.value.code == "invalid_bank_account_iban"


# ------------------------------------------------------------------ disputes
@pytest.mark.parametrize(
    ("evidence", "status", "kept"), [("winning_evidence", "won", 10_000), ("losing_evidence", "lost", 0)]
)
def test_a_dispute_withdraws_the_money_and_perhaps_returns_it(
    fresh_counterpart: Running, evidence: str, status: str, kept: int
) -> None:
    intent = fresh_counterpart.charge(10_000)
    dispute = fresh_counterpart.control("dispute", payment_intent=intent.id)
    assert dispute["status"] == "needs_response"
    assert check_movements(fresh_counterpart) == -175 - 2000
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        fresh_counterpart.client.refunds.create({"payment_intent": intent.id})
    answered = fresh_counterpart.client.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )
    assert answered.status == status
    assert check_movements(fresh_counterpart) == kept - 175 - 2000
    with pytest.raises(stripe.InvalidRequestError, match="closed"):
        fresh_counterpart.client.disputes.close(dispute["id"])


# ------------------------------------------------------------------ payouts
def test_an_automatic_payout_is_made_of_what_was_available(fresh_counterpart: Running) -> None:
    refunded = fresh_counterpart.charge(10_000)
    fresh_counterpart.charge(2500)
    fresh_counterpart.client.refunds.create({"payment_intent": refunded.id, "amount": 1000})
    fresh_counterpart.control("clock", days=3)
    fresh_counterpart.charge(7777)
    payout = fresh_counterpart.control("payout")
    expected = (10_000 - 175) + (2500 - 63) - 1000
    assert (payout["amount"], payout["automatic"], payout["status"]) == (expected, True, "paid")
    inside = fresh_counterpart.all_movements(payout=payout["id"])
    assert sorted(each.reporting_category for each in inside) == ["charge", "charge", "payout", "refund"]
    assert check_movements(fresh_counterpart) == 7777 - 142
    assert fresh_counterpart.raw("POST", "/_test/payout").status == 400, "nothing is paid out twice"


def test_a_payout_that_fails_returns_and_is_sent_again(fresh_counterpart: Running) -> None:
    fresh_counterpart.charge(10_000, "pm_card_bypassPending")
    payout = fresh_counterpart.control("payout")
    assert check_movements(fresh_counterpart) == 0
    failed = fresh_counterpart.control("fail_payout", payout=payout["id"])
    assert failed["status"] == "failed"
    assert fresh_counterpart.all_movements()[0].reporting_category == "payout_reversal"
    assert check_movements(fresh_counterpart) == 9825
    assert fresh_counterpart.control("payout")["amount"] == 9825


def test_a_payout_on_request_needs_the_money(fresh_counterpart: Running) -> None:
    fresh_counterpart.charge(10_000, "pm_card_bypassPending")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        fresh_counterpart.client.payouts.create({"amount": 9826, "currency": "eur"})
    assert refused.value.code == "balance_insufficient"
    payout = fresh_counterpart.client.payouts.create({"amount": 9825, "currency": "eur"})
    assert (payout.automatic, payout.reconciliation_status) == (False, "not_applicable")
    assert check_movements(fresh_counterpart) == 0


def test_transfers_pay_connected_accounts(fresh_counterpart: Running) -> None:
    fresh_counterpart.charge(10_000, "pm_card_bypassPending")
    account = fresh_counterpart.client.accounts.create(
        {"type": "express", "capabilities": {"transfers": {"requested": True}}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="capabilities"):
        fresh_counterpart.client.transfers.create({"amount": 100, "currency": "eur", "destination": account.id})
    fresh_counterpart.control("onboard", account=account.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        fresh_counterpart.client.transfers.create({"amount": 9826, "currency": "eur", "destination": account.id})
    assert refused.value.code == "balance_insufficient"
    transfer = fresh_counterpart.client.transfers.create({"amount": 5000, "currency": "eur", "destination": account.id})
    fresh_counterpart.client.transfers.reversals.create(transfer.id, {"amount": 700})
    with pytest.raises(stripe.InvalidRequestError):
        fresh_counterpart.client.transfers.reversals.create(transfer.id, {"amount": 4301})
    theirs = fresh_counterpart.client.balance.retrieve({}, {"stripe_account": account.id})
    assert theirs.pending[0].amount + theirs.available[0].amount == 4300
    assert check_movements(fresh_counterpart) == 9825 - 4300


def test_any_month_sums(fresh_counterpart: Running) -> None:
    chance = random.Random(7)  # noqa: S311  the same month in every run
    for _ in range(25):
        intent = fresh_counterpart.charge(chance.randrange(50, 100_000))
        what = chance.random()
        if what < 0.2:
            fresh_counterpart.client.refunds.create(
                {"payment_intent": intent.id, "amount": chance.randrange(1, intent.amount)}
            )
        elif what < 0.35:
            dispute = fresh_counterpart.control("dispute", payment_intent=intent.id)
            fresh_counterpart.control("close_dispute", dispute=dispute["id"], won=chance.random() < 0.5)
        elif what < 0.45:
            fresh_counterpart.control("fee", amount=200, description="Connect")
        fresh_counterpart.control("clock", days=chance.random() * 2)
        if fresh_counterpart.client.balance.retrieve().available[0].amount > 50_000:
            fresh_counterpart.control("payout")
        check_movements(fresh_counterpart)
