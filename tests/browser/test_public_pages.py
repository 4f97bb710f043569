"""What search engines and Lighthouse look for on each public page of the sitemap, on a desk and on a phone, in Chromium.

Title, description, languages, canonical address, robots; words of links; sizes of pictures; room to tap; nothing in the
console, nothing that moves once it is painted. Contrast, width and weight are looked at with every page (`Tab.look`).
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.sales.builders.shop import open_shop
from tests.support.browsing import Tab, open_visit
from tests.support.market import running

WATCH: Final = """
window.moved = 0;
new PerformanceObserver(list => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.moved += one.value; })
  .observe({type: 'layout-shift', buffered: true});
"""
READ: Final = """async () => {
  const of = (selector, name) => [...document.querySelectorAll(selector)].map(one => one.getAttribute(name));
  const {violations} = await axe.run(document, {runOnly: ['target-size', 'color-contrast', 'image-alt', 'link-name']});
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return {
    title: document.title,
    description: of('meta[name=description]', 'content'),
    canonical: of('link[rel=canonical]', 'href'),
    languages: of('link[rel=alternate][hreflang]', 'hreflang').sort(),
    addresses: of('link[rel=alternate][hreflang]', 'href'),
    robots: of('meta[name=robots]', 'content'),
    viewport: of('meta[name=viewport]', 'content'),
    uncrawlable: [...document.querySelectorAll('a')].filter(one => !one.getAttribute('href')).map(one => one.outerHTML),
    unsized: [...document.querySelectorAll('img')].filter(one => !(one.width && one.height)).map(one => one.outerHTML),
    broken: violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 160)}`)),
    moved: window.moved,
    doctype: document.compatMode,
  };
}"""
MOVE: Final = """async () => {
  const painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  await painted();
  document.body.insertAdjacentHTML('afterbegin', '<div style="height: 300px"></div>');
  await painted();
  await painted();
  return window.moved;
}"""
LEAST_MOVED: Final = 0.001
"""Of the layout-shift score: less is written as 0, and is parts of a pixel."""
FIRST: Final = {"/en/", "/fr/"}
VAGUE: Final = {
    "click here",
    "here",
    "learn more",
    "more",
    "read more",
    "ici",
    "cliquez ici",
    "en savoir plus",
    "lire la suite",
}


async def addresses_of(base: str) -> list[str]:
    """Return the path of every page of the sitemap; robots.txt keeps nobody from one."""
    async with httpx.AsyncClient(base_url=base) as crawler:
        robots = (await crawler.get("/robots.txt")).text
        texts = [(await crawler.get(f"/sitemaps/{number}")).text for number in (0, 1)]
        paths = [urlsplit(address).path for text in texts for address in re.findall("<loc>(.*?)</loc>", text)]
        for path in paths:
            answer = await crawler.get(path)
            assert answer.status_code == 200, path
            assert "noindex" not in answer.headers.get("x-robots-tag", "")
    barred = re.findall(r"^Disallow: (\S+)$", robots, re.MULTILINE)
    assert barred
    assert [path for path in paths if any(path.startswith(bar) for bar in barred)] == []
    return sorted(set(paths))


async def look_at(tab: Tab, address: str, titles: dict[str, str]) -> list[str]:
    """Open a page and return what of it would be marked down. titles: of the pages so far, by language, each with its path."""
    path = urlsplit(address).path
    await tab.page.goto(address)
    await tab.look("as it comes")
    found: dict[str, Any] = await tab.page.evaluate(READ)
    links = {text.strip().casefold() for text in await tab.page.locator("main a").all_inner_texts()}
    called = (
        path if path in FIRST else titles.setdefault(f"{path[:3]} {found['title']}", path)
    )  # The first page is the catalogue's.
    checks = {
        "doctype": found["doctype"] == "CSS1Compat",
        "canonical": [urlsplit(one).path for one in found["canonical"]] == [path],
        "description": [bool(one.strip()) for one in found["description"]] == [True],
        "viewport": len(found["viewport"]) == 1,
        "languages": found["languages"] == ["en", "fr"] and set(found["canonical"]) <= set(found["addresses"]),
        "robots": not any("noindex" in one for one in found["robots"]),
        f"called like {called}": called == path,
        f"links without an address: {found['uncrawlable']}": not found["uncrawlable"],
        f"links that say nothing: {links & VAGUE}": not links & VAGUE,
        f"pictures without a size: {found['unsized']}": not found["unsized"],
        f"for axe: {found['broken']}": not found["broken"],
        f"moves by {found['moved']} while it loads": found["moved"] < LEAST_MOVED,
    }
    return [f"{path}: {what}" for what, is_well in checks.items() if not is_well]


@pytest.mark.deep
async def test_nothing_of_a_public_page_would_be_marked_down(chromium: str) -> None:
    async with running() as market:
        await open_shop()
        paths = await addresses_of(market.base)
        assert len(paths) > 6
        async with open_visit(chromium, market) as visit:
            guest, messages, titles = await visit.guest(), list[str](), dict[str, str]()
            for tab in (guest.tab, guest.handset):
                await tab.page.add_init_script(WATCH)
                tab.page.on(
                    "console", lambda one: messages.append(one.text) if one.type in {"error", "warning"} else None
                )
            await guest.page.goto("data:text/html,<p>This line moves down.</p>")
            assert await guest.page.evaluate(MOVE) > 0, "what moves is seen to move"
            wrong = [
                one
                for path in paths
                for tab in (guest.tab, guest.handset)
                for one in await look_at(tab, f"{market.base}{path}", titles)
            ]
            assert (wrong, messages) == ([], []), "nothing is wrong, and the console is empty"
