"""A basket over HTTP: several releases in one order, priced together, each with its licence and its part of the price."""

import datetime as dt
import json
import re
import uuid

import html5lib
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.datasets.releases.publishing import revoke
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger.periods import month_of
from marketplace.money.payments.balance import mirror_balance
from marketplace.oversight.invariants import broken
from marketplace.sales.agreed import basket_actions
from marketplace.sales.orders.actions import order as place
from marketplace.sales.orders.actions import order_subscribed
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.orders.refunds import request_order_refund
from tests.catalogue.builders import charge_between
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.shop import jobs, make_buyer, make_payer, open_shop, pay, save_card_on_page, seal_release
from tests.support.reads import ORDERED, fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
MOST = 600_000
"""What an order costs at most, in cents, where the law of volume is to matter: more than a release, less than two."""


@pytest.mark.usefixtures("stripe")
async def test_several_releases_are_one_order_one_charge_and_one_invoice() -> None:
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    releases = [first] + [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2, 3)]
    await charge_between(1_000, MOST)
    partner = await make_buyer()
    path = "/en/basket?dataset=lyon" + "".join(f"&release={release}" for release in releases)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert "/basket?dataset=lyon" in (await browser.get("/en/datasets/lyon")).text
        assert "is empty" in page_text(await browser.get("/en/basket"))
        assert (await browser.get("/en/basket?release=odd")).status_code == 422
        basket = await basket_actions.read_basket(releases)
        lines, total = basket.lines, basket.total_minor
        posted = await catalogue.prices_now([line.release for line in lines], now=clock.now())
        assert [line.alone_minor for line in lines] == [posted[line.release.id].amount_minor for line in lines]
        one_by_one = sum(line.alone_minor for line in lines)
        assert max(line.alone_minor for line in lines) < total == MOST < one_by_one, "one law of volume for all of it"
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
        saved = f"€{(one_by_one - total) / 100:,.2f} less than one by one"
        assert saved in page_text(page)
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
        await jobs()
        placed = ordered.headers["location"]
        (row,) = await fetch("SELECT net_minor, state, total_minor FROM purchase_order")
        assert (row["net_minor"], row["state"]) == (total, "paid")
        assert await fetch("SELECT amount_minor, state FROM payment") == [(row["total_minor"], "paid")]
        (invoice,) = await fetch("SELECT net_minor, document FROM invoice")
        assert invoice["net_minor"] == total
        parts = [line.amount_minor for line in lines]
        assert [line["net_minor"] for line in json.loads(invoice["document"])["lines"]] == parts
        bought = await fetch("SELECT release, net_minor, posted_minor FROM licence ORDER BY release")
        expected = sorted((line.release.id, line.amount_minor, line.amount_minor) for line in lines)
        assert [tuple(one) for one in bought] == expected
        for lot, line in enumerate(lines, 1):
            page = await browser.get(f"{placed}?lot={lot}")
            html5lib.HTMLParser(strict=True).parse(page.text)
            entitlement = await fetch_value("SELECT id FROM entitlement WHERE release = $1", line.release.id)
            assert f"/entitlements/{entitlement}/download" in page.text
            assert (await browser.get(f"/en/entitlements/{entitlement}/download?format=csv")).status_code == 200
            quote = re.findall(r'/quotes/([0-9a-f-]+)"', page.text)[-1]
            assert "The other releases of this order" in page_text(await browser.get(f"/en/quotes/{quote}"))
        assert (await browser.get(f"{placed}?lot=5")).status_code == 404
        assert "and 3 other releases" in page_text(await browser.get("/en/orders"))
        again = await browser.submit("/en/basket/orders", written)
        assert "You have this release until" in page_text(again)
    await mirror_balance()
    await reconcile()
    sold = await fetch_value(
        "SELECT sum(amount_minor) FROM posting JOIN journal_entry ON journal_entry.id = entry WHERE kind = 'sale' AND credit = '706000'"
    )
    assert sold == total
    for fee in (0, 1, 1_001):
        parts = await fetch("SELECT lot_part(quote, $1) AS fee FROM licence", fee)
        assert sum(one["fee"] for one in parts) == fee, "each lot bears its part of Stripe's fee"
        assert min(one["fee"] for one in parts) >= fee // 100
    assert await broken() == []
    with pytest.raises(Invalid, match="at once"):
        await basket_actions.read_basket([uuid.uuid4() for _ in range(basket_actions.LARGEST + 1)])
    with pytest.raises(Conflict, match="Nothing"):
        await basket_actions.order(
            partner, [uuid.uuid4()], by=await spender_for(partner), total_minor=1, basket=uuid.uuid4()
        )


@pytest.mark.usefixtures("stripe")
async def test_a_basket_of_one_year_that_is_paid_in_the_next_is_sold_in_the_next() -> None:
    """Ordered half an hour before midnight in Paris, paid half an hour after it, when it is still the old year in UTC."""
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
        lines = (await basket_actions.read_basket(releases)).lines
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
    assert [(row["number"], row["state"]) for row in orders] == [(f"P-{year - 1}-000001", "paid")]
    assert sum(row["net_minor"] for row in orders) == total, "at the price that was agreed"
    assert all(row["vat_minor"] * 5 == pytest.approx(row["net_minor"], abs=5) for row in orders)
    invoices = await fetch("SELECT number, document FROM invoice ORDER BY number")
    assert [row["number"] for row in invoices] == [f"F-{year}-000001"]
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
    partner, lines = await make_payer(), (await basket_actions.read_basket(weeks, months)).lines
    total = sum(line.amount_minor for line in lines)
    await basket_actions.order(
        partner, weeks, by=await spender_for(partner), total_minor=total, basket=uuid.uuid4(), months=months
    )
    sold = await fetch(f"SELECT months FROM {ORDERED}")
    assert sold == [(months or 12,)] * len(weeks)
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 1


