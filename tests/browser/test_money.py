"""Money in Chromium: ways to pay a large order, a bank transfer under way, a dispute; what is stuck, tried again and given up."""

import datetime as dt
import uuid

import httpx
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity import actions as identity
from marketplace.sales.orders.actions import order
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import add_staff, spender_for
from tests.sales.builders.shop import jobs, open_shop, pay
from tests.support.browsing import Guest, open_visit
from tests.support.decisions import approve_waiting
from tests.support.market import PASSWORD, Market, running
from tests.support.reads import fetch_value

EMAIL = "camille@people.example"


async def large_order() -> uuid.UUID:
    """Open a shop and order a release at a thousand euros before VAT; let finance in."""
    release = await open_shop()
    await have_everything_cost(100_000)
    partner = await identity.create_partner(
        company="Atelier Urbain",
        country="FR",
        vat_number="FR14987654324",
        name="Camille",
        email=EMAIL,
        password=PASSWORD,
    )
    await identity.vet_partner(partner, "Steward")
    await add_staff("nora@people.example", "Nora", "finance", PASSWORD)
    quote = await catalogue.quote(partner, release, quote_id=uuid.uuid4())
    return await order(partner, quote, by=await spender_for(partner), order_id=uuid.uuid4(), email=EMAIL)


async def pays_by_transfer(partner: Guest, number: uuid.UUID, market: Market) -> None:
    await partner.go(f"/orders/{number}")
    await partner.read("you have two weeks to send it")
    address = await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", number)
    await pay(address, "transfer")
    await jobs()
    await partner.go(f"/orders/{number}")
    await partner.read("Still to send")
    customer = await fetch_value("SELECT customer_id FROM payer")
    async with httpx.AsyncClient(base_url=market.stripe, auth=(settings().stripe_key, "")) as bank:
        sent = {"amount": 120_000, "currency": "eur"}
        (await bank.post(f"/v1/test_helpers/customers/{customer}/fund_cash_balance", data=sent)).raise_for_status()
    await jobs()
    await partner.go(f"/orders/{number}")
    await partner.read("Download as Parquet")


async def hears_of_a_dispute(partner: Guest, number: uuid.UUID, market: Market) -> None:
    intent = await fetch_value("SELECT payment_intent_id FROM payment WHERE subject = $1", number)
    dispute = (await market.control("dispute", payment_intent=intent)).json()
    await jobs()
    await partner.go(f"/orders/{number}")
    await partner.read("disputed at your bank")
    await market.control("close_dispute", dispute=dispute["id"], won=True)
    await jobs()
    await jobs()
    await partner.go(f"/orders/{number}")
    await partner.read("Download as Parquet")


async def sees_what_is_stuck(finance: Guest, number: uuid.UUID, market: Market) -> None:
    await market.control("fault", kind="status", status=503, path="/v1/refunds", method="POST", times=1)
    await finance.go(f"/finance/orders/{number}")
    await finance.press("Propose this refund", Reason="A gesture.", Amount_in_euros="120,00")
    await approve_waiting()
    await run_commands()
    hour = dt.timedelta(hours=1)
    await execute(
        "UPDATE stripe_command SET created_at = created_at - $1::interval, next_at = $2 WHERE state = 'pending'",
        hour,
        clock.now() + hour,
    )
    await finance.go("/finance")
    await finance.click("Stuck")
    await finance.read("APIError 503")
    await finance.press("Try again")
    await jobs()
    await finance.go("/finance/commands")
    await finance.read("Nothing is stuck.")
    await finance.go(f"/finance/orders/{number}")


@pytest.mark.deep
async def test_money_is_clicked(chromium: str) -> None:
    async with running() as market:
        number = await large_order()
        async with open_visit(chromium, market) as visit:
            partner, finance = await visit.guest(), await visit.guest()
            await partner.sign_in(EMAIL)
            await pays_by_transfer(partner, number, market)
            await finance.sign_in("nora@people.example")
            await sees_what_is_stuck(finance, number, market)
            await partner.go(f"/orders/{number}")
            await partner.read("Given back")
            await hears_of_a_dispute(partner, number, market)
