"""The demo's releases, built by a process of its own: first those of the history at their instants, then the present's.

    python -m marketplace.demo.seed_releases 2026-11-28T09:00:00+00:00

The history waits for the database most of the time, one statement after the other, and its clock is shifted; counting
keeps a processor busy. Two processes share neither a clock nor an interpreter. This one begins with a line on its
standard input, and continues to the present with another; without the other process it ends. It writes a line after
each of the history's releases, and one once the releases to auction exist: the history is made a month behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sys
from typing import TYPE_CHECKING, BinaryIO, Final

from marketplace.core import database
from marketplace.core.progress import no_progress
from marketplace.core.settings import settings
from marketplace.demo.seed_calendar import WEEK, WEEKS, last_monday
from marketplace.demo.seed_catalogue import build_release, release_of
from marketplace.demo.seed_datasets import (
    BY_DAY,
    BY_HOUR,
    DISTRICTS_BY_DAY,
    FLOWS,
    GRENOBLE_BY_DAY,
    GRENOBLE_BY_HOUR,
    NIGHTS,
)
from marketplace.demo.seed_history import build_history

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

from marketplace.demo.seed_catalogue import DemoRelease

BUILDS_AT_ONCE: Final = 2
AUCTIONED: Final = 2
"""How many datasets have their releases auctioned: by day and by hour, see `seed_auctions`."""
MODULE: Final = "marketplace.demo.seed_releases"
GO: Final = b"go\n"
NOT_BUILT: Final = "the demo's releases could not be built"


class Builder:
    """The building process, as seen by the process that started it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Start without a release to wait for."""
        assert process.stdin
        assert process.stdout
        self._process, self._to, self._from = process, process.stdin, process.stdout

    def go_on(self) -> None:
        """Signal it to build the next part: first the history's releases, then the present's."""
        self._to.write(GO)

    async def built_next(self) -> None:
        """Wait for the history's next release, and then for those to auction.

        Raises RuntimeError if they could not be built.
        """
        if await self._from.readline() != GO:
            raise RuntimeError(NOT_BUILT)

    async def built_all(self) -> None:
        """Wait for all releases; raises RuntimeError if they could not be built."""
        if await self._process.wait():
            raise RuntimeError(NOT_BUILT)


@contextlib.asynccontextmanager
async def builder_running(now: dt.datetime) -> AsyncIterator[Builder]:
    """Start the process, which first loads its modules; it is stopped at the end. now: the present."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, now.isoformat(), stdin=pipe, stdout=pipe
    )
    try:
        yield Builder(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def releases(end: dt.date) -> tuple[list[DemoRelease], ...]:
    """Return the present's releases, by dataset, in the order of their periods. end: last Monday.

    The first are of the auctioned datasets: AUCTIONED.
    """
    return (
        [release_of(BY_DAY, end - WEEKS * WEEK, 7 * WEEKS)],
        [release_of(BY_HOUR, end - number * WEEK, 7) for number in (2, 1)],
        [release_of(FLOWS, end - 2 * WEEK, 14)],
        [release_of(DISTRICTS_BY_DAY, end - 2 * WEEK, 14)],
        [release_of(GRENOBLE_BY_DAY, end - number * WEEK, 7) for number in (2, 1)],
        [release_of(NIGHTS, end - 2 * WEEK, 14)],
        [release_of(GRENOBLE_BY_HOUR, end - WEEK, 7)],
    )


async def _build_present(end: dt.date, built: Callable[[], None]) -> None:
    """Build the missing releases of the present, two at once. built: called once those to auction exist."""
    turn = asyncio.Semaphore(BUILDS_AT_ONCE)

    async def build(wanted: Sequence[DemoRelease]) -> None:
        async with turn:
            for release in wanted:
                await build_release(release, no_progress)

    async with asyncio.TaskGroup() as group:
        building = [group.create_task(build(wanted)) for wanted in releases(end)]
        await asyncio.gather(*building[:AUCTIONED])
        built()


async def _main(now: dt.datetime) -> None:
    answers = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):  # log lines are no answer
        await _build_all(now, answers)


async def _build_all(now: dt.datetime, answers: BinaryIO) -> None:
    def built() -> None:
        answers.write(GO)
        answers.flush()

    await _go()
    await database.open_pool(settings().database_url)
    try:
        await build_history(now, built)
        await _go()
        await _build_present(last_monday(now), built)
    finally:
        await database.close_pool()


async def _go() -> None:
    """Wait for a line from the other process; end without it."""
    if await asyncio.to_thread(sys.stdin.buffer.readline) != GO:
        sys.exit(1)


if __name__ == "__main__":
    import scipy.stats  # noqa: F401 (half a second that the gate needs; the other process is preparing)

    asyncio.run(_main(dt.datetime.fromisoformat(sys.argv[1])))
