"""From a price to a sale: money that equals the books' to the cent."""

import datetime as dt
import re
import uuid

import html5lib
import numpy as np
import pytest
from msgspec import structs

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.business_queries import PricedRow, Prospect, RevenueRow
from marketplace.finance.bookkeeping.business_rules import sales_ahead
from marketplace.finance.bookkeeping.funnel_pages import steps_of
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.subscriptions.actions import deliver, subscribe
from tests.people.builders import PASSWORD, Browser, add_staff, page_text, spender_for
from tests.sales.builders.shop import jobs, make_buyer, make_quote, make_sale, open_shop, pay, seal_release
from tests.support.reads import fetch_value

DAY = dt.timedelta(days=1)


@pytest.mark.usefixtures("stripe")
async def test_a_price_and_a_sale_are_counted() -> None:
    release = await open_shop()
    buyer, rival = await make_buyer(), await make_buyer("rival")
    for role in ("steward", "finance"):
        await add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
    async with Browser() as atelier, Browser() as staff, Browser() as nora:
        for browser, email in (
            (atelier, "atelier@partner.example"),
            (staff, "steward@partage.example"),
            (nora, "finance@partage.example"),
        ):
            await browser.sign_in(email)
        assert "Nothing yet" in page_text(await staff.get("/en/staff/funnel"))
        await make_quote(rival, release)
        order = await make_sale(atelier, buyer, release)
        for browser in (staff, nora):
            shown = await browser.get("/en/staff/funnel")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            [row] = re.findall(r"<a href=[^>]*>Lyon</a></span>(.*?)</tr>", shown.text, re.DOTALL)
            assert re.findall(r">([^<]+)</td>", row)[:2] == ["2", "1"]
            assert f"€{order['net_minor'] / 100:,.2f}" in row
        assert -await balance(chart.LICENCES_SOLD) == order["net_minor"], "equal to the ledger's to the cent"
        assert "Du prix à la vente" in page_text(await nora.get("/fr/staff/funnel"))
        assert (await atelier.get("/en/staff/funnel")).status_code == 403


@pytest.mark.usefixtures("stripe")
async def test_the_money_of_every_way_to_sell_is_the_books_to_the_cent() -> None:
    """Sales, one by subscription, one of several, one partly refunded: each row and the total are the account's."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    await open_shop(period=(end - 7 * DAY, end))
    await execute("UPDATE dataset SET budget_micro = 90000000, cadence = 'week'")
    weeks = [await seal_release(period=(end - (n + 1) * 7 * DAY, end - n * 7 * DAY)) for n in (1, 2, 3)]
    buyer = await make_buyer()
    await change_billing(buyer, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as atelier, Browser() as staff:
        await atelier.sign_in("atelier@partner.example")
        await staff.sign_in("steward@partage.example")
        saved = str(uuid.uuid4())
        answer = await atelier.submit("/en/payment-method", {"back": "/basket"}, form_id=saved)
        await pay(answer.headers["location"])
        await atelier.get(f"/en/payment-method?saved={saved}&back=/basket")
        sold = await make_sale(atelier, buyer, weeks[2])
        await subscribe(buyer, "lyon", by=await spender_for(buyer), releases=4, subscription=uuid.uuid4())
        await execute("UPDATE subscription SET after = after - interval '1 day'")
        await deliver()
        total = (await baskets.read_basket(weeks[:2])).total_minor
        await baskets.order(buyer, weeks[:2], by=await spender_for(buyer), total_minor=total, basket=uuid.uuid4())
        await jobs()
        await request_order_refund(sold["id"], "Nora", refund_id=uuid.uuid4(), amount_minor=4_321)
        await jobs()
        await mirror_balance()
        await reconcile()
        books = -await balance(chart.LICENCES_SOLD)
        assert 0 < books < sold["net_minor"] + total + await fetch_value("SELECT max(net_minor) FROM purchase_order")
        shown = page_text(await staff.get("/en/staff/funnel"))
        [row] = re.findall(r"Lyon (\d+) (\d+) €([\d,.]+)", shown)
        assert (int(row[1]), row[2]) == (3, f"{books / 100:,.2f}"), "each sale, and the money of the account"
        assert re.findall(r"Total (?:\d+ ){2}€([\d,.]+)", shown) == [f"{books / 100:,.2f}"]
        assert "Other entries" not in shown
        first = paris_day(clock.now()) - 29 * DAY
        html = (await staff.get(f"/en/staff/funnel?since={first}")).text
        assert html.count('type="date"') == 2
        assert re.search(rf'since={first}[^"]*"\s+aria-current="true">30 days</a>', html), (
            "the span that is shown is marked"
        )
        assert (await staff.get("/en/staff/funnel?until=0001-01-02")).status_code == 422


def test_steps_are_those_somebody_made_and_the_most_money_first() -> None:
    priced = [PricedRow(code, code, code, quoted) for code, quoted in (("a", 9), ("b", 1), ("c", 0), ("d", 0))]
    revenue = [RevenueRow("d", "", "", 2, 500, 100), RevenueRow("b", "", "", 1, 700, 140)]
    prospects = {"d": Prospect("d", dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 3, 900)}
    days = dt.date(2026, 1, 1), dt.date(2026, 3, 30)
    steps = steps_of(priced, revenue, prospects, days)
    assert [(row.code, row.bought, row.net_minor) for row in steps] == [("b", 1, 700), ("d", 2, 500), ("a", 0, 0)]
    assert steps[1].ahead
    low, high = steps[1].ahead
    assert (low, high) == sales_ahead(2, 30), "of the days on which there was something to sell"
    assert steps[1].ahead_minor == (250 * low, 250 * high)
    assert (steps[1].due_releases, steps[1].due_minor) == (3, 900)
    assert steps[0].ahead is None, "nothing of it was published"
    assert steps[0].ahead_minor == (0, 0)
    later = {"d": structs.replace(prospects["d"], sold_since=dt.datetime(2026, 3, 2, tzinfo=dt.UTC))}
    assert steps_of(priced, revenue, later, days)[1].ahead is None, "a day too new"


def test_four_in_five_forecasts_hold() -> None:
    """Rates drawn from the prior's neighbourhood, counts from Poisson's law: of 4,000, at least 78 % are within."""
    rng = np.random.default_rng(7)
    within = 0
    for _ in range(4_000):
        rate = rng.gamma(2, 3) / 90
        low, high = sales_ahead(int(rng.poisson(rate * 90)), 90)
        within += low <= rng.poisson(rate * 30) <= high
    assert within / 4_000 > 0.78
    assert sales_ahead(0, 30) == (0, 2)
    assert sales_ahead(20_000, 365)[0] > 1_500, "large counts are computed in logarithms"
