"""Baskets, subscriptions and awards on invoice: each counts in the one limit, and is reminded of and closed like any other."""

import datetime as dt
import uuid
from typing import Any

import html5lib
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.credit.actions import remind_debtors
from marketplace.money.credit.queries import get_available
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.actors import Actor
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import charge
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.settling import settle_paid
from marketplace.sales.subscriptions.actions import deliver
from tests.money.builders import clerks, save
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.auctions import announce_of_shop, end_auction, place
from tests.sales.builders.shop import change_billing_of, jobs, make_buyer, open_shop, seal_release
from tests.support.reads import fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)


async def owed() -> list[int]:
    """Return what each order on credit owes, the first first."""
    rows = await fetch("SELECT total_minor - paid_minor AS minor FROM credit_sale ORDER BY granted_at, number")
    return [row["minor"] for row in rows]


@pytest.mark.usefixtures("stripe")
async def test_a_basket_and_a_subscription_count_in_the_limit_and_are_closed_when_late() -> None:
    end_ = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 10 * DAY
    first = await open_shop(period=(end_ - WEEK, end_))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    releases = [first, await seal_release(period=(end_ - 2 * WEEK, end_ - WEEK))]
    partner = await make_buyer()
    await change_billing_of(partner)
    lines = (await baskets.read_basket(releases)).lines
    total = sum(line.amount_minor for line in lines)
    form = {
        "releases": ",".join(str(line.release.id) for line in lines),
        "terms": ",".join(line.terms for line in lines),
        "total": str(total),
        "pay_by": "invoice",
    }
    path = "/en/basket?dataset=lyon" + "".join(f"&release={release}" for release in releases)
    async with Browser() as buyer:
        await buyer.sign_in("atelier@partner.example")
        refused = await buyer.submit("/en/basket/orders", form)
        assert (refused.status_code, "does not pay on invoice" in page_text(refused)) == (409, True)
        await clerks(partner, total)
        refused = await buyer.submit("/en/basket/orders", form)
        assert "beyond what is left" in page_text(refused), "VAT is beyond the limit"
        assert await owed() == [], "not a line of it is ordered"
        await clerks(partner, 100_000_000)
        shown = await buyer.get(path)
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "is left of your limit" in page_text(shown)
        for _ in range(2):
            ordered = await buyer.submit("/en/basket/orders", form, form_id="00000000-0000-4000-8000-000000000003")
            assert ordered.headers["location"].startswith("/en/orders/")
        assert len(await owed()) == 1
        assert await fetch_value("SELECT count(*) FROM licence") == 2, "the data is there at once"

        await buyer.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"})
        await seal_release(rows=201, period=(end_, end_ + WEEK))
        assert await deliver() == 1
        await jobs()
        assert len(await owed()) == 2
        assert sum(await owed()) == await balance(chart.ON_CREDIT) == (await get_available(partner)).owed_minor
        assert not await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'")
        with clock.shifted(52 * DAY):
            await seal_release(rows=202, period=(end_ + WEEK, end_ + WEEK + DAY))
            assert await deliver() == 0, "nothing more on invoice while one is overdue"
            [subscription] = await fetch("SELECT id FROM subscription")
            await buyer.sign_in("atelier@partner.example")
            assert "overdue" in page_text(await buyer.get(f"/en/subscriptions/{subscription['id']}"))
            assert await remind_debtors() == 2
            await follow_disputes()
            closed = await fetch_value("SELECT count(*) FROM entitlement WHERE suspended_at IS NOT NULL")
            assert closed == 3, "a basket's and a subscription's data are closed like any other"


