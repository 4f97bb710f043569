"""Every way to sell, clicked in the demo from the dataset's page to the files or the answer, and reconciled at the end.

A single quote, auctions and a call for contributors are clicked in tests of their own; here are the others: a licence of
another length, several releases at once, a subscription, a trial, a private offer, a request, a claim, buying on invoice.
What takes weeks is walked in a small shop whose clock goes on: a subscription's periods with a credit for a late one, and
an invoice that is credited once it was paid.
"""

import datetime as dt
import re
from pathlib import Path

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import copy_in, execute
from marketplace.demo.seed_people import ABROAD, FINANCE, FINANCE_TOO, PARTNER, STEWARD
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger.chart import ON_CREDIT, PARTNERS, STRIPE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import read_balance
from marketplace.sales.subscriptions.actions import deliver
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.catalogue.builders import put_on_sale
from tests.datasets.builders import declare
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import add_staff
from tests.site.builders.months import WEIGHTS, seal_weeks
from tests.subscribers.builders import sales
from tests.support.browsing import DESK, HIGHEST, Guest, Visit, is_within, open_visit
from tests.support.decisions import approve_waiting
from tests.support.demo import come_in, demo_visited
from tests.support.market import PASSWORD, Market, let_people_in, running
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)
PERIOD = 28 * DAY
LATE_DAYS = 5
"""How many days after the last one promised a release comes: published a day sooner, it would be in time."""
LATER = 110 * DAY
"""When every hold has ended, and the month of it."""


async def pays(partner: Guest) -> None:
    """Order what is quoted and pay on Stripe's page, two clicks without scrolling; the files are there."""
    for name in ("Order and pay", "Pay"):
        button = partner.page.get_by_role("button", name=name)
        await is_within(DESK["height"], button)
        async with partner.page.expect_navigation():
            await button.click()
    await partner.page.get_by_role("link", name="Download as CSV").first.wait_for()
    await partner.page.wait_for_load_state("load")
    partner.tab.requests.clear()  # Stripe's page, which this one did not load


async def buys_for_longer(partner: Guest) -> None:
    """Buy a licence of three years, at its own price."""
    await partner.page.goto(f"{partner.base}/en/datasets/lyon-nights")
    card = partner.page.locator(".offer")
    length = card.get_by_label("Length of the licence, in months")
    buttons = (card.get_by_role("button", name=name) for name in ("Buy", "Hold the price"))
    await is_within(HIGHEST, card.locator(".figure"), length, *buttons)
    await length.fill("36")
    await partner.press("Buy")
    await pays(partner)
    await partner.read("36 months")
    await partner.look()


async def buys_several(partner: Guest) -> None:
    """Buy two months of the panel at once, by the card that is saved."""
    await partner.page.goto(f"{partner.base}/en/basket?dataset=lyon-presence-month")
    boxes = await partner.page.get_by_role("main").get_by_role("checkbox").all()
    for box in (boxes[1], boxes[3]):  # every second one is theirs already
        await box.check()
    await partner.press("See what they cost together")
    await partner.look()
    await partner.press("Order and pay")
    await partner.read("Releases of this order")
    await partner.look()


async def subscribes_and_ends(partner: Guest) -> None:
    """Subscribe to the next releases at a locked price, and end that before one came."""
    await partner.page.goto(f"{partner.base}/en/subscribe/lyon-flows-day")
    await partner.press("Subscribe")
    await partner.read("Flows between arrondissements")
    await partner.go("/subscriptions")
    await partner.click("Flows between arrondissements — Lyon and Villeurbanne")
    await partner.press("End")


async def tries_one(partner: Guest) -> None:
    """Try an older release for two weeks, without a price."""
    await partner.page.goto(f"{partner.base}/en/datasets/lyon-presence-month/trial")
    await partner.press("Begin the trial")
    await partner.go("/trial")
    await partner.read("Presence by district, one day a month")


