"""The subscriber's one screen in Chromium, on a phone: short, one switch that one click moves, everything else a link away."""

import re

import pytest

from marketplace.consent.purposes import actions as consent
from tests.subscribers.builders import payees, sales
from tests.support.browsing import PHONE, open_visit
from tests.support.market import Market, activate_line, running
from tests.support.reads import fetch_value

HIGHEST_PX = 2000
LINE = 2
GIVEN = "SELECT given FROM consent_record WHERE subscriber = $1 ORDER BY at DESC, id DESC LIMIT 1"
BEHIND = (
    "/earnings/shares",
    "/earnings/payouts",
    "/earnings/bank-details",
    "/earnings/rewards",
    "/consent",
    "/my-data",
)
BELOW_A_CENT = re.compile(r"\d[.,]\d cent|\d[.,]\d{3,}")


async def let_a_line_earn(market: Market) -> None:
    await sales.write_lines(range(1, 42), unclaimed=(LINE,))
    await activate_line(market, LINE, "line-2@people.example")
    await consent.give(LINE, sales.PURPOSE)
    await payees.earn({line: line for line in range(1, 42)}, 20_000)


@pytest.mark.deep
async def test_one_screen(chromium: str) -> None:
    with payees.paying():
        async with running() as market:
            await let_a_line_earn(market)
            async with open_visit(chromium, market) as visit:
                lucie = await visit.guest()
                await lucie.sign_in("line-2@people.example")
                await lucie.page.set_viewport_size(PHONE)
                for language in ("fr", "en"):
                    await lucie.page.goto(f"{market.base}/{language}/earnings")
                    assert await lucie.page.evaluate("document.documentElement.scrollHeight") <= HIGHEST_PX
                    text = await lucie.page.locator("main").inner_text()
                    assert not BELOW_A_CENT.search(text), text
                links = await lucie.page.locator("main a").evaluate_all("all => all.map(one => one.pathname)")
                assert {f"/en{path}" for path in BEHIND} <= set(links)
                switch = lucie.page.get_by_role("switch")
                for is_given in (False, True):
                    async with lucie.page.expect_navigation():
                        await switch.click()
                    assert await switch.get_attribute("aria-checked") == str(is_given).lower()
                    assert await fetch_value(GIVEN, LINE) is is_given
                await lucie.go("/earnings")
                await lucie.look()
