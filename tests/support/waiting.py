"""Waiting for what says nothing when it happens: the only place where a test polls, and always with a deadline.

A test waits for a condition, never for a while: a slow machine makes it slower and not wrong.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from marketplace.core.database import fetch_scalar

PAUSE_SECONDS = 0.02
LONGEST_SECONDS = 120
"""Too long for any condition of these tests, however busy the machine."""


async def until(condition: Callable[[], Any], seconds: float = LONGEST_SECONDS, *, pause: float = PAUSE_SECONDS) -> Any:
    """Ask again and again until the condition, awaited where it is asynchronous, is true; return what it returned.

    pause: seconds between two questions, shorter where it is true almost at once and asked thousands of times.
    """
    ends = time.monotonic() + seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < ends, f"not within {seconds} seconds: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(pause)


def wait_until(condition: Callable[[], Any], seconds: float = LONGEST_SECONDS, *, pause: float = PAUSE_SECONDS) -> Any:
    """Ask again and again, outside any event loop, until the condition is true; return what it returned.

    pause: seconds between two questions, longer where each is work.
    """
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, f"not within {seconds} seconds: {inspect.getsource(condition).strip()}"
        time.sleep(pause)
    return found


async def until_blocked(statements: int) -> None:
    """Wait until that many statements wait for a lock, as those do that came second."""
    await until(lambda: fetch_scalar(bool, "SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted", statements))
