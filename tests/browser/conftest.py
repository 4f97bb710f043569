"""What browser tests share: a Chromium."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from marketplace.core import database
from tests.browser.builders import SCRIPT_ERRORS, Run
from tests.programs import find_chromium


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return a Chromium's path; an empty string is Playwright's own."""
    found = find_chromium()
    if found is None:
        pytest.skip(
            "no Chromium here, and none could be installed: install the package `chromium` to run the browser tests"
        )
    return found


@pytest.fixture
def aside(database_url: str) -> Run:
    """Run a story in a thread of its own: Playwright's loop holds this one."""

    async def whole(story: Callable[[], Any]) -> Any:
        await database.open_pool(database_url)
        try:
            return await story()
        finally:
            await database.close_pool()

    def runner(story: Callable[[], Any]) -> Any:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(asyncio.run, whole(story)).result()

    return runner


@pytest.fixture
def launched(chromium: str) -> Iterator[Any]:
    """Return a Chromium that runs, whose pages' scripts must not fail."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium or None, args=["--no-sandbox"])
        SCRIPT_ERRORS.clear()
        yield browser
        browser.close()
    assert SCRIPT_ERRORS == [], "pages' scripts failed"
