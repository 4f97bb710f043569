"""Stripe's balance, mirrored: every cent is in the books once, however it moved."""

import asyncio
import datetime as dt
import random
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance, trial_balance
from marketplace.money.payments import rules
from marketplace.money.payments.actions import request_payment, request_refund
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.queries import get_payment, list_movements_of
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.money.payments.stripe_port import StripePort
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value


async def sell_amounts(stripe: Any, amounts: list[int], token: str = "tok_bypassPending") -> list[uuid.UUID]:
    subjects = [uuid.uuid4() for _ in amounts]
    for subject, amount in zip(subjects, amounts, strict=True):
        await request_payment(
            subject,
            amount_minor=amount,
            lines=[Line("Licence", amount)],
            email="a@partner.example",
            locale="en",
            success_url="http://x.example/",
            cancel_url="http://x.example/",
            expires_at=clock.now() + dt.timedelta(hours=1),
        )
    await run_commands()
    for subject in subjects:
        stripe.test("pay", session=(await get_payment(subject)).session_id, token=token)
    await sweep_events()
    await handle_events()
    return subjects


async def balance_of_stripe() -> int:
    async with StripePort() as port:
        return await port.balance_minor()


async def test_every_cent(stripe: Any) -> None:
    chance = random.Random(7)  # noqa: S311 (the same amounts every run)
    subjects = await sell_amounts(stripe, [chance.randrange(500, 99_999) for _ in range(12)])
    intents = [(await get_payment(subject)).payment_intent_id for subject in subjects]
    await request_refund(
        subjects[0], amount_minor=(await get_payment(subjects[0])).amount_minor, refund_id=uuid.uuid4()
    )
    await run_commands()
    stripe.post("refunds", payment_intent=intents[1], amount="123")
    dispute = stripe.test("dispute", payment_intent=intents[2])
    stripe.test("close_dispute", dispute=dispute["id"], won=True)
    stripe.test("dispute", payment_intent=intents[3])
    stripe.test("fee", amount=200, description="Radar")
    await mirror_balance()
    assert await balance(chart.STRIPE) == await balance_of_stripe() > 0
    payout = stripe.test("payout")
    await mirror_balance()
    assert await balance(chart.STRIPE) == await balance_of_stripe() == 0
    paid_out = await fetch("SELECT category, net_minor FROM balance_transaction WHERE payout_id = $1", payout["id"])
    assert sum(row["net_minor"] for row in paid_out) == 0
    assert -sum(row["net_minor"] for row in paid_out if row["category"] == "payout") == payout["amount"]
    assert await balance(chart.TRANSFERS) == payout["amount"]
    (late,) = await sell_amounts(stripe, [4321])
    await mirror_balance()
    await mirror_balance()
    (movement,) = await list_movements_of(late)
    assert (movement.amount_minor, movement.fee_minor) == (4321, 90)
    assert await balance(chart.STRIPE) == await balance_of_stripe() == 4321 - 90
    stripe.test("fail_payout", payout=payout["id"])
    await mirror_balance()
    assert await balance(chart.STRIPE) == await balance_of_stripe() == 4321 - 90 + payout["amount"]
    assert sum(row.balance_minor for row in await trial_balance()) == 0
    assert await balance(chart.PARTNERS) == -sum(
        [(await get_payment(s)).amount_minor - (await get_payment(s)).refunded_minor for s in (*subjects, late)]
    )
    assert await fetch_value("SELECT count(*) FROM journal_entry") == len(stripe.list("balance_transactions"))


async def test_transactions_know_their_payment_whichever_comes_first(stripe: Any) -> None:
    subject = uuid.uuid4()
    await request_payment(
        subject,
        amount_minor=9000,
        lines=[Line("Licence", 9000)],
        email="a@partner.example",
        locale="en",
        success_url="http://x.example/",
        cancel_url="http://x.example/",
        expires_at=clock.now() + dt.timedelta(hours=1),
    )
    await run_commands()
    stripe.test("pay", session=(await get_payment(subject)).session_id, token="tok_bypassPending")
    await mirror_balance()
    assert await list_movements_of(subject) == []
    await sweep_events()
    await handle_events()
    await request_refund(subject, amount_minor=9000, refund_id=uuid.uuid4())
    await run_commands()
    await mirror_balance()
    assert {row.category for row in await list_movements_of(subject)} == {"charge", "refund"}


