"""One search for everybody who is signed in: each finds datasets and what is theirs, and nobody finds another's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import html5lib

from marketplace.identity.guards import COOKIE, begin_session
from tests.marketplace.identity.site import Browser, make_staff
from tests.marketplace.purchases.shop import jobs, make_buyer, make_quote, open_shop, order_of, pay, place_order
from tests.support.reads import fetch_value

LARGEST_SCRIPT_BYTES = 1_000


async def found(browser: Browser, text: str, language: str = "en") -> str:
    """Return the page of what was found."""
    answer = await browser.get(f"/{language}/find", params={"text": text})
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


async def test_one_search_finds_datasets_and_of_orders_and_invoices_ones_own(stripe: Any) -> None:
    del stripe
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    nora, samir = await make_staff("Nora"), await make_staff("Samir", "steward")
    async with Browser() as atelier, Browser() as rival, Browser() as finance, Browser() as steward:
        await atelier.sign_in("atelier@partner.example")
        await rival.sign_in("rival@partner.example")
        finance.client.cookies.set(COOKIE, (await begin_session(nora.person)).value or "")
        steward.client.cookies.set(COOKIE, (await begin_session(samir.person)).value or "")
        quote = await make_quote(partner, release)
        await pay((await place_order(atelier, quote)).headers["location"])
        await jobs()
        order, invoice = await order_of(quote), await fetch_value("SELECT number FROM invoice")
        for text in (order["number"], order["number"].lower(), invoice, "lyon"):
            assert f'href="/en/orders/{order["id"]}"' in await found(atelier, f" {text} ")
            assert "/orders/" not in (await found(rival, text)).partition("<main")[2].partition("</main")[0]
            assert "/orders/" not in (await found(steward, text)).partition("<main")[2].partition("</main")[0]
        for browser in (atelier, rival, finance, steward):
            assert 'href="/fr/datasets/lyon"' in await found(browser, "lyon", "fr"), "what is for sale is everybody's"
        assert f'href="/en/finance/orders/{order["id"]}"' in await found(finance, order["number"])
        for nothing in ("%", "x", "", "nowhere to be found", "' OR 1=1"):
            assert "/datasets/lyon" not in await found(atelier, nothing)
        assert (await Browser().get("/en/find")).status_code == 303, "a stranger signs in first"


def test_the_script_of_the_keys_is_small() -> None:
    script = Path(__file__).parents[3] / "marketplace/web/static/find.js"
    assert len(script.read_bytes()) <= LARGEST_SCRIPT_BYTES
