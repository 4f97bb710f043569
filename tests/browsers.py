"""Chromium for the browser tests: the one there is, or one installed (Debian's package as root, Playwright's otherwise)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return a Chromium's path, installing one when there is none; None when that fails, which in CI is an error.

    An empty string means Playwright's own browser.
    """
    if found := next((path for name in NAMES if (path := shutil.which(name))), None):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests (once)…", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium")
    elif (
        _playwright_browser()
        or not subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium"], check=False, capture_output=True
        ).returncode
    ):
        found = ""
    if found is None and os.environ.get("CI"):
        sys.exit("CI needs Chromium for the browser tests, and none could be installed.")
    return found


def _playwright_browser() -> bool:
    return any((Path.home() / ".cache" / "ms-playwright").glob("chromium*"))
