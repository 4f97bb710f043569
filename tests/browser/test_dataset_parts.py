"""A dataset's page in parts in Chromium: one at a time with and without scripts, by keyboard, on a phone, all of them printed."""

import pytest
from playwright.async_api import Page

from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week
from tests.support.browsing import DESK, HIGHEST, PHONE, Guest, is_within, open_visit
from tests.support.market import running

PARTS = ("overview", "data", "method", "quality", "use", "history", "provider")
SHOWN = """() => [...document.querySelectorAll('.part')].filter(part => [...part.children].some(one => one.checkVisibility())).map(part => part.id)"""


async def parts_shown(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(SHOWN)
    return found


async def looks_at_each(guest: Guest) -> None:
    """Follow the page's own links, and have each part looked at on a desk and on a dark phone in French."""
    assert await parts_shown(guest.page) == ["overview"]
    links = guest.page.get_by_role("navigation", name="Parts of this page").get_by_role("link")
    assert await links.count() == len(PARTS)
    for number, part in enumerate(PARTS):
        await links.nth(number).focus()
        await guest.page.keyboard.press("Enter")
        await guest.page.wait_for_url(f"**#{part}")
        assert await parts_shown(guest.page) == [part]
        await guest.page.wait_for_selector(f"a[href='#{part}'][aria-current=true]")
        assert await guest.page.evaluate("scrollY") == 0, "the page stays where its title is seen"
        await guest.look()


async def filters_without_scripts(plain: Guest) -> None:
    """Filter and sort the rows: each answer is in the same part."""
    page = plain.page
    await page.goto(f"{plain.base}/en/datasets/lyon#data")
    assert await parts_shown(page) == ["data"]
    rows = page.locator("#data .tall tbody tr")
    every = await rows.count()
    zone = await rows.nth(0).locator("th").inner_text()
    await page.get_by_label("Zone", exact=True).fill(zone)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Filter").click()
    assert await parts_shown(page) == ["data"]
    assert 0 < await rows.count() < every
    async with page.expect_navigation():
        await page.get_by_role("link", name="People", exact=True).click()
    assert await parts_shown(page) == ["data"]
    people = [int(text.replace(",", "")) for text in await rows.locator("td:nth-child(4)").all_inner_texts()]
    assert people == sorted(people, reverse=True)
    assert 0 < len(people) < every, "the filter is kept"


async def buys_without_scripts(plain: Guest) -> None:
    """Find price and button where one looks first: beside the title on a desk, in a bar that stays in sight on a phone."""
    page, bar = plain.page, plain.page.locator(".buy-bar")
    await page.goto(f"{plain.base}/en/datasets/lyon")
    assert not await bar.is_visible()
    await is_within(HIGHEST, page.locator(".offer .figure"), page.get_by_role("link", name="Sign in to buy"))
    await page.set_viewport_size(PHONE)
    for part in ("", "#data"):
        await page.goto(f"{plain.base}/en/datasets/lyon{part}")
        await page.mouse.wheel(0, 900)
        drawn = await bar.bounding_box()
        assert drawn
        assert drawn["y"] + drawn["height"] == PHONE["height"]
        assert "€" in await bar.inner_text()
        await bar.get_by_role("link", name="Buy").click()
        button = await page.get_by_role("link", name="Sign in to buy").bounding_box()
        assert button
        assert 0 <= button["y"] < PHONE["height"], "the button is where one looks"
    await page.set_viewport_size(DESK)


@pytest.mark.deep
async def test_a_dataset_is_read_part_by_part(chromium: str) -> None:
    async with running() as market:
        await open_catalogue()
        await seal_week()
        await make_vetted_partner()
        async with open_visit(chromium, market) as visit:
            guest, plain = await visit.guest(), await visit.guest(scripts=False)
            await guest.go("/datasets/lyon")
            await looks_at_each(guest)
            await filters_without_scripts(plain)
            await buys_without_scripts(plain)
            await guest.page.emulate_media(media="print")
            assert await parts_shown(guest.page) == list(PARTS), "all of it is printed"
            assert len(visit.troubles.pages) == 2
            heaviest = sum(weight for url, weight in visit.troubles.weights.items() if "/fr/" not in url)
            print(f"bytes of the page and what it loads: {heaviest}")
