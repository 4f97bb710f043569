"""Refunds: the whole amount once, while shares are held; nothing is downloaded or earned afterwards."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, NotFound
from marketplace.money.payments.actions import request_payment
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.sales.orders.refunds import record_refunds, request_order_refund
from tests.people.builders import Browser
from tests.sales.builders.shop import counts, jobs, make_buyer, make_quote, make_sale, open_shop, order_of, place_order
from tests.support.reads import fetch, fetch_one, fetch_value

HOLD = dt.timedelta(days=14)


async def balances_of_accounts() -> dict[str, int]:
    rows = await fetch(
        """SELECT account, sum(amount)::bigint AS minor FROM (
               SELECT debit AS account, amount_minor AS amount FROM posting
               UNION ALL SELECT credit, -amount_minor FROM posting) AS side GROUP BY account"""
    )
    return {row["account"]: row["minor"] for row in rows}


async def test_a_refund_before_the_hold_ends_reverses_everything(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
        await mirror_balance()
        entitlement = await fetch_value("SELECT id FROM entitlement")
        path = f"/en/entitlements/{entitlement}/download"
        assert (await browser.get(path)).status_code == 200
        form = uuid.uuid4()
        await execute("UPDATE session SET expires_at = expires_at + $1, last_seen_at = last_seen_at + $1", HOLD)
        with clock.shifted(HOLD - dt.timedelta(hours=1)):
            await asyncio.gather(*(request_order_refund(bought["id"], "Léa", refund_id=form) for _ in range(3)))
            await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4())
            under_way = await browser.get(f"/en/orders/{bought['id']}")
            assert "Refund under way" in under_way.text
            assert "on its way back" in under_way.text
            assert (await browser.get(path)).status_code == 410
            await jobs()
            assert await record_refunds() == 0
            done = await browser.get(f"/en/orders/{bought['id']}")
            assert "was given back" in done.text
            assert "Download as" not in done.text
            refused = await browser.get(path)
            assert refused.status_code == 410
            assert "This order was refunded" in refused.text
            await mirror_balance()
    order = await fetch_one("SELECT * FROM purchase_order")
    assert order
    assert (order["state"], order["refund_requested_by"]) == ("refunded", "Léa")
    assert [refund["amount"] for refund in stripe.list("refunds")] == [bought["total_minor"]]
    books = await balances_of_accounts()
    assert {account: books[account] for account in ("411000", "706000", "445710")} == {
        "411000": 0,
        "706000": 0,
        "445710": 0,
    }


async def test_a_refund_after_the_hold_needs_somebody_to_say_who_bears_the_loss(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
        with clock.shifted(HOLD), pytest.raises(Conflict, match="hold has ended"):
            await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4())
        assert "Download as Parquet" in (await browser.get(f"/en/orders/{bought['id']}")).text
        assert await counts("stripe_command WHERE verb = 'refund'") == (0,)
        assert stripe.list("refunds") == []
        with clock.shifted(HOLD):
            await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4(), bears_loss=True)
            await jobs()
            await jobs()
        assert (await order_of(bought["quote"]))["state"] == "refunded"


async def test_only_paid_orders_are_refunded(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        await place_order(browser, quote)
        with pytest.raises(Conflict, match="not paid"):
            await request_order_refund((await order_of(quote))["id"], "Léa", refund_id=uuid.uuid4())
        with pytest.raises(NotFound):
            await request_order_refund(uuid.uuid4(), "Léa", refund_id=uuid.uuid4())
    assert stripe


async def test_a_refund_that_stripe_refused_may_be_asked_again_even_late(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
    stripe.test("fault", kind="status", status=400, path="/v1/refunds", method="POST", retry=False)
    await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4())
    await run_commands()
    assert await fetch_value("SELECT state FROM stripe_command WHERE verb = 'refund'") == "failed"
    with clock.shifted(HOLD):
        await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4())
        await jobs()
    assert await fetch_value("SELECT state FROM purchase_order") == "refunded"
    assert len(stripe.list("refunds")) == 1


async def test_a_refund_from_stripes_dashboard_is_recorded(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
    intent = await fetch_value("SELECT payment_intent_id FROM payment")
    await asyncio.to_thread(stripe.post, "refunds", payment_intent=intent)
    await jobs()
    assert await fetch_value("SELECT state FROM purchase_order WHERE id = $1", bought["id"]) == "refunded"
    assert await fetch_value("SELECT revoked_at IS NOT NULL FROM entitlement")


async def test_money_that_came_and_went_before_we_looked_is_settled_and_reversed(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        await place_order(browser, quote)
    session = await fetch_value("SELECT session_id FROM payment")
    paid = await asyncio.to_thread(stripe.test, "pay", session=session)
    assert paid
    (charge,) = stripe.list("charges")
    await asyncio.to_thread(stripe.post, "refunds", payment_intent=charge["payment_intent"])
    await jobs()
    assert await fetch_value("SELECT state FROM purchase_order") == "refunded"
    kinds = await fetch("SELECT kind FROM journal_entry ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["refund", "sale"]


async def test_payments_of_others_settle_nothing(stripe: Any) -> None:
    """A payment whose subject is no order of ours is left alone by every job."""
    await request_payment(
        uuid.uuid4(),
        amount_minor=5000,
        lines=[Line("x", 5000)],
        email="a@b.example",
        success_url="http://x.example",
        cancel_url="http://x.example",
        locale="en",
        expires_at=clock.now() + dt.timedelta(hours=1),
    )
    await execute("UPDATE payment SET state = 'paid', paid_at = $1", clock.now())
    await jobs()
    assert await counts("licence", "purchase_order", "journal_entry") == (0, 0, 0)
    assert stripe
