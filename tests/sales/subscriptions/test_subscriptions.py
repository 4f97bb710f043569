"""Subscriptions over HTTP: from the dataset's page to releases that come, are charged, paid to their own people, and end."""

import datetime as dt
import uuid

import html5lib
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.subscriptions.actions import CHOICES, deliver
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import DAY, jobs, make_buyer, next_release, open_shop, save_card_on_page, seal_release
from tests.support.reads import ORDERED, fetch, fetch_one, fetch_value


@pytest.mark.usefixtures("stripe")
async def test_a_subscription_orders_and_pays_each_release_for_its_price_or_less_until_it_is_complete() -> None:
    await open_shop()
    await make_buyer()
    await make_buyer("rival")
    form = "00000000-0000-4000-8000-000000000001"
    async with Browser() as browser, Browser() as rival:
        await browser.sign_in("atelier@partner.example")
        await rival.sign_in("rival@partner.example")
        page = await browser.get("/en/subscribe/lyon")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "no fixed rhythm" in page_text(page)
        refused = await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"})
        assert refused.status_code == 409
        await execute("UPDATE dataset SET cadence = 'week'")
        assert "Save a payment method" in page_text(await browser.get("/en/subscribe/lyon"))
        refused = await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"})
        assert "Save a card or bank account first" in page_text(refused)
        await save_card_on_page(browser, "/subscribe/lyon")
        assert "/subscribe/lyon" in (await browser.get("/en/datasets/lyon")).text
        page = await browser.get("/fr/subscribe/lyon")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "4 publications" in page_text(page)
        wrong = await browser.submit("/fr/subscribe/lyon", {"dataset": "lyon", "releases": "5"})
        assert 'id="releases-error"' in wrong.text
        for _ in range(2):
            made = await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
            assert made.headers["location"] == f"/en/subscriptions/{form}"
        await execute("UPDATE offer SET withdrawn_at = $1", clock.now())
        made = await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
        assert made.headers["location"] == f"/en/subscriptions/{form}", "though it is on sale no more"
        await execute("UPDATE offer SET withdrawn_at = NULL")
        again = await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"})
        assert "subscribed to this dataset already" in page_text(again)
        shown = await browser.get("/en/subscribe/lyon")
        assert f'href="/en/subscriptions/{form}"' in shown.text, "it is shown before it is pressed, too"
        assert 'name="releases"' not in shown.text
        assert (
            await rival.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
        ).status_code == 409
        for verb in ("", "/pause", "/resume", "/end"):
            path = f"/en/subscriptions/{form}{verb}"
            answer = await (rival.submit(path, {}) if verb else rival.get(path))
            assert answer.status_code == 404, verb
        locked = await fetch_value("SELECT locked_minor FROM subscription")
        assert await deliver() == 0, "what was published before is not part of it"

        first = await next_release(1)
        await browser.submit(f"/en/subscriptions/{form}/pause", {})
        assert await deliver() == 0
        await browser.submit(f"/en/subscriptions/{form}/resume", {})
        assert await deliver() == 1
        assert await deliver() == 0
        await jobs()
        row = await fetch_one(f"SELECT * FROM {ORDERED}")
        assert row
        assert (row["release"], row["state"]) == (first, "paid")
        assert row["net_minor"] <= locked
        shown = page_text(await browser.get(f"/en/subscriptions/{form}"))
        assert "1 of 4" in shown
        assert row["number"] in shown
        assert "Yours until" in page_text(await browser.get("/en/datasets/lyon"))
        quote = await browser.get(f"/en/quotes/{row['quote']}")
        assert "has been ordered" in page_text(quote)
        assert f'href="/en/orders/{row["id"]}"' in quote.text, "and leads to its order"

        await execute("UPDATE subscription SET releases = 1")
        assert await deliver() == 0
        assert await fetch_value("SELECT state FROM subscription") == "ended"
        ended = await browser.get(f"/en/subscriptions/{form}")
        assert "Renew it at today’s price" in page_text(ended)
        assert (await browser.submit(f"/en/subscriptions/{form}/resume", {})).status_code == 409
        assert (await browser.submit(f"/en/subscriptions/{form}/end", {})).status_code == 303
        listed = await browser.get("/fr/subscriptions")
        html5lib.HTMLParser(strict=True).parse(listed.text)
        assert "Terminé" in page_text(listed)
        assert "No subscriptions yet" in page_text(await rival.get("/en/subscriptions"))
    await mirror_balance()
    await reconcile()
    postings = await fetch(
        """SELECT debit, credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = entry
           WHERE kind = 'sale' ORDER BY credit"""
    )
    assert postings == [("411000", "445710", row["vat_minor"]), ("411000", "706000", row["net_minor"])]
    licence = await fetch_one("SELECT release, net_minor FROM licence")
    assert licence == (first, row["net_minor"]), "its own people share its own price"
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'subscription_ended'") == 1
    await execute("UPDATE subscription SET state = 'active', ended_at = NULL")
    until = await fetch_value("SELECT max(period_to) FROM release") + dt.timedelta(hours=1)
    await seal_release(rows=202, period=(until - 7 * DAY, until))
    newer = "SELECT count(*) FROM message WHERE kind = 'new_release'"
    assert await fetch_value(newer) == 0, "who subscribes buys it without a word"
    assert CHOICES[0] == 4