async def test_who_has_a_card_may_have_a_subscription_on_invoice_within_its_limit(stripe: Any) -> None:
    """Choose it where a subscription is made, and change it later; each refusal is one sentence, at the field."""
    end_ = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 10 * DAY
    await open_shop(period=(end_ - WEEK, end_))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    partner = await make_buyer()
    await change_billing_of(partner)
    await save(stripe, partner, token="tok_visa")
    form, asked = str(uuid.uuid4()), {"dataset": "lyon", "releases": "4", "pay_by": "invoice"}
    async with Browser() as buyer:
        await buyer.sign_in("atelier@partner.example")
        assert 'name="pay_by"' not in (await buyer.get("/en/subscribe/lyon")).text, "nobody granted a limit"
        refused = await buyer.submit("/en/subscribe/lyon", asked)
        assert (refused.status_code, "does not pay on invoice" in page_text(refused)) == (409, True)
        await clerks(partner, 100)
        shown = await buyer.get("/fr/subscribe/lyon")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Sur facture, par virement" in page_text(shown)
        refused = await buyer.submit("/en/subscribe/lyon", asked)
        assert (refused.status_code, "beyond what is left of your limit" in page_text(refused)) == (409, True)
        assert 'id="pay_by-error"' in refused.text
        assert '<option value="invoice" selected>' in refused.text, "what was chosen is kept"
        await clerks(partner, 100_000_000)
        for _ in range(2):
            await buyer.submit("/en/subscribe/lyon", asked, form_id=form)
        page = await buyer.get(f"/en/subscriptions/{form}")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "How you pay On invoice" in page_text(page)

        await seal_release(rows=201, period=(end_, end_ + WEEK))
        assert await deliver() == 1
        await jobs()
        assert len(await owed()) == 1
        assert not await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'"), (
            "though a card is saved"
        )

        path = f"/en/subscriptions/{form}/payment"
        assert (await buyer.submit(path, {"pay_by": "saved_method"})).status_code == 303
        assert "How you pay By your saved payment method" in page_text(await buyer.get(f"/en/subscriptions/{form}"))
        await seal_release(rows=202, period=(end_ + WEEK, end_ + WEEK + DAY))
        assert await deliver() == 1
        await jobs()
        assert len(await owed()) == 1
        assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'charge'") == 1
        await execute(
            "UPDATE credit_sale SET granted_at = granted_at - interval '60 days', due_at = due_at - interval '60 days'"
        )
        late = await buyer.submit(path, {"pay_by": "invoice"})
        assert (late.status_code, "An invoice of yours is overdue" in page_text(late)) == (409, True)
        html5lib.HTMLParser(strict=True).parse(late.text)
        await buyer.submit(f"/en/subscriptions/{form}/end", {})
        assert (await buyer.submit(path, {"pay_by": "invoice"})).status_code == 409


async def test_an_award_is_owed_on_invoice_by_who_has_a_limit_and_no_method(stripe: Any) -> None:
    release = await open_shop()
    ann = await make_buyer("atelier")
    await clerks(ann, 40_000)
    await save(stripe, ann, token="tok_visa")
    auction = await announce_of_shop(release)
    async with Browser() as anyone:
        for language, sentence in (
            ("en", "that may pay on invoice, and has no saved payment method, is invoiced what it wins"),
            ("fr", "est facturée de ce qu’elle remporte"),
        ):
            assert sentence in page_text(await anyone.get(f"/{language}/auctions/{auction}"))
    await place(ann, auction, 70_000)
    await end_auction(auction)
    await execute("UPDATE saved_method SET ends_on = '2020-01-01'")
    assert await charge.charge_sales() == 1
    await settle_paid()
    [total] = await owed()
    assert (await get_available(ann)).owed_minor == total
    sale = await fetch_value("SELECT id FROM auction_sale")
    winner = Actor(name="Ann", person=(await spender_for(ann)).person, partner=ann, vetted=True)
    assert await charge.pay(winner, sale, order_id=uuid.uuid4()) == sale, "a click asks Stripe for nothing"
    await ending.settle_sales()
    assert await fetch_value("SELECT state FROM auction_sale") == "paid"
    assert await balance(chart.ON_CREDIT) == total
