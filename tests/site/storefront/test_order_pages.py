"""The pages of a partner's orders: their list, what one says, and waiting for its money."""

import datetime as dt
import re
import uuid
from typing import Any

import html5lib
import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.refunds import request_order_refund
from tests.people.builders import Browser, spender_for
from tests.sales.builders.shop import counts, jobs, make_buyer, make_quote, open_shop, order_of, pay, place_order
from tests.support.reads import fetch_value


@pytest.mark.parametrize(
    "case",
    [
        ("FR", True, 2000, "French VAT: your company"),
        ("DE", True, 0, "Reverse charge"),
        ("DE", False, 2000, "VIES has not confirmed"),
        ("US", False, 0, "No French VAT"),
    ],
    ids="{0[0]} {0[1]}".format,
)
async def test_the_order_says_which_vat_and_why(stripe: Any, case: tuple[str, bool, int, str]) -> None:
    country, confirmed, rate, sentence = case

    release = await open_shop()
    partner = await make_buyer(country=country, confirmed=confirmed)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        await place_order(browser, quote)
        row = await order_of(quote)
        assert (row["vat_basis_points"], row["total_minor"]) == (rate, row["net_minor"] + row["vat_minor"])
        assert sentence in (await browser.get(f"/en/orders/{row['id']}")).text
        (session,) = stripe.list("checkout/sessions")
        assert session["amount_total"] == row["total_minor"]
        (customer,) = stripe.list("customers")
        assert (session["customer"], customer["email"]) == (customer["id"], "atelier@partner.example")


@pytest.mark.usefixtures("stripe")
async def test_an_order_says_step_by_step_what_happened_to_it_in_both_languages() -> None:
    release, partner = await open_shop(), await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        address = (await place_order(browser, quote)).headers["location"]
        order = (await order_of(quote))["id"]
        path = f"orders/{order}"
        assert steps_in(await browser.get(f"/en/{path}")) == ["Quoted", "Ordered"], "nothing that has not happened yet"
        await pay(address)
        await jobs()
        bought = ["Quoted", "Ordered", "Paid", "Here to download; the licence begins"]
        assert steps_in(await browser.get(f"/en/{path}")) == bought
        await request_order_refund(order, "goodwill", refund_id=uuid.uuid4(), amount_minor=1_000)
        await jobs()
        note = await fetch_value("SELECT number FROM invoice WHERE kind = 'credit_note'")
        assert steps_in(await browser.get(f"/en/{path}")) == [*bought, f"Credit note {note}: €10.00"]
        french = [
            "Devis établi",
            "Commandée",
            "Payée",
            "À télécharger ici ; la licence commence",
            f"Avoir {note} : 10,00 €",
        ]
        shown = await browser.get(f"/fr/{path}")
        assert steps_in(shown) == french
        assert re.search(r'<h1>[^<]*<span class="nowrap">P-\d{4}-\d{6}</span></h1>', shown.text), "never two lines"
        with clock.shifted(dt.timedelta(days=400)):
            await browser.sign_in("atelier@partner.example")
            assert steps_in(await browser.get(f"/en/{path}"))[-1] == "Licence ended"


def steps_in(page: httpx.Response) -> list[str]:
    """Return the steps that an order's page lists; each has its instant, none earlier than the one before."""
    html5lib.HTMLParser(strict=True).parse(page.text)
    found = re.findall(r'<li class="spread"><span>(.*?)</span>\s+<time\s+class="muted" datetime="(.*?)">', page.text)
    instants = [dt.datetime.fromisoformat(at) for _, at in found]
    assert instants == sorted(instants)
    return [" ".join(words.split()) for words, _ in found]


async def test_who_has_just_paid_waits_for_no_webhook(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        address = (await place_order(browser, quote)).headers["location"]
        page = f"/en/orders/{(await order_of(quote))['id']}"
        early = await browser.get(f"{page}?returned=1")
        assert early.headers["refresh"] == "2"
        assert "Stripe is confirming your payment" in early.text
        assert "refresh" not in (await browser.get(page)).headers
        await pay(address)
        late = await browser.get(f"{page}?returned=1")
        assert "refresh" not in late.headers
        assert "Download as CSV" in late.text
        assert (await browser.get(f"{page}?returned=maybe")).status_code == 400
    assert await counts("licence", "entitlement", "stripe_event") == (1, 1, 0)
    assert stripe


async def test_lists_are_paged(stripe: Any) -> None:
    release = await open_shop()
    partner = await make_buyer()
    for _ in range(27):
        how = {"by": await spender_for(partner), "email": "a@b.example", "reason": "For another of our shops."}
        await order(partner, await make_quote(partner, release), order_id=uuid.uuid4(), **how)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        first, second = await browser.get("/en/orders"), await browser.get("/en/orders?page=2")
        assert [page.text.count("/en/orders/") for page in (first, second)] == [25, 2]
        assert 'rel="next"' in first.text
        assert 'rel="next"' not in second.text
        assert (await browser.get("/en/orders?page=0")).status_code == 400
    await execute("DELETE FROM session")
    assert stripe
