"""What browser tests share: a Chromium."""

from __future__ import annotations

import pytest

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