async def is_offered_something(steward: Guest, partner: Guest) -> None:
    """Offer a price to one partner alone, who pays it."""
    await steward.page.goto(f"{steward.base}/en/steward/private-offers")
    await steward.page.get_by_label("Partner", exact=True).select_option(label="Stadtblick GmbH")
    day = (clock.now() + dt.timedelta(days=20)).date().isoformat()
    await steward.press("Offer it", Dataset="lyon-districts-day", Percent_off="10", Last_day=day)
    await partner.go("/private-offers")
    await partner.press("Get a quote")
    await pays(partner)


async def asks_for_data(partner: Guest, steward: Guest) -> None:
    """Ask for what is not for sale, and refuse it with a reason that the partner reads."""
    await partner.page.goto(f"{partner.base}/en/requests/new")
    today = clock.now().date()
    days = {"First day": today - dt.timedelta(days=30), "Last day": today}
    await partner.press(
        "Ask for it",
        **{
            "Zones or places": "Bron, Tassin",
            "Most you would pay": "500",
            "What it is for": "Where buses are missing.",
        },
        **{label: day.isoformat() for label, day in days.items()},
    )
    await steward.go("/steward/requests")
    await steward.click("Bron, Tassin", exact=False)
    reasons = {"Reason, in French": "Trop peu de gens y passent.", "Reason, in English": "Too few people pass there."}
    await steward.press("Answer, and write to the partner who asked", Answer="refused", **reasons)
    await partner.page.reload()
    await partner.look()
    await partner.read("Too few people pass there.")


async def claims(visit: Visit, partner: Guest, finance: Guest, steward: Guest, *, refunded: str = "") -> None:
    """Claim that something is wrong: one person proposes, another decides, the partner reads the answer.

    refunded: what of the price, in euros; nothing where the claim is dismissed.
    """
    await partner.go("/orders")
    await partner.click_in_table()
    await partner.click("Something is wrong with it?")
    await partner.press("File the claim", What_you_found="The third week lacks two zones that the page lists.")
    [number] = re.findall(r"P-\d{4}-\d+", await partner.page.inner_text("main h1"))
    frozen = "SELECT claimed_at IS NOT NULL FROM licence JOIN purchase_order ON purchase_order.id = purchase_order WHERE number = $1"
    assert await fetch_value(frozen, number), "its shares wait"
    await finance.go("/staff/claims")
    form = finance.page.locator("section.card", has_text=number)
    await form.get_by_text("Propose a decision").click()
    await form.get_by_label("Decision").select_option("refund" if refunded else "dismissed")
    if refunded:
        await form.get_by_label("How much, VAT included").fill(refunded)
    answer = "That week is refunded." if refunded else "Both zones had too few people in that week."
    await form.get_by_label("What the partner reads").fill(answer)
    await form.get_by_role("button", name="Propose").click()
    await finance.read("You proposed it")
    await steward.go("/staff/claims")
    await steward.press(f"Agree about {number}")
    await partner.page.reload()
    await partner.look()
    await partner.read(answer)
    if refunded:
        for _ in range(2):
            await visit.market.work()
        returned = "SELECT returned_minor FROM purchase_order WHERE number = $1"
        assert await fetch_value(returned, number) == 100 * int(refunded)
    assert not await fetch_value(frozen, number), "its shares go on"


async def buys_on_invoice(finance: Guest, other: Guest, partner: Guest) -> None:
    """Buy up to a limit that one clerk proposes and another approves, to be paid by bank transfer."""
    await finance.page.goto(f"{finance.base}/en/finance/credit/limits")
    why = {"Limit, VAT included": "9000", "Reason": "Ten orders paid in time."}
    await finance.press("Propose it", **{"Company or VAT number": "Atelier Urbain"}, **why)
    await other.go("/finance/decisions")
    await other.press("Approve")
    await partner.page.goto(f"{partner.base}/en/datasets/lyon-districts-day")
    await partner.press("Buy")
    await partner.press("Place the order", How_you_pay="invoice")
    await partner.read("Download as CSV")
    await partner.go("/to-pay")


async def walk_ways(visit: Visit) -> None:
    """Click every way to sell."""
    partner, other = await come_in(visit, PARTNER), await come_in(visit, ABROAD)
    steward = await come_in(visit, STEWARD)
    await buys_for_longer(partner)
    await buys_several(other)
    await subscribes_and_ends(partner)
    await tries_one(other)
    await is_offered_something(steward, other)
    await asks_for_data(other, steward)
    finance = await come_in(visit, FINANCE)
    await claims(visit, other, finance, steward)
    await claims(visit, partner, finance, steward, refunded="40")
    await buys_on_invoice(finance, await come_in(visit, FINANCE_TOO), partner)


