"""A bidder's money in a browser: a sealed form with its deposits, and what is owed for an award that was not paid."""

import asyncio
from typing import Any

import pytest

from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.debts import pay_debt, refresh_debt
from tests.browser.builders import Run, is_accessible, shoot, someone
from tests.money.builders import save
from tests.sales.auctions.webs import web_processes
from tests.sales.builders.auctions import announce_of_shop, do_not_pay, end_auction, place
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, open_shop, pay
from tests.support.local_stripe import counterpart, stripe  # noqa: F401 (fixtures)
from tests.support.reads import fetch_value

pytestmark = pytest.mark.deep
PHONE = {"width": 390, "height": 800}


def test_a_sealed_form_with_its_deposits_and_a_debt_until_it_is_paid(
    aside: Run,
    launched: Any,
    stripe: Any,  # noqa: F811
) -> None:
    made: dict[str, Any] = {}

    async def let_them_in() -> None:
        made["release"] = await open_shop()
        for name in ("crook", "ann"):
            made[name] = await make_buyer(name)
            await save(stripe, made[name], token="tok_visa")
        made["auction"] = await announce_of_shop(made["release"], "limited", unsecured_times=3)
        await place(made["ann"], made["auction"], 2 * FLOOR)

    async def does_not_pay() -> None:
        await end_auction(made["auction"])
        await do_not_pay(stripe, made["crook"])
        await run_commands()
        await ending.settle_sales()

    aside(let_them_in)
    with web_processes(1) as webs:
        url, path = webs[0].url, f"/auctions/{made['auction']}"
        dark = someone(launched, url, "crook@partner.example", language="fr", color_scheme="dark", viewport=PHONE)
        light = someone(launched, url, "crook@partner.example", viewport=PHONE)
        for shown, language, least in ((dark, "fr", "0,50"), (light, "en", "0.50")):
            shown.goto(f"{url}/{language}{path}")
            shown.fill("input[name=amount]", least)
            shown.click("main form[action$=bids] .button")
            shown.wait_for_selector("#answer")
            assert shown.input_value("input[name=amount]") == least, "what was typed is kept"
            assert shown.locator("[aria-invalid=true]").count() == 1, "said at the bid, not at the deposit"
            assert shown.locator("details select[name=band] option").count() > 3, "the bands of deposits"
            is_accessible(shown)
            assert shown.evaluate("document.documentElement.scrollWidth") <= 390
            shoot(shown, f"sealed-refused-{language}")
        dark.goto(f"{url}/fr{path}")
        dark.fill("input[name=amount]", "300,00")
        dark.click("main form[action$=bids] .button")
        dark.wait_for_url("**/auctions/*?bid=*")
        shoot(dark, "sealed-accepted-fr")
        aside(does_not_pay)
        for shown, language in ((dark, "fr"), (light, "en")):
            for page in (path, "/auctions/debts"):
                shown.goto(f"{url}/{language}{page}")
                is_accessible(shown)
                assert shown.evaluate("document.documentElement.scrollWidth") <= 390
                shoot(shown, f"{'debts' if 'debts' in page else 'owed'}-{language}")
        assert "Reste à payer" in dark.inner_text("main")

        async def reversed_once_paid() -> None:
            debt = await fetch_value("SELECT id FROM auction_default")
            address = await pay_debt(Actor(name="Crook", partner=made["crook"], vetted=True), debt)
            assert address
            await pay(address)
            await refresh_debt(made["crook"], debt)
            intent = await fetch_value("SELECT payment_intent_id FROM payment WHERE subject = $1", debt)
            await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
            await jobs()
            await ending.settle_sales()

        aside(reversed_once_paid)
        dark.goto(f"{url}/fr/auctions/debts")
        assert "Votre banque examine" in dark.inner_text("main")
        is_accessible(dark)
        shoot(dark, "debts-disputed-fr")
