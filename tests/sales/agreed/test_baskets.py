"""A basket over HTTP: several releases at once, each at its price and a sale of its own in the books."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import html5lib
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger.periods import month_of
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.agreed import basket_actions
from marketplace.sales.orders.invoices import change_billing
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.shop import jobs, make_buyer, make_payer, open_shop, pay, seal_release
from tests.support.reads import ORDERED, fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)


async def test_several_releases_are_ordered_at_once_each_at_its_price(stripe: Any) -> None:
    del stripe
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    releases = [first] + [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2, 3)]
    partner = await make_buyer()
    path = "/en/basket?dataset=lyon" + "".join(f"&release={release}" for release in releases)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert "/basket?dataset=lyon" in (await browser.get("/en/datasets/lyon")).text
        assert "is empty" in page_text(await browser.get("/en/basket"))
        assert (await browser.get("/en/basket?release=odd")).status_code == 422
        lines = await basket_actions.read_lines(releases)
        posted = await catalogue.prices_now([line.release for line in lines], now=clock.now())
        total = sum(priced.amount_minor for priced in posted.values())
        under = {"terms": ",".join(line.terms for line in lines)}
        written = {"releases": ",".join(str(release) for release in releases), "total": str(total)} | under
        assert "Address of your invoices" in page_text(await browser.get(path))
        assert "Save a card" in page_text(await browser.submit("/en/basket/orders", written))
        saved = str(uuid.uuid4())
        answer = await browser.submit("/en/payment-method", {"back": "/basket"}, form_id=saved)
        await pay(answer.headers["location"])
        await browser.get(f"/en/payment-method?saved={saved}&back=/basket")
        assert "Write first" in page_text(await browser.submit("/en/basket/orders", written))
        address = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon", "reference": ""}
        await browser.submit("/en/billing", address)
        for language in ("fr", "en"):
            page = await browser.get(path.replace("/en/", f"/{language}/"))
            html5lib.HTMLParser(strict=True).parse(page.text)
        assert f"€{total / 100:,.2f}" in page_text(page)
        assert "Invoice to: Atelier, 1 rue Longue, 69001 Lyon." in page_text(page)
        changed = await browser.submit("/en/basket/orders", written | {"total": "1"})
        assert (changed.status_code, "price has changed" in page_text(changed)) == (409, True)
        changed = await browser.submit("/en/basket/orders", written | {"terms": "short-1"})
        assert (changed.status_code, "licence has changed" in page_text(changed)) == (409, True)
        for odd in ({"releases": "", "total": "0"}, {"total": "9" * 5_000}):
            assert (await browser.submit("/en/basket/orders", written | odd)).status_code == 409
        form = str(uuid.uuid4())
        for _ in range(2):
            ordered = await browser.submit("/en/basket/orders", written, form_id=form)
            assert ordered.headers["location"] == "/en/orders"
        await jobs()
        rows = await fetch(f"SELECT release, net_minor, state FROM {ORDERED}")
        paid = {release: priced.amount_minor for release, priced in posted.items()}
        assert {row["release"]: row["net_minor"] for row in rows} == paid
        assert {row["state"] for row in rows} == {"paid"}
        again = await browser.submit("/en/basket/orders", written)
        assert "You have this release until" in page_text(again)
    await mirror_balance()
    await reconcile()
    sold = await fetch_value(
        "SELECT sum(amount_minor) FROM posting JOIN journal_entry ON journal_entry.id = entry WHERE kind = 'sale' AND credit = '706000'"
    )
    assert sold == total
    assert await fetch_value("SELECT count(*) FROM licence") == 4
    with pytest.raises(Invalid, match="at once"):
        await basket_actions.read_lines([uuid.uuid4() for _ in range(basket_actions.LARGEST + 1)])
    with pytest.raises(Conflict, match="Nothing"):
        await basket_actions.order(
            partner, [uuid.uuid4()], by=await spender_for(partner), total_minor=1, basket=uuid.uuid4()
        )


async def test_a_basket_of_one_year_that_is_paid_in_the_next_is_sold_in_the_next(stripe: Any) -> None:
    """Ordered half an hour before midnight in Paris, paid half an hour after it, when it is still the old year in UTC."""
    del stripe
    partner, midnight = await make_buyer(), dt.datetime(paris_day(clock.now()).year + 1, 1, 1, tzinfo=PARIS)
    half, fields = dt.timedelta(minutes=30), {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon"}
    await change_billing(partner, **fields, reference="")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        saved = str(uuid.uuid4())
        answer = await browser.submit("/en/payment-method", {"back": "/basket"}, form_id=saved)
        await pay(answer.headers["location"])
        await browser.get(f"/en/payment-method?saved={saved}&back=/basket")
    with clock.started_at(midnight - half):
        end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
        releases = [await open_shop(period=(end - WEEK, end)), await seal_release(period=(end - 2 * WEEK, end - WEEK))]
        lines = await basket_actions.read_lines(releases)
        total = sum(line.amount_minor for line in lines)
        async with Browser() as browser:
            await browser.sign_in("atelier@partner.example")
            written = {"releases": ",".join(map(str, releases)), "total": str(total)}
            written |= {"terms": ",".join(line.terms for line in lines)}
            assert (await browser.submit("/en/basket/orders", written)).status_code == 303
    with clock.started_at(midnight + half):
        assert clock.now().year == midnight.year - 1, "in UTC it is the old year"
        await jobs()
        await sum_revenue()
    year = midnight.year
    orders = await fetch(
        "SELECT number, state, vat_basis_points, vat_minor, net_minor FROM purchase_order ORDER BY number"
    )
    assert [(row["number"], row["state"]) for row in orders] == [(f"P-{year - 1}-00000{n}", "paid") for n in (1, 2)]
    assert sum(row["net_minor"] for row in orders) == total, "at the prices that were agreed"
    assert all(row["vat_minor"] * 5 == pytest.approx(row["net_minor"], abs=5) for row in orders)
    invoices = await fetch("SELECT number, document FROM invoice ORDER BY number")
    assert [row["number"] for row in invoices] == [f"F-{year}-00000{n}" for n in (1, 2)]
    for row in invoices:
        document = json.loads(row["document"])
        assert (document["issued_on"], document["delivered_on"]) == (f"{year}-01-01", f"{year}-01-01")
    sold = await fetch("SELECT at FROM journal_entry WHERE kind = 'sale'")
    assert {month_of(row["at"]) for row in sold} == {dt.date(year, 1, 1)}
    days = await fetch("SELECT DISTINCT day, sum(net_minor) AS net FROM revenue_sum WHERE side = 'way' GROUP BY day")
    assert [(row["day"], row["net"]) for row in days] == [(dt.date(year, 1, 1), total)]
    licences = await fetch("SELECT sold_at, hold_until, net_minor FROM licence")
    assert {(month_of(row["sold_at"]), row["hold_until"] - row["sold_at"]) for row in licences} == {
        (dt.date(year, 1, 1), 14 * DAY)
    }
    assert sorted(row["net_minor"] for row in licences) == sorted(line.amount_minor for line in lines)
    ends = await fetch("SELECT starts_at, ends_at FROM entitlement")
    assert {(paris_day(row["starts_at"]), paris_day(row["ends_at"])) for row in ends} == {
        (dt.date(year, 1, 1), dt.date(year + 1, 1, 1))
    }


@pytest.mark.parametrize("months", [0, 24])
async def test_a_basket_is_ordered_at_the_length_that_is_wanted(months: int) -> None:
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    weeks = [first] + [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2, 3)]
    partner, lines = await make_payer(), await basket_actions.read_lines(weeks, months)
    total = sum(line.amount_minor for line in lines)
    await basket_actions.order(
        partner, weeks, by=await spender_for(partner), total_minor=total, basket=uuid.uuid4(), months=months
    )
    sold = await fetch(f"SELECT DISTINCT months FROM {ORDERED}")
    assert sold == [(months or 12,)]
    assert await fetch_value("SELECT count(*) FROM purchase_order") == len(weeks)


async def test_what_is_had_is_bought_again_with_a_reason_that_is_asked_at_its_line(stripe: Any) -> None:
    """The refusal asked for a reason, and the basket had no field for one."""
    del stripe
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first, second = await open_shop(period=(end - WEEK, end)), await seal_release(period=(end - 2 * WEEK, end - WEEK))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    partner, field = await make_buyer(), 'name="reason"'
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")

    async def written(*releases: uuid.UUID) -> dict[str, str]:
        lines = await basket_actions.read_lines(list(releases))
        total = {"releases": ",".join(map(str, releases)), "total": str(sum(line.amount_minor for line in lines))}
        return total | {"terms": ",".join(line.terms for line in lines)}

    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        saved = str(uuid.uuid4())
        await pay((await browser.submit("/en/payment-method", {"back": "/basket"}, form_id=saved)).headers["location"])
        await browser.get(f"/en/payment-method?saved={saved}&back=/basket")
        assert field not in (await browser.get(f"/en/basket?release={first}&release={second}")).text
        assert (await browser.submit("/en/basket/orders", await written(first))).status_code == 303
        number = await fetch_value("SELECT number FROM purchase_order")
        assert f"{number} is being paid" in page_text(await browser.get(f"/en/basket?release={first}"))
        await jobs()
        shown = await browser.get(f"/en/basket?release={first}&release={second}")
        assert field in shown.text
        assert "Yours until" in page_text(shown)
        both = await written(first, second)
        refused = await browser.submit("/en/basket/orders", both | {"reason": " "})
        assert (refused.status_code, "say why you need it a second time" in page_text(refused)) == (409, True)
        long = "Our other shop. " * 40
        refused = await browser.submit("/en/basket/orders", both | {"reason": long})
        assert refused.status_code in (400, 422), "too long, and not cut"
        assert long.strip() in refused.text, "what was typed is kept"
        assert (await browser.submit("/en/basket/orders", both | {"reason": "Our other shop."})).status_code == 303
    reasons = await fetch(f"SELECT release, second_reason FROM {ORDERED} ORDER BY number")
    assert [(row["release"], row["second_reason"]) for row in reasons[:1]] == [(first, "")]
    assert {row["release"]: row["second_reason"] for row in reasons[1:]} == {first: "Our other shop.", second: ""}