async def test_two_workers_and_many_pages_post_once(stripe: Any) -> None:
    for n in range(203):
        stripe.test("fee", amount=n + 1, description="n")
    await asyncio.gather(mirror_balance(), mirror_balance(), mirror_balance())
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 203
    assert await fetch_value("SELECT count(*) FROM journal_entry") == 203
    assert await balance(chart.STRIPE) == await balance_of_stripe() == -203 * 204 // 2
    assert await mirror_balance() == 0


async def test_a_list_read_only_halfway_is_read_again(stripe: Any) -> None:
    for n in range(150):
        stripe.test("fee", amount=n + 1, description="n")
    await as_owner("ALTER TABLE balance_transaction ADD CONSTRAINT crash CHECK (amount_minor < -10)")
    with pytest.raises(Exception, match="crash"):
        await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 100
    assert await fetch_value("SELECT count(*) FROM stripe_cursor") == 0
    await as_owner("ALTER TABLE balance_transaction DROP CONSTRAINT crash")
    assert await mirror_balance() == 50
    assert await balance(chart.STRIPE) == await balance_of_stripe()


async def test_pending_money_becomes_available(stripe: Any) -> None:
    await sell_amounts(stripe, [5000], token="tok_visa")
    await mirror_balance()
    assert await fetch_value("SELECT status FROM balance_transaction") == "pending"
    stripe.test("clock", days=4)
    stripe.test("payout")
    await mirror_balance()
    assert await fetch("SELECT DISTINCT status FROM balance_transaction") == [("available",)]
    assert await fetch_value("SELECT count(DISTINCT payout_id) FROM balance_transaction") == 1


async def test_an_unknown_category_is_mirrored_and_posted_once_it_is_known(stripe: Any) -> None:
    stripe.test("fee", amount=300, description="x")
    await execute("UPDATE account SET code = '627001' WHERE code = '627000'")
    with pytest.raises(Exception, match="posting"):
        await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 0, "mirrored and posted together or not"
    await execute("UPDATE account SET code = '627000' WHERE code = '627001'")
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, status,
                                            created_at, available_on)
           VALUES ('txn_a', 'climate_order_purchase', -5, 0, -5, 'EUR', 'available', now(), now()),
                  ('txn_b', 'fee', -7, 0, -7, 'EUR', 'available', now(), now()),
                  ('txn_c', 'fee', -9, 0, -9, 'USD', 'available', now(), now())"""
    )
    await mirror_balance()
    assert {row["source_id"] for row in await fetch("SELECT source_id FROM journal_entry")} == {
        "txn_b",
        stripe.list("balance_transactions")[0]["id"],
    }


@given(st.sampled_from(sorted(rules.COUNTERPARTS)), st.integers(-(10**9), 10**9), st.integers(-(10**6), 10**6))
def test_postings_move_the_net(category: str, amount: int, fee: int) -> None:
    moved = sum(
        (value if debit == chart.STRIPE else -value)
        for debit, credit, value in rules.postings(rules.COUNTERPARTS[category], amount, fee)
    )
    assert moved == amount - fee
    assert all(
        value > 0 and debit != credit
        for debit, credit, value in rules.postings(rules.COUNTERPARTS[category], amount, fee)
    )


@given(st.lists(st.sampled_from(rules.STATES)))
def test_a_payment_never_moves_back(read: list[str]) -> None:
    state = "requested"
    for each in read:
        moved = rules.later(state, each)
        assert rules.STATES.index(moved) >= rules.STATES.index(state)
        state = moved
    assert state == max(["requested", *read], key=rules.STATES.index)