@pytest.mark.deep
async def test_every_way_to_sell_is_clicked_and_reconciled(
    tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with demo_visited(tmp_path, chromium, monkeypatch) as visit:
        await walk_ways(visit)
        await visit.market.work()
        await reconcile()
        finance = await come_in(visit, FINANCE)
        await finance.go("/finance/reconciliation")
        assert await read_balance() == await balance(STRIPE), "Stripe and the books agree to the cent"


# ------------------------------------------------------------------ what takes weeks
async def open_small_shop(market: Market) -> None:
    """Open a shop with one dataset of a release every four weeks, whose people are known, and let its people in."""
    await declare(budget_micro=900_000_000, title_en="Lyon by the hour", title_fr="Lyon heure par heure")
    await execute("UPDATE dataset SET cadence = 'month'")
    await copy_in("subscriber", ["reference"], [(line,) for line in WEIGHTS])
    await seal_weeks(0)
    await catalogue.define_terms("standard-1", months=12, lines_fr="Un\nDeux", lines_en="One\nTwo")
    await put_on_sale("lyon", worth_minor=500_000, least_minor=60_000)
    await let_people_in(market)
    await add_staff("hugo@people.example", "Hugo", "finance", PASSWORD)


async def work_twice(market: Market) -> None:
    """Let the jobs order what is due, follow the money, and the shares after it."""
    for _ in range(2):
        await deliver()
        await market.work()


async def finds(partner: Guest) -> None:
    """Visit for the first time: the catalogue and the dataset as a stranger, then signed in."""
    await partner.go("/catalogue")
    await partner.click("Lyon by the hour")
    await partner.sign_in("partner@people.example")
    await partner.go("/datasets/lyon")


async def subscribes_with_a_card(partner: Guest) -> None:
    """Save a card on Stripe's page, come back to the subscription that was begun, and subscribe."""
    await partner.click("Subscribe")
    await partner.click("Save a payment method")
    await partner.page.get_by_role("main").get_by_role("button", name="Save a payment method").click()
    await partner.page.locator("input[value=visa]").check()
    await partner.page.get_by_role("button", name="Save").click()
    await partner.page.get_by_role("link", name="Back to the subscription").click()
    partner.tab.requests.clear()  # Stripe's page, which this one did not load
    await partner.press("Subscribe", For_how_many_releases="4")
    await partner.read("The next release is ordered as soon as it is published.")


async def reads_a_period(partner: Guest, *, credit: str = "") -> None:
    """Find the latest order that no click made, its file and its dates; `credit` is what a late one says."""
    await partner.go("/subscriptions")
    await partner.click("Lyon by the hour")
    if credit:
        await partner.read(credit)
    await partner.click_in_table()
    for seen in ("Download as CSV", "Paid", "Here to download; the licence begins"):
        await partner.read(seen)
    if credit:
        await partner.read("Credit note")
        await partner.go("/inbox")
        await partner.read(f"days after the last one promised: {LATE_DAYS}")


async def sees_the_shares(partner: Guest) -> None:
    """Read, months later, that the shares of what was bought are the people's, and what they got."""
    for number in await fetch("SELECT id FROM purchase_order ORDER BY ordered_at"):
        await partner.go(f"/orders/{number['id']}")
        await partner.read("Shares released: the people’s for good")
        await partner.click("What your licence did for people")
        await partner.read("Theirs since")


async def is_reconciled(finance: Guest) -> None:
    """Read that Stripe, the books and the subscribers' accounts agree, to the cent and the micro-euro."""
    await reconcile()
    assert await read_balance() == await balance(STRIPE), "Stripe and the books agree to the cent"
    assert (await balance(PARTNERS), await balance(ON_CREDIT)) == (0, 0), "nobody owes anything"
    assert await list_unequal_accounts() == []
    await sales.balances()  # It refuses books that do not follow from the shares.
    await finance.sign_in("finance@people.example")
    await finance.go("/finance/reconciliation")


@pytest.mark.deep
async def test_a_subscription_pays_each_period_without_a_click_and_credits_a_late_one(chromium: str) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        await open_small_shop(market)
        partner, finance = await visit.guest(), await visit.guest()
        await finds(partner)
        await subscribes_with_a_card(partner)
        for period in (1, 2):
            with clock.shifted(period * PERIOD):
                await seal_weeks(period, late=0 if period == 1 else LATE_DAYS + 1)
                await work_twice(market)
                assert await fetch_value("SELECT count(*) FROM purchase_order WHERE state = 'paid'") == period
                await partner.sign_in("partner@people.example")
                await reads_a_period(partner, credit="" if period == 1 else f"{LATE_DAYS} days late")
        assert await fetch_value("SELECT count(*) FROM service_credit") == 1, "the one that was in time gives nothing"
        with clock.shifted(LATER):
            await work_twice(market)
            await partner.sign_in("partner@people.example")
            await sees_the_shares(partner)
            await is_reconciled(finance)


async def grants_a_limit(finance: Guest, other: Guest) -> None:
    """Propose a limit, which somebody else approves."""
    await finance.sign_in("finance@people.example")
    await finance.go("/finance/credit/limits")
    why = {"Limit, VAT included": "9000", "Reason": "Ten orders paid in time."}
    await finance.press("Propose it", **{"Company or VAT number": "Atelier Urbain"}, **why)
    await other.sign_in("hugo@people.example")
    await other.go("/finance/decisions")
    await other.press("Approve")


async def has_the_statement(finance: Guest, folder: Path, *, number: str, amount: int, opening: int) -> None:
    """Import the bank's statement of one line, and say which order it is of where it does not say so itself."""
    name, today = f"S{opening}", clock.now().date()
    line = Entry(amount, f"B{opening}", words=number, name="Atelier Urbain", day=today)
    given = Statement([line], opening=opening, name=name, message=name, day=today)
    path = folder / f"{name}.xml"
    path.write_bytes(given.xml())
    await finance.go("/finance/bank")
    await finance.page.get_by_label("Statement of the bank").set_input_files(path)
    await finance.page.get_by_label("It is of an account of ours").check()
    await finance.press("Import")
    its = await fetch_value("SELECT max(id) FROM bank_line")
    if not await fetch_value("SELECT count(*) FROM bank_match WHERE line = $1", its):
        await finance.go(f"/finance/bank/lines/{its}")
        await finance.page.get_by_label("What part 1 is").select_option("order")
        await finance.page.get_by_label("Number of part 1").fill(number)
        await finance.press("Explain it so")


@pytest.mark.deep
async def test_an_invoice_that_was_paid_is_credited_and_the_money_transferred_back(
    tmp_path: Path, chromium: str
) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        await open_small_shop(market)
        partner, finance, other = await visit.guest(), await visit.guest(), await visit.guest()
        await grants_a_limit(finance, other)
        await finds(partner)
        await partner.press("Buy")
        address = {"Street and number": "1 rue Longue", "City": "Lyon"}
        await partner.press("Place the order", How_you_pay="invoice", **address)
        await partner.read("Download as CSV")
        [owed] = await fetch("SELECT id, number, total_minor FROM purchase_order")
        await work_twice(market)
        total, credited = owed["total_minor"], 12_000
        await has_the_statement(finance, tmp_path, number=owed["number"], amount=total, opening=0)
        await work_twice(market)
        await finance.go(f"/finance/orders/{owed['id']}")
        await finance.press("Propose this refund", Reason="Two days were missing.", Amount_in_euros="120,00")
        await approve_waiting()
        await work_twice(market)
        await has_the_statement(finance, tmp_path, number=owed["number"], amount=-credited, opening=total)
        await work_twice(market)
        await partner.go(f"/orders/{owed['id']}")
        await partner.read("Credit note")
        await partner.read("Download as CSV")
        with clock.shifted(LATER):
            await work_twice(market)
            await partner.sign_in("partner@people.example")
            await sees_the_shares(partner)
            await is_reconciled(await visit.guest())
