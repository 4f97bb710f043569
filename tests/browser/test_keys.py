"""The keys in Chromium: / and Ctrl+K lead to the search from anywhere but a field, j and k move through the messages."""

import pytest

from marketplace.core.database import transaction
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.message_kinds import SUBSCRIPTION_ENDED
from tests.support.browsing import open_visit
from tests.support.market import let_people_in, running
from tests.support.reads import fetch

FOCUSED = "document.activeElement.textContent.trim() || document.activeElement.name"


@pytest.mark.deep
async def test_the_keys_lead_to_the_search_and_through_the_messages(chromium: str) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        await let_people_in(market)
        [partner] = await fetch("SELECT id FROM partner")
        async with transaction():
            for number in range(3):
                to = [Recipient("partner", str(partner["id"]))]
                await send(SUBSCRIPTION_ENDED, number, to, dataset="lyon", id="x")
        guest = await visit.guest()
        page, keyboard = guest.page, guest.page.keyboard
        await page.goto(f"{guest.base}/en/catalogue")
        await keyboard.press("/")
        assert "/find" not in page.url, "a stranger has no search of their own, and keeps the key"
        await guest.sign_in("partner@people.example")
        for key in ("/", "Control+k"):
            await page.goto(f"{guest.base}/en/catalogue")
            await page.get_by_role("main").get_by_label("Search").first.focus()
            await keyboard.press(key)
            assert page.url.endswith("/en/catalogue"), "who types is not led away"
            await page.locator("main").focus()
            async with page.expect_navigation():
                await keyboard.press(key)
            assert page.url.endswith("/en/find")
        await guest.look()
        await page.locator("main").focus()
        await keyboard.press("/")
        assert await page.evaluate(FOCUSED) == "text", "there it leads into the field"
        await keyboard.type("a/b")
        assert await page.locator("#text").input_value() == "a/b"
        await guest.go("/inbox")
        await guest.read("Keys: j and k move")
        links = page.locator("ul.messages li a")
        for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
            await keyboard.press(key)
            assert await links.nth(place).evaluate("link => link === document.activeElement"), key
