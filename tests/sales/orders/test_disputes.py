"""Money that takes days to come, and money that goes back: over HTTP, with Stripe's events."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.money.ledger.chart import LICENCES_SOLD, PARTNERS, VAT_COLLECTED
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.orders.refunds import request_order_refund
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import (
    check_books_are_whole,
    jobs,
    make_first_order,
    make_first_sale,
    order_of,
    pay,
    send_transfer,
)
from tests.support.reads import fetch, fetch_one, fetch_value

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


async def test_a_debit_is_waited_for_and_granted_once_it_is_paid(stripe: Any) -> None:
    async with Browser() as browser:
        order, address = await make_first_order(browser, net=20_000)
        shown = page_text(await browser.get(f"/en/orders/{order['id']}"))
        assert "SEPA direct debit" in shown
        assert "Bank transfer" not in shown, "a small order"
        await pay(address, "sepa")
        await jobs()
        shown = page_text(await browser.get(f"/en/orders/{order['id']}?returned=1"))
        assert "Payment on its way" in shown
        assert "five working days" in shown
        with clock.shifted(3 * HOUR):
            await jobs()
        assert (await order_of(order["quote"]))["state"] == "awaiting_payment", "a debit under way is waited for"
        assert await fetch_value("SELECT count(*) FROM licence") == 0
        await asyncio.to_thread(stripe.test, "settle")
        await jobs()
        assert "Download as Parquet" in page_text(await browser.get(f"/en/orders/{order['id']}"))
        await check_books_are_whole()


async def test_a_debit_that_is_not_honoured_grants_nothing(stripe: Any) -> None:
    async with Browser() as browser:
        order, address = await make_first_order(browser)
        await pay(address, "sepa_fails")
        await jobs()
        await asyncio.to_thread(stripe.test, "settle")
        await jobs()
        assert (await order_of(order["quote"]))["state"] == "lapsed"
        assert await fetch_value("SELECT count(*) FROM licence") == 0
        await check_books_are_whole()


@pytest.mark.parametrize("comes", [True, False])
async def test_a_large_order_may_be_paid_by_bank_transfer(stripe: Any, comes: bool) -> None:  # noqa: FBT001
    async with Browser() as browser:
        order, address = await make_first_order(browser, net=100_000)
        path = f"/en/orders/{order['id']}"
        assert "two weeks to send it" in page_text(await browser.get(path))
        await pay(address, "transfer")
        await jobs()
        page = page_text(await browser.get(f"{path}?returned=1"))
        transfer = (await stripe_intent(stripe))["next_action"]["display_bank_transfer_instructions"]
        assert transfer["reference"] in page
        assert transfer["financial_addresses"][0]["iban"]["iban"] in page
        customer = await fetch_value("SELECT customer_id FROM payer")
        await asyncio.to_thread(send_transfer, stripe, customer, 20_000, transfer["reference"])
        await jobs()
        page = page_text(await browser.get(path))
        assert "€1,000.00" in page, "1,200.00 with VAT, less what has arrived"
        with clock.shifted(13 * DAY):
            await jobs()
            assert (await order_of(order["quote"]))["state"] == "awaiting_payment"
        if comes:
            await asyncio.to_thread(send_transfer, stripe, customer, 100_000, transfer["reference"])
            await jobs()
            assert (await order_of(order["quote"]))["state"] == "paid"
            assert "Download as Parquet" in page_text(await browser.get(path))
            await check_books_are_whole()
            return
        with clock.shifted(14 * DAY):
            await jobs()
            await jobs()
        assert (await order_of(order["quote"]))["state"] == "lapsed"
        assert (await stripe_intent(stripe))["status"] == "canceled", "nobody can pay what has lapsed"


async def stripe_intent(stripe: Any) -> dict[str, Any]:
    (intent,) = await asyncio.to_thread(stripe.list, "payment_intents")
    return dict(intent)


@pytest.mark.parametrize("parts", [[1], [4_000, 1, 8_000], [1_234, None]])
async def test_refunds_of_a_part_leave_the_licence_until_all_is_gone(stripe: Any, parts: list[int | None]) -> None:
    async with Browser() as browser:
        order = await make_first_sale(browser)
        total, refunded = order["total_minor"], 0
        for amount in parts:
            form = uuid.uuid4()
            for _ in range(2):
                await request_order_refund(order["id"], "Léa", refund_id=form, amount_minor=amount)
            with pytest.raises(Conflict):
                await request_order_refund(order["id"], "Léa", refund_id=form, amount_minor=(amount or 0) + 1)
            await jobs()
            await jobs()
            refunded += amount or total - refunded
            row = await order_of(order["quote"])
            assert (row["returned_minor"], row["state"]) == (refunded, "refunded" if refunded == total else "paid")
            shown = page_text(await browser.get(f"/en/orders/{order['id']}"))
            assert ("Download as" in shown) == (refunded < total)
            assert await fetch_value("SELECT contested_at FROM licence") is None
        assert sum(r["amount"] for r in await asyncio.to_thread(stripe.list, "refunds")) == refunded
        assert -await balance(LICENCES_SOLD) - await balance(VAT_COLLECTED) == total - refunded
        assert -await balance(LICENCES_SOLD) == order["net_minor"] - refunded * order["net_minor"] // total
        assert await fetch_value("SELECT count(*) FROM invoice WHERE kind = 'credit_note'") == len(parts)
        for absurd in (0, -1, total - refunded + 1):
            if refunded < total:
                with pytest.raises(Invalid):
                    await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4(), amount_minor=absurd)
        await check_books_are_whole()


async def test_a_refund_its_bank_returned_is_sent_again(stripe: Any) -> None:
    async with Browser() as browser:
        order = await make_first_sale(browser)
        await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4())
        await jobs()
        (refund,) = await asyncio.to_thread(stripe.list, "refunds")
        await asyncio.to_thread(stripe.test, "fail_refund", refund=refund["id"])
        await jobs()
        await mirror_balance()
        assert await balance(PARTNERS) == -order["total_minor"], "the partner is still owed"
        await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4())
        await jobs()
        assert await fetch_value("SELECT count(*) FROM order_return") == 1, "one decision in the books, sent twice"
        await check_books_are_whole()


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_suspends_until_it_is_decided(stripe: Any, won: bool) -> None:  # noqa: FBT001
    async with Browser() as browser:
        order = await make_first_sale(browser)
        entitlement = await fetch_value("SELECT id FROM entitlement")
        data = f"/en/entitlements/{entitlement}/download?format=parquet"
        intent = await fetch_value("SELECT payment_intent_id FROM payment")
        dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
        await jobs()
        await jobs()
        assert "Payment disputed" in page_text(await browser.get(f"/en/orders/{order['id']}"))
        assert (await browser.get(data)).status_code == 409
        with pytest.raises(Conflict, match="disputed"):
            await request_order_refund(order["id"], "Léa", refund_id=uuid.uuid4())
        await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=won)
        for _ in range(3):
            await jobs()
        row = await order_of(order["quote"])
        shown = page_text(await browser.get(f"/en/orders/{order['id']}"))
        if won:
            assert (row["state"], row["charged_back_minor"]) == ("paid", 0)
            assert (await browser.get(data)).status_code == 200
            assert -await balance(LICENCES_SOLD) == order["net_minor"]
        else:
            assert (row["state"], row["charged_back_minor"]) == ("charged_back", row["total_minor"])
            assert "Your bank took the payment back" in shown
            assert (await browser.get(data)).status_code == 410
            assert await balance(LICENCES_SOLD) == await balance(VAT_COLLECTED) == 0
            assert await fetch_value("SELECT count(*) FROM invoice WHERE kind = 'credit_note'") == 1
        await check_books_are_whole()


async def test_a_part_disputed_and_lost_ends_the_licence_and_its_part_of_the_money(stripe: Any) -> None:
    async with Browser() as browser:
        order = await make_first_sale(browser)
        intent = await fetch_value("SELECT payment_intent_id FROM payment")
        dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent, amount=3_000)
        await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=False)
        await jobs()
        await jobs()
        row = await order_of(order["quote"])
        assert (row["state"], row["charged_back_minor"]) == ("paid", 3_000)
        after = await fetch_one("SELECT revoked_at, cancelled_at FROM entitlement JOIN licence ON licence.id = licence")
        assert after
        assert after["revoked_at"]
        assert after["cancelled_at"] is None
        assert "took a part of the payment back" in page_text(await browser.get(f"/en/orders/{order['id']}"))
        await check_books_are_whole()


async def test_a_debit_reversed_after_it_was_granted_ends_everything(stripe: Any) -> None:
    """Weeks later a payer's bank takes a debit back: Stripe reports it as a dispute that is lost at once."""
    async with Browser() as browser:
        order, address = await make_first_order(browser)
        await pay(address, "sepa")
        await asyncio.to_thread(stripe.test, "settle")
        await jobs()
        await jobs()
        assert (await order_of(order["quote"]))["state"] == "paid"
        await asyncio.to_thread(stripe.test, "dispute", payment_intent=(await stripe_intent(stripe))["id"])
        await jobs()
        await jobs()
        assert (await order_of(order["quote"]))["state"] == "charged_back"
        assert await fetch_value("SELECT revoked_at IS NOT NULL FROM entitlement")
        await check_books_are_whole()


async def test_disputes_reported_twice_late_and_out_of_order_end_the_same(stripe: Any) -> None:
    async with Browser() as browser:
        order = await make_first_sale(browser)
    intent = await fetch_value("SELECT payment_intent_id FROM payment")
    dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
    await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=True)
    for _ in range(2):
        await jobs()
        await execute("UPDATE stripe_event SET handled_at = NULL, received_at = now() - random() * interval '1 day'")
    await jobs()
    assert await fetch("SELECT state FROM dispute") == [("won",)]
    assert (await order_of(order["quote"]))["state"] == "paid"
    assert await fetch_value("SELECT suspended_at IS NULL AND revoked_at IS NULL FROM entitlement")
    await check_books_are_whole()
