"""A person without a mouse: Tab, Enter, Space and typing, in either language; every page they come to is looked at."""

import os
import re

from playwright.async_api import Browser, ViewportSize

from marketplace.core.web import formats
from marketplace.core.web.i18n import gettext, language
from tests.support.browsing import Tab, Troubles

MOST_TABS = 250
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const label = one.labels && one.labels.length ? one.labels[0].innerText : '';
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== 'none' && style.outlineWidth !== '0px' || style.boxShadow !== 'none';
  const seen = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
  const name = one.getAttribute('aria-label') || label || one.textContent || one.value || '';
  return [name.replace(/\\s+/g, ' ').trim(), ring && seen];
}"""
"""The name of what has the focus, and whether it can be seen to have it; nothing where the page itself has it."""


class Typist:
    """Somebody at a keyboard; names are the English ones, read in the person's language."""

    def __init__(self, tab: Tab, base: str, spoken: str) -> None:
        """Sit down before a tab; nobody is signed in yet."""
        self.tab, self.page, self.base, self.spoken = tab, tab.page, base, spoken

    def translated(self, text: str, **fields: object) -> str:
        """Return a sentence as this person reads it, spaces that do not break as plain ones."""
        before = language.set(self.spoken)
        try:
            found = gettext(text) % fields if fields else gettext(text)
        finally:
            language.reset(before)
        return re.sub(r"\s+", " ", found)

    def day_in_words(self, text: str) -> str:
        """Return a day or month, `2026-11-28` or `2026-11`, as this person reads it."""
        before = language.set(self.spoken)
        try:
            return formats.day_in_words(text)
        finally:
            language.reset(before)

    async def reach(self, text: str, **fields: object) -> None:
        """Press Tab until what is called so has the focus, and can be seen to have it.

        Without its fields a sentence is read up to the first of them; a text that ends in … is the beginning of one.
        """
        wanted = self.translated(text, **fields)
        begins = wanted.partition("%(")[0].removesuffix("…")
        passed: list[str] = []
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Tab")
            if found := await self.page.evaluate(FOCUSED):
                passed.append(found[0][:40])
                if found[0] == wanted or (begins != wanted and found[0].startswith(begins)):
                    assert found[1], f"{wanted} shows no focus on {self.page.url}"
                    return
        raise AssertionError(f"{wanted} is not reached by the keyboard on {self.page.url}: {passed[:60]}")

    async def type(self, label: str, text: str) -> None:
        """Type into a field."""
        await self.reach(label)
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(text)

    async def follow(self, text: str, *, key: str = "Enter", **fields: object) -> None:
        """Follow a link with Enter, or press a button with Space, and have the page that comes looked at."""
        await self.reach(text, **fields)
        async with self.page.expect_navigation():
            await self.page.keyboard.press(key)
        await self.look()

    async def press(self, text: str, **fields: object) -> None:
        """Press a button."""
        await self.follow(text, key="Space", **fields)

    async def go_on_foot(self, *links: str) -> None:
        """Follow links one after the other, the first of them in the navigation, whose menu is opened where it is narrow."""
        if await self.page.locator(".menu-button:not(.close)").is_visible():
            await self.reach("Menu")
            await self.page.keyboard.press("Enter")
            await self.look()
        for link in links:
            await self.follow(link)

    async def look(self) -> None:
        """Have the page looked at where it is; keep a picture where PICTURES says, for people who look."""
        width = self.page.viewport_size["width"] if self.page.viewport_size else 0
        await self.tab.look(f"{self.spoken}, {width} px")
        if folder := os.environ.get("PICTURES"):
            name = re.sub(r"[^a-z]+", "-", self.page.url.partition("//")[2].partition("?")[0])
            await self.page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)

    async def reads(self, text: str, **fields: object) -> bool:
        """Return whether the page shows a sentence."""
        shown = re.sub(r"\s+", " ", await self.page.locator("main").inner_text())
        return self.translated(text, **fields) in shown


async def sit_down(browser: Browser, troubles: Troubles, base: str, spoken: str, size: ViewportSize) -> Typist:
    """Give somebody a browser of their own: French and dark, or English and light."""
    context = await browser.new_context(
        locale={"fr": "fr-FR", "en": "en-GB"}[spoken],
        color_scheme="dark" if spoken == "fr" else "light",
        viewport=size,
    )
    return Typist(Tab(await context.new_page(), troubles), base, spoken)