@pytest.mark.usefixtures("stripe")
async def test_what_is_not_paid_pauses_until_the_partner_goes_on() -> None:
    await open_shop()
    partner = await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week'")
    form = str(uuid.uuid4())
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/subscribe/lyon")
        await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
        await execute("UPDATE saved_method SET ends_on = CURRENT_DATE - 1")
        await next_release(1)
        assert await deliver() == 1
        await jobs()
        assert await fetch_value("SELECT state FROM purchase_order") == "awaiting_payment"
        with clock.shifted(dt.timedelta(hours=1)):
            await jobs()
            assert await fetch_value("SELECT state FROM purchase_order") == "lapsed"
            await deliver()
            assert await fetch_value("SELECT state FROM subscription") == "paused"
            await browser.submit(f"/en/subscriptions/{form}/resume", {})
            assert await deliver() == 1, "an order that was not paid is made again"
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'subscription_paused'") == 1
        await browser.submit(f"/en/subscriptions/{form}/end", {})
        await next_release(2)
        assert await deliver() == 0
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE partner = $1", partner) == 2


@pytest.mark.usefixtures("stripe")
async def test_a_locked_price_is_not_raised_to_a_new_least_charge_and_what_cannot_be_sold_says_why() -> None:
    await open_shop()
    await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week'")
    form = str(uuid.uuid4())
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/subscribe/lyon")
        await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
        await execute("UPDATE subscription SET locked_minor = 19_000")
        await have_everything_cost(20_000)
        await next_release(1)
        await execute(
            """INSERT INTO exclusive_window (id, offer, partner, starts_at, ends_at)
               SELECT gen_random_uuid(), offer.id, NULL, now() - interval '1 day', now() + interval '1 day' FROM offer"""
        )
        assert await deliver() == 0
        for words in ("holds this dataset exclusively", "0 of 4"):
            assert words in page_text(await browser.get(f"/en/subscriptions/{form}"))
        await execute("DELETE FROM exclusive_window")
        assert await deliver() == 0, "what was refused is tried again a day later"
        await execute("UPDATE subscribed_release SET at = at - interval '2 days'")
        assert await deliver() == 1
        assert await fetch_value("SELECT net_minor FROM purchase_order") == 19_000, "at most what was locked"
        assert "1 of 4" in page_text(await browser.get(f"/en/subscriptions/{form}"))


@pytest.mark.usefixtures("stripe")
async def test_what_comes_late_or_covers_fewer_people_is_credited_in_part_by_itself() -> None:
    await open_shop()
    await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week'")
    form = str(uuid.uuid4())
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/subscribe/lyon")
        assert "at least 42.2 % of the lines" in page_text(await browser.get("/en/subscribe/lyon")).replace(
            "\u202f", " "
        ).replace("42.2%", "42.2 %")
        await browser.submit("/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form_id=form)
        assert await fetch_value("SELECT promised_days FROM subscription") == 3
        await execute(
            "UPDATE subscription SET promised_days = -4, promised_coverage_micro = 500000, began_at = began_at - interval '9 days'"
        )
        await next_release(1)
        assert await deliver() == 1
        await jobs()
        order = await fetch_one("SELECT * FROM purchase_order")
        assert order
        part = 4 * 500 + 1112
        credit = await fetch_one("SELECT * FROM service_credit")
        assert credit
        assert (credit["days_late"], credit["basis_points"], credit["asked_at"]) == (4, part, None)
        assert credit["refund_minor"] == order["total_minor"] * part // 10_000
        with clock.shifted(3 * DAY):
            assert "credit_waiting" in {row.why for row in (await list_exceptions()).rows}
        for _ in range(2):
            await deliver()
        await jobs()
        await mirror_balance()
        await reconcile()
        assert await fetch_value("SELECT returned_minor FROM purchase_order") == credit["refund_minor"]
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'service_credited_twice'") == 1
        returned = await fetch_value(
            "SELECT sum(amount_minor) FROM posting JOIN journal_entry ON journal_entry.id = entry WHERE kind = 'refund'"
        )
        assert returned == credit["refund_minor"]
        shown = " ".join(page_text(await browser.get(f"/en/subscriptions/{form}")).split())
        assert "4 days late, and 44.4% of the lines consent where 50.0% were sold" in shown, "both promises were missed"
        for language, late, short in (
            ("en", "days after the last one promised: 4", "44.4% of the lines consent, 50.0% were sold"),
            ("fr", "jours de retard : 4", "44,4 % des lignes consentent, 50,0 % étaient vendus"),
        ):
            inbox = " ".join(page_text(await browser.get(f"/{language}/inbox")).split())
            assert late in inbox, inbox
            assert short in inbox, inbox
        html5lib.HTMLParser(strict=True).parse((await browser.get(f"/fr/subscriptions/{form}")).text)
