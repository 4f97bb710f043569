"""The main journeys once more in Firefox: buying from first visit to file, what finance sees, the demo's tours, axe clean."""

from http import HTTPStatus
from pathlib import Path

import pytest

from marketplace.site.tour.rules import TOURS
from tests.browser.builders import list_small_city
from tests.programs import find_firefox
from tests.support.browsing import AXE, INSPECT
from tests.support.demo import demo_running
from tests.support.firefox import Fox, firefox_at
from tests.support.market import PASSWORD, Market, let_people_in, running
from tests.support.share_of_day import share_of_day

HALOED = "color-contrast: <text"
"""Names on a map or chart have a halo of the page's colour; axe, in Firefox, sees the area beneath it instead."""


async def look_at_page(fox: Fox) -> None:
    """Look at the page on a desk, then in French on a phone: axe finds nothing, and nothing scrolls sideways."""
    here = await fox.run("() => location.pathname + location.search")
    for path, width in ((here, 1280), (here.replace("/en", "/fr", 1), 390)):
        await fox.resize(width, 900)
        await fox.go(path)
        await fox.run(f"() => {{ {AXE}; }}")
        found, (wide, room) = await fox.run(INSPECT)
        violations = [one for one in found if not one.startswith(HALOED)]
        assert not violations, f"{path}: {violations}"
        assert wide <= room, f"{path} scrolls sideways: {wide} px in {room} px"
    await fox.resize(1280, 900)
    await fox.go(here)


async def sign_in_on_fox(fox: Fox, email: str) -> None:
    """Sign in on the page."""
    await fox.go("/en/sign-in")
    await fox.fill(Email=email, Password=PASSWORD)
    await fox.click("Sign in")


async def buys(fox: Fox, market: Market) -> None:
    """Find a dataset, ask for a quote, pay on Stripe's page, and come back to the files."""
    await fox.go("/en/catalogue")
    await look_at_page(fox)
    await fox.click("Presence by district and day — Lyon")
    await look_at_page(fox)
    await fox.click("Buy")
    await look_at_page(fox)
    await fox.fill(Street_and_number="1 rue Longue", City="Lyon")
    await fox.click("Order and pay")
    await fox.click("Pay")
    await fox.read("Download as Parquet")
    await market.work()
    await look_at_page(fox)


async def follow_postings(fox: Fox) -> None:
    """Sign in as finance: everything is matched, and each table can be followed to a posting."""
    await sign_in_on_fox(fox, "finance@people.example")
    await fox.go("/en/finance")
    await fox.read("To the cent.")
    await look_at_page(fox)
    await fox.click("Journal")
    await look_at_page(fox)


@pytest.mark.deep
async def test_firefox_buys_and_reconciles(tmp_path: Path) -> None:
    executable = find_firefox()
    if executable is None:
        pytest.skip("no Firefox here: install the package `firefox-esr` to run this test")
    async with running() as market:
        await list_small_city(tmp_path / "city")
        await let_people_in(market)
        async with firefox_at(market.base, executable, tmp_path / "partner") as fox:
            await sign_in_on_fox(fox, "partner@people.example")
            await buys(fox, market)
        async with firefox_at(market.base, executable, tmp_path / "finance") as fox:
            await follow_postings(fox)


async def walk_tour(fox: Fox, who: str) -> None:
    """Take a tour from the list of tours to its last stop; no stop refuses the person it is for."""
    await fox.go("/en/demo/tour")
    await fox.click_link(f"/en/demo/tour/{who}")
    await look_at_page(fox)
    await fox.click(f"Sign in as {TOURS[who].email.split('@')[0].title()}")
    for stop in TOURS[who].stops:
        await fox.go(f"/en/demo/tour/{who}")
        await fox.click_link(f"/en{stop.path}")
        status = await fox.run("() => performance.getEntriesByType('navigation')[0].responseStatus")
        assert status == HTTPStatus.OK, f"{stop.path} answers {status}"
        await look_at_page(fox)


@pytest.mark.deep
async def test_firefox_walks_a_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tour each day, all where EVERY_DEATH is set: Chromium walks all of them every time."""
    executable = find_firefox()
    if executable is None:
        pytest.skip("no Firefox here: install the package `firefox-esr` to run this test")
    async with demo_running(tmp_path, monkeypatch) as market:
        for who in share_of_day(list(TOURS), len(TOURS)):
            async with firefox_at(market.base, executable, tmp_path / who) as fox:
                await walk_tour(fox, who)