@pytest.mark.usefixtures("stripe")
async def test_what_is_had_is_bought_again_with_a_reason_that_is_asked_at_its_line() -> None:
    """The refusal asked for a reason, and the basket had no field for one."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first, second = await open_shop(period=(end - WEEK, end)), await seal_release(period=(end - 2 * WEEK, end - WEEK))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    partner, field = await make_buyer(), 'name="reason"'
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")

    async def written(*releases: uuid.UUID) -> dict[str, str]:
        lines = (await basket_actions.read_basket(list(releases))).lines
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
    assert {row["release"]: row["second_reason"] for row in reasons[1:]} == dict.fromkeys(
        (first, second), "Our other shop."
    )


@pytest.mark.usefixtures("stripe")
async def test_a_recalled_lot_is_refunded_and_the_others_stay() -> None:
    """Its licence ends, the other lots' do not; the credit note names it, and it goes back once."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    releases = [await open_shop(period=(end - WEEK, end))]
    await execute("UPDATE dataset SET budget_micro = 90000000")
    releases += [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2)]
    partner = await make_buyer()
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/basket")
    basket = await basket_actions.read_basket(releases)
    recalled = basket.lines[1]
    order = await basket_actions.order(
        partner, releases, by=await spender_for(partner), total_minor=basket.total_minor, basket=uuid.uuid4()
    )
    await jobs()
    await mirror_balance()
    await revoke(recalled.release.id, reason_fr="Erreur.", reason_en="An error.", by="Sam")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert "Called back" in page_text(await browser.get(f"/en/orders/{order}"))
        assert "Give my money back" in page_text(await browser.get(f"/en/orders/{order}?lot=2"))
        for _ in range(2):
            assert (await browser.submit(f"/en/orders/{order}/return-recalled", {})).status_code == 303
        assert "What this release cost goes back to you" in page_text(await browser.get(f"/en/orders/{order}?lot=2"))
        assert "Download as CSV" in page_text(await browser.get(f"/en/orders/{order}?lot=1"))
        await jobs()
        assert (await browser.submit(f"/en/orders/{order}/deletion?lot=2", {})).status_code == 303
        assert (await browser.submit(f"/en/orders/{order}/deletion?lot=1", {})).status_code == 409
    (row,) = await fetch("SELECT state, returned_minor, total_minor, net_minor, vat_minor FROM purchase_order")
    assert row["state"] == "paid"
    assert abs(row["returned_minor"] - recalled.amount_minor * row["total_minor"] / row["net_minor"]) <= 1
    licences = await fetch("SELECT release, cancelled_at IS NOT NULL AS is_over, returned_minor FROM licence")
    assert {one["release"]: one["is_over"] for one in licences} == {
        line.release.id: line is recalled for line in basket.lines
    }
    returned = {one["release"]: one["returned_minor"] for one in licences}
    assert abs(returned.pop(recalled.release.id) - recalled.amount_minor) <= 1
    assert max(returned.values()) <= 1
    note = json.loads(await fetch_value("SELECT document FROM invoice WHERE kind = 'credit_note'"))
    assert sum(line["net_minor"] for line in note["lines"]) == note["net_minor"]
    assert note["lines"][0]["net_minor"] >= recalled.amount_minor - 1
    await request_order_refund(order, "Nora", refund_id=uuid.uuid4())
    await jobs()
    assert await fetch_value("SELECT state FROM purchase_order") == "refunded"
    assert await broken() == []


async def test_a_lot_is_not_had_alone_at_its_part_of_the_price_of_all() -> None:
    """The attack: quote a large basket, so that each lot is cheap by the law of volume, and order one lot of it."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    releases = [await open_shop(period=(end - WEEK, end))]
    await execute("UPDATE dataset SET budget_micro = 90000000")
    releases.append(await seal_release(period=(end - 2 * WEEK, end - WEEK)))
    await charge_between(1_000, MOST)
    partner = await make_payer()
    basket = await basket_actions.read_basket(releases)
    assert basket.together
    assert all(line.amount_minor < line.alone_minor for line in basket.lines)
    quotes = [uuid.uuid4() for _ in releases]
    await catalogue.quote_together(partner, basket.together, quotes, clock.now())
    by, email = await spender_for(partner), "atelier@partner.example"
    for one in quotes:
        with pytest.raises(Conflict, match="several releases together"):
            await place(partner, one, by=by, order_id=uuid.uuid4(), email=email)
    for some in (quotes[:1], quotes[::-1]):
        with pytest.raises(Conflict, match="several releases together"):
            await order_subscribed(partner, some, by=by, order_id=uuid.uuid4(), email=email)
    await order_subscribed(partner, quotes, by=by, order_id=uuid.uuid4(), email=email)
    assert await fetch_value("SELECT net_minor FROM purchase_order") == basket.total_minor
