"""The demo's site for tests that are walked in a browser: seeded as a first start does, with the demo's people to be."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketplace.core.settings import settings
from marketplace.demo.demo import free_port, port_of, site_running
from marketplace.demo.seed_people import PASSWORD, DemoPerson
from tests.support.browsing import Guest, Visit, open_visit
from tests.support.market import Market, seed_demo


@contextlib.asynccontextmanager
async def demo_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Market]:
    """Seed the demo and run its site, with one-click sign-in; yields where it is."""
    monkeypatch.setenv("PARTAGE_ONE_CLICK", "1")
    ours = 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    async with seed_demo(folder):
        site = free_port("127.0.0.1", 18_100 + ours)
        monkeypatch.setenv("PORT", str(port_of(site)))
        settings.cache_clear()
        async with site_running(site):
            yield Market(settings().url, settings().stripe_url)


@contextlib.asynccontextmanager
async def demo_visited(folder: Path, chromium: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Visit]:
    """Run the demo with a Chromium before it; at the end no page may have been in trouble."""
    async with demo_running(folder, monkeypatch) as market, open_visit(chromium, market) as visit:
        yield visit


async def come_in(visit: Visit, person: DemoPerson) -> Guest:
    """Give one of the demo's people a browser, and sign them in."""
    guest = await visit.guest()
    form = guest.page.get_by_role("main")
    await guest.page.goto(f"{guest.base}/en/sign-in")
    await form.get_by_label("Email").fill(person.email)
    await form.get_by_label("Password").first.fill(PASSWORD)
    async with guest.page.expect_navigation():
        await form.get_by_role("button", name="Sign in", exact=True).click()
    return guest
