"""Service credits that meet something else: a refund of the whole or of most, a second worker, a death at every await, an invoice."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.credit.queries import get_available
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.subscriptions import credits as service_credits
from marketplace.sales.subscriptions.actions import deliver
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.finance.builders.statements import banked
from tests.money.builders import clerks
from tests.people.builders import Browser, make_staff
from tests.sales.builders.shop import (
    change_billing_of,
    jobs,
    make_buyer,
    next_release,
    open_shop,
    save_card_on_page,
    seal_release,
)
from tests.support.reads import fetch, fetch_one, fetch_value

DAY = dt.timedelta(days=1)
LATE_DAYS, BASIS_POINTS = 4, 4 * 500


async def ordered_late(*, pay_by: str = "saved_method") -> Any:
    """Have a subscription order a release that came four days late, and its money follow; return the order."""
    await open_shop()
    partner = await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week'")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        if pay_by == "invoice":
            await change_billing_of(partner)
            await clerks(partner, 100_000_000)
        else:
            await save_card_on_page(browser, "/subscribe/lyon")
        form = {"dataset": "lyon", "releases": "4", "pay_by": pay_by}
        answer = await browser.submit("/en/subscribe/lyon", form, form_id=str(uuid.uuid4()))
        assert answer.status_code == 303, answer.text
    waiting = "began_at = began_at - interval '9 days'"
    await execute(f"UPDATE subscription SET promised_days = $1, promised_coverage_micro = 1, {waiting}", -LATE_DAYS)
    await next_release(1)
    assert await deliver() == 1
    await jobs()
    await hold_shares()
    order = await fetch_one("SELECT * FROM purchase_order")
    assert order
    assert order["state"] == "paid"
    return order


async def follow() -> None:
    """Let the jobs give credits and follow the money, until nothing moves."""
    for _ in range(3):
        await service_credits.give_credits()
        await jobs()
        await mirror_balance()
        await cancel_shares()


async def returned() -> int:
    """Return what of the one order went back, which Stripe, the books and its credit notes say alike."""
    minor: int = await fetch_value("SELECT returned_minor FROM purchase_order")
    notes = await fetch_value("SELECT coalesce(sum(total_minor), 0)::bigint FROM invoice WHERE kind = 'credit_note'")
    booked = """SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting JOIN journal_entry ON journal_entry.id = entry
                WHERE kind = 'refund'"""
    assert minor == notes == await fetch_value(booked)
    return minor


async def check_accounts() -> None:
    """Hold that Stripe, the books and the subscribers' accounts agree to the cent."""
    await reconcile()
    assert await balance(chart.STRIPE) == await read_balance()
    assert await balance(chart.PARTNERS) == 0
    assert await list_unequal_accounts() == []


@pytest.mark.usefixtures("stripe")
async def test_while_all_of_an_order_is_refunded_no_credit_is_promised_beside_it() -> None:
    order = await ordered_late()
    await request_order_refund(order["id"], "Ada", refund_id=uuid.uuid4())
    assert await service_credits.give_credits() == 0, "all of it is under way already"
    assert await fetch_value("SELECT count(*) FROM message WHERE kind LIKE 'service_credited%'") == 0
    await follow()
    assert await returned() == order["total_minor"]
    with clock.shifted(3 * DAY):
        assert [row for row in (await list_exceptions()).rows if row.why == "credit_waiting"] == []
    await check_accounts()


@pytest.mark.usefixtures("stripe")
async def test_a_credit_larger_than_what_is_left_gives_what_is_left() -> None:
    order = await ordered_late()
    promised = order["total_minor"] * BASIS_POINTS // 10_000
    left = promised // 3
    await request_order_refund(order["id"], "Ada", refund_id=uuid.uuid4(), amount_minor=order["total_minor"] - left)
    await jobs()
    await follow()
    assert await returned() == order["total_minor"]
    assert await fetch_value("SELECT refund_minor FROM service_credit WHERE asked_at IS NOT NULL") == left
    assert await fetch_value("SELECT state FROM purchase_order") == "refunded"
    with clock.shifted(3 * DAY):
        assert [row for row in (await list_exceptions()).rows if row.why == "credit_waiting"] == []
    await check_accounts()


@pytest.mark.usefixtures("stripe")
async def test_credits_that_wait_keep_no_other_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = (await ordered_late())["id"]
    await request_order_refund(waiting, "Ada", refund_id=uuid.uuid4(), amount_minor=1)
    await execute("UPDATE dataset SET budget_micro = 90000000")
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    await seal_release(rows=203, period=(midnight - 6 * DAY, midnight))
    assert await deliver() == 1
    await jobs()
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE state = 'paid'") == 2
    await request_order_refund(waiting, "Ada", refund_id=uuid.uuid4(), amount_minor=1)
    await execute("UPDATE service_credit SET id = $2 WHERE purchase_order = $1", waiting, uuid.UUID(int=1))
    monkeypatch.setattr(service_credits, "BATCH_SIZE", 1)
    assert await service_credits.give_credits() == 1
    left = await fetch("SELECT purchase_order FROM service_credit WHERE asked_at IS NULL")
    assert [row["purchase_order"] for row in left] == [waiting]


@pytest.mark.parametrize("state", ["ended", "paused"])
@pytest.mark.usefixtures("stripe")
async def test_a_credit_leaves_once_after_its_subscription_and_its_month_have_ended(state: str) -> None:
    order = await ordered_late()
    promised = order["total_minor"] * BASIS_POINTS // 10_000
    await execute("UPDATE subscription SET state = $1, ended_at = CASE $1 WHEN 'ended' THEN now() END", state)
    with clock.shifted(100 * DAY):
        await asyncio.gather(*(asyncio.create_task(service_credits.give_credits()) for _ in range(3)))
        await follow()
        assert await returned() == promised
        assert await fetch_value("SELECT count(*) FROM message WHERE kind LIKE 'service_credited%'") == 1
        await check_accounts()


@pytest.mark.parametrize("paid_part", [0, 3_333, 9_000, 10_000])
@pytest.mark.usefixtures("stripe")
async def test_a_credit_on_an_invoice_is_owed_less_or_back_by_transfer(paid_part: int) -> None:
    """paid_part: what of the invoice the bank brought before, in ten thousandths."""
    order = await ordered_late(pay_by="invoice")
    paid = order["total_minor"] * paid_part // 10_000
    if paid:
        [line] = await banked(paid, words=order["number"])
        await settle_line(line, [("order", order["number"], paid)], await make_staff("Eve"))
    await follow()
    promised = order["total_minor"] * BASIS_POINTS // 10_000
    assert await returned() == promised
    owed = order["total_minor"] - paid - promised
    assert await balance(chart.ON_CREDIT) == owed, "less is owed, or what was paid too much is owed back"
    sale = await fetch_one("SELECT * FROM credit_sale")
    assert sale
    assert (sale["paid_minor"], sale["returned_minor"]) == (paid, promised)
    assert (sale["settled_at"] is not None) == (owed <= 0)
    assert (await get_available(order["partner"])).owed_minor == max(owed, 0)
    assert await list_unequal_accounts() == []
