"""Debits in finance's eyes: one under way, one that was not honoured, one that fails after it was paid."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger.chart import DISPUTES, LICENCES_SOLD, LOSSES, PARTNERS, VAT_COLLECTED
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.events import handle_events
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.people.builders import Browser, make_staff, page_text
from tests.sales.builders.shop import check_books_are_whole, jobs, make_first_order, make_first_sale, order_of, pay
from tests.subscribers.builders.sales import close_month
from tests.support.decisions import decide
from tests.support.reads import fetch_one, fetch_value
from tests.support.scenes import sell_named


async def unmatched_after_comparison() -> list[str]:
    """Return what is unmatched once the books were compared with Stripe."""
    await reconcile()
    return sorted(row.why for row in (await list_exceptions()).rows)


async def test_a_debit_under_way_or_not_honoured_is_no_exception(stripe: Any) -> None:
    async with Browser() as browser:
        order, address = await make_first_order(browser)
        await pay(address, "sepa_fails")
        await jobs()
        assert await unmatched_after_comparison() == [], "under way"
        await asyncio.to_thread(stripe.test, "settle")
        await jobs()
        assert (await order_of(order["quote"]))["state"] == "lapsed"
        assert await unmatched_after_comparison() == [], "both movements are the payment's, and make nothing"
        await check_books_are_whole()


@pytest.mark.parametrize("returned", [0, 5_000])
async def test_a_payment_that_fails_after_it_was_made_reverses_everything(stripe: Any, returned: int) -> None:
    """Stripe calls it a dispute; should it ever report a failure instead, licence, shares and paper follow all the same."""
    async with Browser() as browser:
        order = await make_first_sale(browser)
        if returned:
            await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4(), amount_minor=returned)
            await jobs()
        assert await unmatched_after_comparison() == []
        intent = await fetch_value("SELECT payment_intent_id FROM payment")
        await asyncio.to_thread(stripe.test, "fail_charge", payment_intent=intent)
        await jobs()
        await reconcile()
        await jobs()
        row = await order_of(order["quote"])
        assert (row["state"], row["returned_minor"], row["charged_back_minor"]) == (
            "charged_back",
            returned,
            row["total_minor"] - returned,
        )
        assert "Your bank took the payment back" in page_text(await browser.get(f"/en/orders/{order['id']}"))
        ended = await fetch_one("SELECT revoked_at, cancelled_at FROM entitlement JOIN licence ON licence.id = licence")
        assert ended
        assert all(ended)
        assert await balance(LICENCES_SOLD) == await balance(VAT_COLLECTED) == 0
        notes = await fetch_value("SELECT count(*) FROM invoice WHERE kind = 'credit_note'")
        assert notes == (2 if returned else 1)
        assert await unmatched_after_comparison() == (["charge_differs"] if returned else []), (
            "what was refunded is the partner's to give back"
        )
        assert await balance(PARTNERS) == returned


@pytest.mark.parametrize("is_released", [False, True])
async def test_shares_of_a_payment_that_failed_late(stripe: Any, is_released: bool) -> None:  # noqa: FBT001
    order = await sell_named("late")
    assert await fetch_value("SELECT state FROM licence_split") == "held"
    with clock.shifted(dt.timedelta(days=15)):
        if is_released:
            assert await close_month() == 1
        charge = await fetch_value("SELECT charge_id FROM payment WHERE subject = $1", order)
        await asyncio.to_thread(stripe.test, "fail_charge", charge=charge)
        await reconcile()
        assert await close_month() == 0, "nothing is handed out of money that is gone"
        await jobs()
        await cancel_shares()
        await hold_shares()
        assert await fetch_value("SELECT state FROM licence_split") == ("released" if is_released else "cancelled")
        assert (await balance(LOSSES) > 0) == is_released
    assert stripe


@pytest.mark.parametrize("returned", [5_000, None])
async def test_a_dispute_over_more_than_was_left_is_named_and_written_off_by_two(
    stripe: Any, returned: int | None
) -> None:
    """The bank takes the whole charge though a part, or all of it, had been refunded: the rest is finance's to settle."""
    async with Browser() as browser:
        order = await make_first_sale(browser)
        returned_minor = returned or order["total_minor"]
        await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4(), amount_minor=returned)
        await jobs()
        intent = await fetch_value("SELECT payment_intent_id FROM payment")
        dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
        await jobs()
        assert await unmatched_after_comparison() == ["dispute_open"]
        await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=False)
        await jobs()
        await jobs()
        assert await unmatched_after_comparison() == ["dispute_differs"]
        [found] = (await list_exceptions()).rows
        assert found.amount_minor == -returned_minor
        assert await balance(DISPUTES) == returned_minor
        ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
        await propose_write_off("dispute_differs", found.subject, ada, reason="The partner does not pay.", form_id=form)
        await decide(form, bob, approve=True)
        assert await unmatched_after_comparison() == []
        assert (await balance(DISPUTES), await balance(LOSSES)) == (0, returned_minor)


