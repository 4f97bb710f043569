"""The manual on a phone, in Chromium: no page scrolls sideways, and code wider than the screen scrolls in its own block."""

from typing import Final

import pytest

from marketplace.site.docs.manual import contents
from tests.support.browsing import PHONE, open_visit
from tests.support.market import running

MEASURE: Final = """() => [
  document.scrollingElement.scrollWidth,
  [...document.querySelectorAll('main pre')].filter(one => one.scrollWidth > one.clientWidth && one.tabIndex !== 0).length,
]"""
"""How wide the page is, and how many blocks scroll that the keyboard does not reach."""


@pytest.mark.deep
async def test_no_page_of_the_manual_is_wider_than_a_phone(chromium: str) -> None:
    async with running() as market, open_visit(chromium, market) as visit:
        page = await (await visit.browser.new_context(viewport=PHONE)).new_page()
        wrong = []
        for one in contents():
            await page.goto(f"{market.base}/en/docs/{one.part}/{one.name}")
            width, unreached = await page.evaluate(MEASURE)
            if width > PHONE["width"] or unreached:
                wrong.append(f"{one.part}/{one.name}: {width} px, {unreached} blocks")
        assert wrong == []
