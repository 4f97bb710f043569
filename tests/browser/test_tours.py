"""The demo's guided tours, walked stop by stop with the keyboard alone, by each kind of person.

Each stop is looked at in English, light and wide, in French, dark and on a phone, in forced colours, and as it is printed.
"""

from pathlib import Path
from typing import Final

import pytest

from marketplace.site.tour.rules import TOURS
from tests.support.browsing import Guest, Visit
from tests.support.demo import demo_visited

FOCUSED: Final = """() => {
  const on = document.activeElement, style = getComputedStyle(on);
  return [on.getAttribute('href') ?? on.textContent.trim(), style.outlineStyle !== 'none' || style.boxShadow !== 'none'];
}"""
MOST_TABS: Final = 80


async def reach(guest: Guest, wanted: str) -> None:
    """Press Tab until the link to an address, or the button of a text, has the focus; each thing on the way shows it."""
    for _ in range(MOST_TABS):
        await guest.page.keyboard.press("Tab")
        focused, is_seen = await guest.page.evaluate(FOCUSED)
        assert is_seen, f"nothing shows that {focused!r} has the focus on {guest.page.url}"
        if focused == wanted:
            return
    raise AssertionError(f"the keyboard does not reach {wanted!r} on {guest.page.url}")


async def enter(guest: Guest, wanted: str) -> None:
    """Go to the link or button with the keyboard, press Enter, and look at the page it leads to."""
    await reach(guest, wanted)
    async with guest.page.expect_navigation():
        await guest.page.keyboard.press("Enter")


async def walk(visit: Visit, who: str) -> None:
    """Take a tour from the list of tours to its last stop; no stop refuses the person it is for."""
    guest = await visit.guest()
    statuses = list[tuple[str, int]]()
    guest.page.on("response", lambda one: statuses.append((one.url, one.status)))
    await guest.go("/demo/tour")
    await enter(guest, f"/en/demo/tour/{who}")
    await guest.look()
    await enter(guest, f"Sign in as {TOURS[who].email.split('@')[0].title()}")
    for stop in TOURS[who].stops:
        await guest.page.goto(f"{guest.base}/en/demo/tour/{who}")
        await enter(guest, f"/en{stop.path}")
        await guest.look()
        await guest.look_otherwise()
    assert [one for one in statuses if one[1] >= 400] == []


@pytest.mark.deep
async def test_tours_are_walked_with_the_keyboard(
    tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with demo_visited(tmp_path, chromium, monkeypatch) as visit:
        for who in TOURS:
            await walk(visit, who)