@pytest.mark.parametrize("how", ["failure", "refund"])
async def test_who_may_read_or_reads_after_the_money_went_is_named(stripe: Any, how: str) -> None:
    """The money goes at Stripe; until the jobs hear of it the partner may read, and does."""
    order = await sell_named("late")
    payment = await fetch_one("SELECT charge_id, payment_intent_id FROM payment WHERE subject = $1", order)
    assert payment
    if how == "failure":
        await asyncio.to_thread(stripe.test, "fail_charge", charge=payment["charge_id"])
    else:
        await asyncio.to_thread(stripe.post, "refunds", payment_intent=payment["payment_intent_id"])
    assert (
        await unmatched_after_comparison()
        == {
            "failure": ["sale_without_charge"],
            "refund": ["entitlement_without_money", "refund_without_entry"],
        }[how]
    )
    await execute(
        "INSERT INTO download (id, entitlement, format, byte_count, at) SELECT $1, id, 'csv', 1, $2 FROM entitlement",
        uuid.uuid4(),
        clock.now(),
    )
    await handle_events()
    await jobs()
    await cancel_shares()
    assert await unmatched_after_comparison() == ["download_without_money"]
    [found] = (await list_exceptions()).rows
    assert (found.subject, found.detail) == (str(order), "1")
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    await propose_write_off("download_without_money", str(order), ada, reason="They deleted it.", form_id=form)
    await decide(form, bob, approve=True)
    assert await unmatched_after_comparison() == []


async def test_money_that_is_kept_after_the_licence_ended_is_named_after_a_week(stripe: Any) -> None:
    order = await sell_named("kept")
    await request_order_refund(order, "Léa", refund_id=uuid.uuid4())
    await execute("UPDATE stripe_command SET state = 'failed', error = 'No.' WHERE verb = 'refund'")
    for days, named in ((6, ["command_failed"]), (8, ["command_failed", "money_without_entitlement"])):
        with clock.shifted(dt.timedelta(days=days)):
            assert sorted(row.why for row in (await list_exceptions()).rows) == named
    assert stripe


async def test_a_refund_that_came_back_ages_from_the_day_it_did(stripe: Any) -> None:
    """Reading the payment again makes nothing younger: the queue is sorted by age, and a close looks at the day."""
    order = await sell_named("returned")
    await request_order_refund(order, "Léa", refund_id=uuid.uuid4())
    await jobs()
    [refund] = stripe.list("refunds")
    await asyncio.to_thread(stripe.test, "fail_refund", refund=refund["id"])
    await handle_events()
    await jobs()
    await cancel_shares()
    assert "refund_failed" in await unmatched_after_comparison()
    came_back = await fetch_value("SELECT created_at FROM balance_transaction WHERE category = 'refund_failure'")
    with clock.shifted(dt.timedelta(days=40)):
        await execute("UPDATE payment SET read_at = $1", clock.now())
        [found] = (await list_exceptions(why="refund_failed")).rows
        assert found.at == came_back
