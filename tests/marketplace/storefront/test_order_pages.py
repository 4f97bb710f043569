"""The pages of a partner's orders: their list, what one says, and waiting for its money."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from marketplace.database import execute
from marketplace.purchases.actions import order
from tests.marketplace.identity.site import Browser
from tests.marketplace.purchases.shop import counts, make_buyer, make_quote, open_shop, order_of, pay, place_order


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
        await order(partner, await make_quote(partner, release), order_id=uuid.uuid4(), email="a@b.example")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        first, second = await browser.get("/en/orders"), await browser.get("/en/orders?page=2")
        assert [page.text.count("/en/orders/") for page in (first, second)] == [25, 2]
        assert 'rel="next"' in first.text
        assert 'rel="next"' not in second.text
        assert (await browser.get("/en/orders?page=0")).status_code == 400
    await execute("DELETE FROM session")
    assert stripe
