"""One search for everybody who is signed in: each finds datasets and what is theirs, and nobody finds another's numbers."""

from pathlib import Path

import html5lib
import pytest

from marketplace.core.database import execute
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.subscribers.earnings.actions import hold_shares
from tests.people.builders import Browser, make_staff, visiting
from tests.sales.builders.auctions import open_reverse_auction
from tests.sales.builders.shop import jobs, make_buyer, make_quote, open_shop, order_of, pay, place_order
from tests.subscribers.builders import sales
from tests.support.reads import fetch, fetch_value

LARGEST_SCRIPT_BYTES = 1_000


async def page_found(browser: Browser, text: str, language: str = "en") -> str:
    """Return the page of what was found."""
    answer = await browser.get(f"/{language}/find", params={"text": text})
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


@pytest.mark.usefixtures("stripe")
async def test_one_search_finds_datasets_and_of_orders_and_invoices_ones_own() -> None:
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
            assert f'href="/en/orders/{order["id"]}"' in await page_found(atelier, f" {text} ")
            assert "/orders/" not in (await page_found(rival, text)).partition("<main")[2].partition("</main")[0]
            assert "/orders/" not in (await page_found(steward, text)).partition("<main")[2].partition("</main")[0]
        for browser in (atelier, rival, finance, steward):
            assert 'href="/fr/datasets/lyon"' in await page_found(browser, "lyon", "fr"), (
                "what is for sale is everybody's"
            )
        assert f'href="/en/finance/orders/{order["id"]}"' in await page_found(finance, order["number"])
        for nothing in ("%", "x", "", "nowhere to be found", "' OR 1=1"):
            assert "/datasets/lyon" not in await page_found(atelier, nothing)
        assert (await Browser().get("/en/find")).status_code == 303, "a stranger signs in first"


async def test_a_steward_finds_what_stewards_pages_list_and_nobody_else_does() -> None:
    await open_shop()
    await make_buyer("rival")
    await execute("UPDATE offer SET withdrawn_at = now() - interval '1 day', listed_at = now() - interval '2 days'")
    await execute(
        """INSERT INTO data_request (id, digest, place, product, grain, starts_on, ends_on, asked_at)
           VALUES (gen_random_uuid(), 'x', 'Lyon-Est', 'presence', 'day', '2026-01-01', '2026-01-31', now())"""
    )
    [asked] = [row["id"] for row in await fetch("SELECT id FROM data_request")]
    [rival] = [row["id"] for row in await fetch("SELECT id FROM partner")]
    purpose, category = await fetch_value("SELECT code FROM purpose"), await fetch_value("SELECT category FROM purpose")
    async with Browser() as steward, Browser() as auditor, Browser() as finance, Browser() as partner:
        for browser, name, role in (
            (steward, "Samir", "steward"),
            (auditor, "Paul", "auditor"),
            (finance, "Nora", "finance"),
        ):
            person = (await make_staff(name, role)).person
            browser.client.cookies.set(COOKIE, (await begin_session(person)).value or "")
        await partner.sign_in("rival@partner.example")
        for text, path in (
            ("lyon", "/steward/datasets/lyon"),
            ("lyon-est", f"/steward/requests/{asked}"),
            (category.upper(), f"/steward/purposes/{purpose}"),
            ("RIVAL", f"/partners/{rival}"),
        ):
            for browser in (steward, auditor):
                page = await page_found(browser, text)
                assert f'href="/en{path}"' in page, text
                assert (await browser.get(f"/en{path}")).status_code == 200, "what is found can be opened"
            for browser in (finance, partner):
                assert path not in await page_found(browser, text), text
        assert "/steward/offers/lyon" not in await page_found(steward, "lyon"), "it is not offered any more"
        await execute("UPDATE offer SET withdrawn_at = NULL")
        assert 'href="/fr/steward/offers/lyon"' in await page_found(steward, "lyon", "fr")


async def test_a_subscriber_finds_the_shares_and_choices_of_their_own_pages_alone() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 3, 2: 1}), 100_000)
    assert await hold_shares() == 1
    title, purpose = await fetch_value("SELECT title_en FROM dataset"), await fetch_value("SELECT code FROM purpose")
    async with visiting(1) as ada, visiting(3) as other:
        for text in (title.upper(), await fetch_value("SELECT title_fr FROM dataset")):
            page = (await ada.get("/en/find", params={"text": text})).text
            html5lib.HTMLParser(strict=True).parse(page)
            assert f'href="/en/earnings/shares/{licence}"' in page
            assert str(licence) not in (await other.get("/en/find", params={"text": text})).text, "who is not in it"
        for reader in (ada, other):
            page = (
                await reader.get("/en/find", params={"text": await fetch_value("SELECT title_en FROM purpose")})
            ).text
            assert f'href="/en/consent/choices/{purpose}"' in page
        assert (await ada.get(f"/en/earnings/shares/{licence}")).status_code == 200
        assert "/steward/" not in (await ada.get("/en/find", params={"text": "lyon"})).text


async def test_a_call_for_contributors_is_found_by_its_dataset_or_groups_by_who_may_open_it() -> None:
    call, _ = await open_reverse_auction()
    title = await fetch_value("SELECT title_en FROM dataset")
    group = await fetch_value("SELECT title_fr FROM reverse_auction_stratum")
    await make_buyer("rival")
    async with visiting(1) as ada, Browser() as steward, Browser() as auditor, Browser() as rival:
        for browser, role in ((steward, "steward"), (auditor, "auditor")):
            person = (await make_staff(role.title(), role)).person
            browser.client.cookies.set(COOKIE, (await begin_session(person)).value or "")
        await rival.sign_in("rival@partner.example")
        for text in (title, group):
            page = (await ada.get("/fr/find", params={"text": text})).text
            assert f'href="/fr/calls/{call}"' in page, text
        assert (await ada.get(f"/fr/calls/{call}")).status_code == 200
        assert 'href="/en/steward/calls"' in (await page_found(steward, title)).partition("<main")[2]
        for browser in (auditor, rival):
            assert "/calls" not in (await page_found(browser, title)).partition("<main")[2], "who cannot open it"


def test_the_script_of_the_keys_is_small() -> None:
    script = Path(__file__).parents[3] / "marketplace/core/web/static/find.js"
    assert len(script.read_bytes()) <= LARGEST_SCRIPT_BYTES
