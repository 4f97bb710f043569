"""Every way to sell, clicked in the demo from the dataset's page to the files or the answer, and reconciled at the end.

A single quote, auctions and a call for contributors are clicked in tests of their own; here are the others: a licence of
another length, several releases at once, a subscription, a trial, a private offer, a request, a claim, buying on invoice.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.embedded.seed_people import ABROAD, FINANCE, FINANCE_TOO, PARTNER, STEWARD
from marketplace.finance.actions import reconcile
from marketplace.ledger.chart import STRIPE
from marketplace.ledger.queries import balance
from marketplace.payments.balance import read_balance
from tests.support.demo import come_in, demo_visited
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.browsing import Guest, Visit


async def pays(partner: Guest) -> None:
    """Order what is quoted and pay on Stripe's page; the files are there."""
    async with partner.page.expect_navigation():
        await partner.page.get_by_role("button", name="Order and pay").click()
    assert "/c/pay/" in partner.page.url
    await partner.page.get_by_role("button", name="Pay").click()
    await partner.page.get_by_role("link", name="Download as CSV").first.wait_for()
    await partner.page.wait_for_load_state("load")
    partner.tab.requests.clear()  # Stripe's page, which this one did not load


async def buys_for_longer(partner: Guest) -> None:
    """Buy a licence of three years, at its own price."""
    await partner.page.goto(f"{partner.base}/en/datasets/lyon-nights")
    length = partner.page.get_by_label("Length of the licence")
    await length.select_option(label=await length.locator("option", has_text="36 months").inner_text())
    await partner.press("Ask for a quote")
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
    await partner.press("Order and pay")
    await partner.read("P-20")


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
    await steward.press("Answer, and write to who asked", Answer="refused", **reasons)
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
    await other.go("/finance/credit")
    await other.press("Approve")
    await partner.page.goto(f"{partner.base}/en/datasets/lyon-districts-day")
    await partner.press("Ask for a quote")
    await partner.press("Order", How_you_pay="invoice")
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
