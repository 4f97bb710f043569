"""Programs beside Python that some tests need: Chromium, Firefox, hledger, and Java for Spark; found, or installed as root.

In CI a missing one is an error; elsewhere a test that lacks its program skips and says so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")
PACKAGES = {"chromium": "chromium", "firefox": "firefox-esr", "hledger": "hledger", "java": "default-jre-headless"}


def find_chromium() -> str | None:
    """Return a Chromium's path; an empty string for Playwright's own browser; None when there is none."""
    if found := next((path for name in CHROMIUM if (path := shutil.which(name))), None):
        return found
    return "" if _playwright_browser() else None


def find_firefox() -> str | None:
    """Return a Firefox's path; None when there is none."""
    return next((path for name in FIREFOX if (path := shutil.which(name))), None)


def install_missing() -> None:
    """Install what is missing: Debian's packages as root, Playwright's browser otherwise; in CI, refuse to go on without."""
    if missing := _missing():
        print(f"Installing {', '.join(missing)} for the tests (once)…", flush=True)
        if os.geteuid() == 0 and shutil.which("apt-get"):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            packages = [PACKAGES[name] for name in missing]
            for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]):
                subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        elif "chromium" in missing:
            playwright = [sys.executable, "-m", "playwright", "install", "chromium"]
            subprocess.run(playwright, check=False, capture_output=True)
        if os.environ.get("CI") and (missing := _missing()):
            sys.exit(f"CI needs {', '.join(missing)} for the tests, and could not install them.")


def _missing() -> list[str]:
    found = {"chromium": find_chromium, "firefox": find_firefox}
    return [name for name in PACKAGES if (found[name]() is None if name in found else not shutil.which(name))]


def _playwright_browser() -> bool:
    return any((Path.home() / ".cache" / "ms-playwright").glob("chromium*"))
