"""The head of every page in Chromium: low on a phone for everybody, its menu opened by the keyboard and without scripts."""

from playwright.async_api import ViewportSize

from tests.subscribers.builders import sales
from tests.support.browsing import DESK, PHONE, Guest, open_visit
from tests.support.market import activate_line, let_people_in, running

HIGHEST_PX = 56
"""Of the head, wherever it is one."""
NARROWEST: ViewportSize = {"width": 320, "height": 844}
BOTTOMS = "() => [...document.querySelectorAll('.brand, .quick > *, .menu-button:not(.close)')].map(one => one.getBoundingClientRect().bottom)"


async def has_a_low_head(guest: Guest) -> None:
    """Look at the head in both languages on a phone and a desk."""
    page = guest.page
    for language in ("en", "fr"):
        await page.goto(f"{guest.base}/{language}/catalogue")
        for size in (NARROWEST, PHONE, DESK):
            await page.set_viewport_size(size)
            assert max(await page.evaluate(BOTTOMS)) <= HIGHEST_PX, (language, size)
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= size["width"], (language, size)


async def opens_the_menu_by_keyboard(guest: Guest) -> None:
    """Open it, come to its first link, look at it, and close it, in English on a phone."""
    page = guest.page
    await page.set_viewport_size(PHONE)
    await page.goto(f"{guest.base}/en/catalogue")
    links = page.get_by_role("navigation", name="Main").get_by_role("link")
    assert await links.count() == 0, "hidden until it is asked for"
    await page.get_by_role("button", name="Menu", exact=True).focus()
    await page.keyboard.press("Enter")
    await guest.tab.look("open menu")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert await links.first.evaluate("link => link === document.activeElement")
    await page.keyboard.press("Escape")
    assert await links.count() == 0
    await page.set_viewport_size(DESK)
    assert await links.count() > 1, "wide pages show the links"


async def test_the_head_is_low_for_everybody_and_its_menu_opens(chromium: str) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        await let_people_in(market)
        await sales.write_lines([150], unclaimed=(150,))
        await activate_line(market, 150, "subscriber@people.example")
        for email in ("", "partner", "subscriber", "steward", "finance", "auditor"):
            guest = await visit.guest()
            if email:
                await guest.sign_in(f"{email}@people.example")
            await has_a_low_head(guest)
            await opens_the_menu_by_keyboard(guest)
        plain = await visit.guest(scripts=False)
        await plain.page.set_viewport_size(PHONE)
        await plain.page.goto(f"{plain.base}/en/auctions")
        await plain.page.get_by_role("button", name="Menu", exact=True).click()
        await plain.page.get_by_role("link", name="Catalogue", exact=True).first.click()
        await plain.page.wait_for_url("**/en/catalogue")
