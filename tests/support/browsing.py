"""Someone at a browser: clicks through the site, and has every page they come to looked at with care.

A page is looked at in English, light and wide, where they are; then in French, dark and 390 pixels wide. What is wrong
with it is collected, so that one run reports all of it: axe's violations, what scrolls sideways, what is loaded from
elsewhere, what weighs too much, what the page's own policy refused.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

from tests.support.kept import KEPT
from tests.support.market import PASSWORD, Market

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PRINTED = """() => {
  const shown = box => box.checkVisibility() && box.getClientRects().length > 0;
  const navigation = [...document.querySelectorAll('.masthead nav, .masthead button, .quick a, .footer a, .button')].filter(shown).length;
  return [shown(document.querySelector('main h1')), navigation, document.scrollingElement.scrollWidth, innerWidth];
}"""
"""Whether the title is printed, how many navigations are, how wide the page is, and in how much room."""
INSPECT = """async () => {
  await Promise.allSettled(document.getAnimations().map(animation => animation.finished));
  const {violations} = await axe.run(document, {resultTypes: ['violations']});
  const found = violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 160)}`));
  return [found, [document.scrollingElement.scrollWidth, innerWidth]];
}"""
HEAVIEST_BYTES = 150 * 1024
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
HIGHEST = 400
"""Pixels from the top of a desk's window within which a partner sees the price and can buy."""
PATIENCE_MILLISECONDS = 20_000
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@dataclass
class Troubles:
    """What is wrong with the pages seen, and which those are."""

    pages: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)
    """Bytes of each file when it last came over the wire; a page weighs what it loads, kept copies included."""


class Tab:
    """A tab, and what it has loaded since it was last asked."""

    def __init__(self, page: Page, troubles: Troubles) -> None:
        """Listen to what the page loads and to what its policy refuses."""
        self.page, self.troubles, self.requests = page, troubles, list["Request"]()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("requestfinished", self._loaded)
        page.on("requestfailed", self._failed)
        page.on("pageerror", lambda error: self._report(f"script failed: {error}"))
        page.on("console", self._heard)

    def _report(self, trouble: str) -> None:
        self.troubles.found.append(f"{self.page.url}: {trouble}")

    def _loaded(self, request: Request) -> None:
        self.requests.append(request)

    def _heard(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self._report(message.text)

    def _failed(self, request: Request) -> None:
        # A download ends the navigation that asked for it, and no page waits for its icon: going on aborts that.
        is_aborted = request.url.endswith("/icon.svg") and request.failure == "net::ERR_ABORTED"
        if request.resource_type != "document" and not is_aborted:
            self._report(f"did not load {request.url}: {request.failure}")

    async def look(self, how: str) -> None:
        """Collect what is wrong with the page as it is."""
        await self.page.wait_for_load_state("load")
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE)
        violations, widths = await self.page.evaluate(INSPECT)
        for violation in violations:
            self._report(f"{how}: {violation}")
        if widths[0] > widths[1]:
            self._report(f"{how}: scrolls sideways, {widths[0]} px in {widths[1]} px")
        await self._weigh()
        self.troubles.pages.add(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", urlsplit(self.page.url).path))

    async def _weigh(self) -> None:
        loaded, self.requests[:] = list(self.requests), []
        here, weight = urlsplit(self.page.url).netloc, 0
        for request in loaded:
            sizes = await request.sizes()
            came = sizes["responseBodySize"] + sizes["responseHeadersSize"]
            self.troubles.weights[request.url] = max(came, self.troubles.weights.get(request.url, 0))
            if request.resource_type != "document" and urlsplit(request.url).netloc != here:
                self._report(f"loads {request.url}")
            if request.resource_type != "document" or request.url == self.page.url:
                weight += self.troubles.weights[request.url]
        if weight > HEAVIEST_BYTES:
            self._report(f"weighs {weight} bytes")


async def _arrive(page: Page, address: str) -> None:
    """Go to an address; a page that waits for a file reads itself anew, and may come between: it is left first."""
    for leaving in ("about:blank", address):
        try:
            await page.goto(leaving)
        except Error as error:
            if "interrupted by another navigation" not in str(error):
                raise
            await page.wait_for_load_state()
            await page.goto(leaving)


async def is_within(pixels: int, *things: Locator) -> None:
    """Fail unless all of it is drawn in so many pixels from the top of a page that nobody has scrolled."""
    for thing in things:
        drawn = await thing.bounding_box()
        assert drawn
        assert await thing.page.evaluate("scrollY") == 0
        assert drawn["y"] + drawn["height"] <= pixels, f"{thing} ends at {drawn['y'] + drawn['height']} px"


class Guest:
    """One person: a browser on a desk, and the same session in French on a dark phone."""

    def __init__(
        self, base: str, desk: BrowserContext, phone: BrowserContext, tab: Tab, handset: Tab, *, looks: bool
    ) -> None:
        """Sit down; nobody is signed in yet."""
        self.base, self.desk, self.phone, self.tab, self.handset = base, desk, phone, tab, handset
        self.page, self.looks = tab.page, looks

    async def go(self, path: str) -> None:
        """Type an address."""
        await self.page.goto(f"{self.base}/en{path}")
        await self.look()

    async def click(self, name: str, *, role: Any = "link", exact: bool = True) -> None:
        """Click the first thing of that name, and look at the page it leads to."""
        await self._follow(self.page.get_by_role(role, name=name, exact=exact))
        await self.look()

    async def click_in_table(self) -> None:
        """Click the first link of a table below its headings, which sort it, and look at the page it leads to."""
        await self._follow(self.page.locator("main table tbody a"))
        await self.look()

    async def press(self, name: str, *, again_by_address: bool = True, **fields: str) -> None:
        """Fill fields by their labels and press the button; `again_by_address` says the answer has an address."""
        for label, value in fields.items():
            box = self.page.get_by_role("main").get_by_label(label.replace("_", " "), exact=False).first
            if await box.evaluate("box => box.tagName") == "SELECT":
                await box.select_option(value)
            else:
                await box.fill(value)
        await self._follow(self.page.get_by_role("main").get_by_role("button", name=name))
        await self.look(again_by_address=again_by_address)

    async def _follow(self, leading: Locator) -> None:
        """Click the first of them and wait until the page it leads to is there."""
        async with self.page.expect_navigation():
            await leading.first.click()

    async def read(self, text: str) -> None:
        """Wait until the page shows it; a choice in a closed list is not shown."""
        await self.page.get_by_text(text).filter(visible=True).first.wait_for()

    async def sign_in(self, email: str) -> None:
        """Sign in on the page."""
        await self.go("/sign-in")
        await self.press("Sign in", Email=email, Password=PASSWORD)

    async def download(self, name: str) -> bytes:
        """Click the first download of a name and return the file."""
        async with self.page.expect_download() as downloading:
            await self.page.get_by_role("link", name=name).first.click()
        file = await downloading.value
        return (await file.path()).read_bytes()

    async def look(self, *, again_by_address: bool = True) -> None:
        """Have the page looked at, here and in French on a dark phone; a form's answer is looked at where it is."""
        if not self.looks:
            return
        await self.tab.look("desk")
        if again_by_address and "/en" in self.page.url:
            await self.phone.add_cookies(await self.desk.cookies())  # type: ignore[arg-type] # it takes what it gave
            await _arrive(self.handset.page, self.page.url.replace("/en", "/fr", 1))
            assert await self.handset.page.get_attribute("html", "lang") == "fr"
            await self.handset.look("French dark phone")
        else:
            await self.page.set_viewport_size(PHONE)
            await self.page.emulate_media(color_scheme="dark")
            await self.tab.look("dark phone")
            await self.page.emulate_media(color_scheme="light")
            await self.page.set_viewport_size(DESK)

    async def look_otherwise(self) -> None:
        """Have the page looked at in forced colours, and as it is printed: its title, no navigation, nothing cut."""
        page = self.page
        await page.emulate_media(forced_colors="active")
        await self.tab.look("forced colours")
        await page.emulate_media(forced_colors="none", media="print")
        has_title, navigation, width, room = await page.evaluate(PRINTED)
        assert has_title, f"no title is printed of {page.url}"
        assert not navigation, f"{navigation} navigations are printed of {page.url}"
        assert width <= room, f"{page.url} is cut when printed"
        await page.emulate_media(media="screen")


class Visit:
    """The browser, and everyone who uses it."""

    def __init__(self, browser: Browser, market: Market) -> None:
        """Open with no one in it."""
        self.browser, self.market, self.troubles = browser, market, Troubles()

    async def guest(self, *, scripts: bool = True) -> Guest:
        """Give someone a browser of their own."""
        desk = await self.browser.new_context(
            locale="en-GB",
            color_scheme="light",
            viewport=DESK,
            java_script_enabled=scripts,
        )
        phone = await self.browser.new_context(locale="fr-FR", color_scheme="dark", viewport=PHONE)
        tab, handset = Tab(await desk.new_page(), self.troubles), Tab(await phone.new_page(), self.troubles)
        return Guest(self.market.base, desk, phone, tab, handset, looks=scripts)


@contextlib.asynccontextmanager
async def chromium_of(executable: str) -> AsyncIterator[Browser]:
    """Run a Chromium that speaks to nobody but us."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable or None, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


_kept: list[Browser] = []


async def kept_chromium(executable: str) -> Browser:
    """Return the Chromium that this worker's tests share; it runs until their last."""
    if not _kept or not _kept[0].is_connected():
        _kept[:] = [await KEPT.enter_async_context(chromium_of(executable))]
    return _kept[0]


@contextlib.asynccontextmanager
async def open_visit(executable: str, market: Market) -> AsyncIterator[Visit]:
    """Open Chromium before the running marketplace; at the end no page may have been in trouble."""
    browser = await kept_chromium(executable)
    visit = Visit(browser, market)
    try:
        yield visit
    finally:
        for context in list(browser.contexts):
            await context.close()
        print(f"{len(visit.troubles.pages)} pages looked at:", *sorted(visit.troubles.pages), sep="\n  ")
        print(*dict.fromkeys(visit.troubles.found), sep="\n")
    assert visit.troubles.found == []
