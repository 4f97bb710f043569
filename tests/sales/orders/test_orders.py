"""Orders over HTTP: from a quote through Stripe's page to an entitlement, and everything that may come in between."""

import asyncio
import datetime as dt
import uuid
from typing import Any

from marketplace.catalogue.offers.actions import withdraw_offer
from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.money.payments.events import handle_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.settling import lapse_unpaid, settle_paid
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.shop import counts, jobs, make_buyer, make_quote, open_shop, order_of, pay, place_order
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.waiting import until

MINUTE = dt.timedelta(minutes=1)


async def test_a_quote_becomes_a_paid_order_by_webhook(site: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with site(), Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert "No orders yet" in (await browser.get("/en/orders")).text
        quote = await make_quote(partner, release)
        answer = await place_order(browser, quote)
        assert answer.status_code == 303
        row = await order_of(quote)
        assert answer.headers["location"] == await fetch_value(
            "SELECT checkout_url FROM payment WHERE subject = $1", row["id"]
        )
        shown = page_text(await browser.get(f"/en/orders/{row['id']}"))
        assert "Waiting for payment" in shown
        assert "Pay €" in shown
        returned = await pay(answer.headers["location"])
        assert returned.headers["location"].endswith(f"/en/orders/{row['id']}?returned=1")
        heard = "SELECT count(*) FROM stripe_event WHERE type = 'checkout.session.completed'"
        await until(lambda: fetch_value(heard))
        await handle_events()
        assert await settle_paid() == 1
        page = await browser.get(f"/en/orders/{row['id']}")
        shown = page_text(page)
        assert "Download as Parquet" in shown
        assert "French VAT: your company is established in France." in shown
        entitlement = await fetch_one("SELECT * FROM entitlement")
        assert entitlement
        assert f"/en/entitlements/{entitlement['id']}/download?format=csv" in page.text
        assert row["number"] in (await browser.get("/fr/orders")).text
    bought = await order_of(quote)
    assert bought["vat_minor"] == (bought["net_minor"] * 2 + 5) // 10
    postings = await fetch(
        """SELECT debit, credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = entry
           WHERE kind = 'sale' ORDER BY credit"""
    )
    assert postings == [("411000", "445710", bought["vat_minor"]), ("411000", "706000", bought["net_minor"])]
    assert entitlement["starts_at"] == bought["paid_at"]
    assert entitlement["ends_at"].year == bought["paid_at"].year + 1


async def test_clicks_at_once_are_one_order(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    quote, form = await make_quote(partner, release), uuid.uuid4()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        twice = await asyncio.gather(*(place_order(browser, quote, form) for _ in range(4)))
        again = await asyncio.gather(*(place_order(browser, quote) for _ in range(4)))
        assert {answer.status_code for answer in twice + again} == {303}
        assert (await order_of(quote))["id"] == form
        assert len({answer.headers["location"] for answer in again}) == 1
    assert await counts("purchase_order", "payment", "quote_acceptance", "stripe_command") == (1, 1, 1, 2)
    assert len(stripe.list("checkout/sessions")) == len(stripe.list("customers")) == 1


async def test_orders_at_once_are_numbered_without_gaps(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    quotes = [await make_quote(partner, release) for _ in range(6)]
    how = {"by": await spender_for(partner), "email": "a@b.example", "reason": "One for each of our shops."}
    await asyncio.gather(*(order(partner, quote, order_id=uuid.uuid4(), **how) for quote in quotes))
    numbers = [row["number"] for row in await fetch("SELECT number FROM purchase_order ORDER BY number")]
    assert numbers == [f"P-{paris_day(clock.now()).year}-{n:06d}" for n in range(1, 7)]
    assert stripe


async def test_an_expired_quote_buys_nothing_and_an_ordered_one_stays_ordered(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    late, early = await make_quote(partner, release), await make_quote(partner, release)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        first = await place_order(browser, early)
        with clock.shifted(16 * MINUTE):
            refused = await place_order(browser, late)
            assert refused.status_code == 410
            assert "This quote has expired" in refused.text
            assert (await place_order(browser, early)).headers["location"] == first.headers["location"]
        await withdraw_offer("lyon")
        assert (await place_order(browser, late)).status_code == 409
    assert await counts("purchase_order", "payment", "quote_acceptance") == (1, 1, 1)
    assert stripe


async def test_what_is_anothers_does_not_exist(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    stranger = await make_buyer("rival")
    await make_buyer("newcomer", vetted=False)
    quote = await make_quote(partner, release)
    async with Browser() as browser:
        gone = await browser.get("/en/orders")
        assert gone.status_code == 303
        assert "/en/sign-in" in gone.headers["location"]
        await browser.sign_in("atelier@partner.example")
        await place_order(browser, quote)
    mine = (await order_of(quote))["id"]
    async with Browser() as rival:
        await rival.sign_in("rival@partner.example")
        assert (await place_order(rival, quote)).status_code == 404
        assert (await rival.get(f"/en/orders/{mine}")).status_code == 404
        assert (await rival.get(f"/en/orders/{mine}?returned=1")).status_code == 404
        assert (await rival.submit(f"/en/orders/{mine}/pay", {})).status_code == 404
        assert (await rival.get(f"/en/orders/{uuid.uuid4()}")).status_code == 404
        assert "P-" not in page_text(await rival.get("/en/orders"))
        refused = await place_order(rival, await make_quote(stranger, release), mine)
        assert refused.status_code == 409
        assert "already exists" in refused.text
        assert (await rival.submit(f"/en/quotes/{quote}/orders", {}, form_id="nonsense")).status_code == 400
    async with Browser() as newcomer:
        await newcomer.sign_in("newcomer@partner.example")
        assert (await place_order(newcomer, quote)).status_code == 403
        assert (await newcomer.get("/en/orders")).status_code == 200
    assert await counts("purchase_order", "payment") == (1, 1)
    assert stripe


async def test_webhooks_twice_and_shuffled_settle_once(stripe: Any, site: Any) -> None:
    stripe.test("fault", kind="webhooks", duplicate=True, shuffle=True)
    release = await open_shop()
    partner = await make_buyer()
    async with site(), Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        for _ in range(2):
            await pay((await place_order(browser, await make_quote(partner, release))).headers["location"])
        heard = "SELECT count(*) >= $1 FROM stripe_event"
        await until(lambda: fetch_value(heard, len(stripe.list("events"))))
        await asyncio.gather(handle_events(), handle_events())
        assert sum(await asyncio.gather(settle_paid(), settle_paid(), settle_paid())) == 2
        assert await settle_paid() == 0
    assert await counts("licence", "entitlement", "journal_entry WHERE kind = 'sale'") == (2, 2, 2)


async def test_paying_twice_pays_once(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        address = (await place_order(browser, quote)).headers["location"]
        order_id = (await order_of(quote))["id"]
        once_more = await browser.submit(f"/en/orders/{order_id}/pay", {})
        assert once_more.headers["location"] == address
        await asyncio.gather(pay(address), pay(address), pay(address))
        await jobs()
        paid = await browser.submit(f"/en/orders/{order_id}/pay", {})
        assert paid.headers["location"] == f"/en/orders/{order_id}"
        assert (await place_order(browser, quote)).headers["location"] == f"/en/orders/{order_id}"
    assert len(stripe.list("charges")) == 1
    assert await counts("licence", "stripe_command") == (1, 2), "a customer and a page"


async def test_stripe_silent_at_the_click_is_asked_again(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        stripe.test("fault", kind="drop_after", path="/v1/checkout/sessions", method="POST")
        quote = await make_quote(partner, release)
        silent = await place_order(browser, quote)
        order_id = (await order_of(quote))["id"]
        assert silent.headers["location"] == f"/en/orders/{order_id}"
        assert "Pay €" in page_text(await browser.get(f"/en/orders/{order_id}"))
        with clock.shifted(3 * MINUTE):
            answer = await browser.submit(f"/en/orders/{order_id}/pay", {})
        assert answer.headers["location"].startswith(stripe.url)
    assert len(stripe.list("checkout/sessions")) == 1


async def test_unpaid_orders_lapse_and_money_that_still_comes_counts(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quotes = [await make_quote(partner, release) for _ in range(2)]
        addresses = [(await place_order(browser, quote)).headers["location"] for quote in quotes]
        late, never = [(await order_of(quote))["id"] for quote in quotes]
        with clock.shifted(44 * MINUTE):
            assert await lapse_unpaid() == 0
        with clock.shifted(46 * MINUTE):
            assert await lapse_unpaid() == 2
            assert await lapse_unpaid() == 0
            page = await browser.get(f"/en/orders/{late}")
            assert "has lapsed; nothing is owed" in page.text
            assert (await browser.submit(f"/en/orders/{late}/pay", {})).status_code == 410
            await pay(addresses[0])  # Stripe's page was still open: nobody had closed it yet.
            await run_commands()
            assert (await pay(addresses[1])).status_code != 303
            await jobs()
            assert "Download as Parquet" in (await browser.get(f"/en/orders/{late}")).text
            assert "has lapsed" in (await browser.get(f"/en/orders/{never}")).text
    states = await fetch("SELECT id, state FROM purchase_order")
    assert {row["id"]: row["state"] for row in states} == {late: "paid", never: "lapsed"}
    assert await counts("licence", "journal_entry WHERE kind = 'sale'") == (1, 1)
    assert len(stripe.list("charges")) == 1


async def test_a_payment_that_stripe_refuses_to_open_lapses(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        stripe.test("fault", kind="status", status=400, path="/v1/checkout/sessions", method="POST", retry=False)
        answer = await place_order(browser, quote)
        order_id = (await order_of(quote))["id"]
        assert answer.headers["location"] == f"/en/orders/{order_id}"
        assert "The payment page is closed and nothing was paid" in (await browser.get(f"/en/orders/{order_id}")).text
        assert await lapse_unpaid() == 1
