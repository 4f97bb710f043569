"""Progress of long work: how it is reported, and how a terminal shows it.

A terminal shows one line that fills up; without a terminal, each step is a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TextIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from types import TracebackType

ReportProgress: TypeAlias = Callable[[str, float], None]
"""Receives the present step and the share of the whole that is done, 0 to 1; may be called from any thread."""
BAR_WIDTH = 24


WAITING = "waiting for its turn"
"""The step of work that waits for a lock."""
SAVED_EVERY_SECONDS = 0.5
"""The shortest interval between two saves of progress."""


def no_progress(_step: str, _share: float) -> None:
    """Report to nobody."""


class Progress:
    """`with Progress() as progress: progress("counting cells", 0.4)`."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        """Write to `out`, by default standard error, so that standard output has only answers."""
        self.out = out
        self.rewrites = out.isatty()
        self.started = time.monotonic()
        self.shown = ""

    def __call__(self, step: str, share: float) -> None:
        """Show the present step and the share of the whole that is done, 0 to 1."""
        if self.rewrites:
            full = round(BAR_WIDTH * min(max(share, 0.0), 1.0))
            bar = "█" * full + "░" * (BAR_WIDTH - full)
            self.out.write(f"\r\x1b[K{bar} {share:4.0%}  {step}")
        elif step != self.shown:
            self.out.write(f"{time.monotonic() - self.started:5.1f} s  {step}\n")
        self.shown = step
        self.out.flush()

    def __enter__(self) -> Self:
        """Start the clock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the last line."""
        if self.rewrites and self.shown:
            self.out.write("\r\x1b[K")
            self.out.flush()


@contextlib.asynccontextmanager
async def saved_progress(save: Callable[[str, float], Awaitable[None]]) -> AsyncIterator[ReportProgress]:
    """Save the latest progress of the block, which may come from another thread, with `save`: the first at once.

    Enter it outside a transaction, so that others see saved progress while one runs inside.
    """
    latest = ("", 0.0)
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def report(step: str, share: float) -> None:
        nonlocal latest
        latest = (step, share)
        loop.call_soon_threadsafe(news.set)

    async def saving() -> None:
        while await news.wait():
            news.clear()
            await save(*latest)
            await asyncio.sleep(SAVED_EVERY_SECONDS)

    task = asyncio.create_task(saving())
    try:
        yield report
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
