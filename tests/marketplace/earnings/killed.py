"""Scenes of earnings for `tests.support.dying`: a job of shares, of one subject all along.

A job that was killed did all of it or nothing; the next try begins where the last one died.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace import clock
from marketplace.earnings.actions import cancel_shares, hold_shares
from marketplace.earnings.month_close import close_months
from tests.marketplace.earnings.sales import check_whole
from tests.support.dying import Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DAYS_15 = dt.timedelta(days=15)
END_OF_MARCH = dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)
SHARES = ("marketplace/earnings/actions.py", "marketplace/ledger/actions.py")
CLOSE = (
    "marketplace/earnings/month_close.py",
    "marketplace/earnings/closing_chunks.py",
    "marketplace/ledger/actions.py",
)


def again(work: Callable[[], Awaitable[object]], check: Callable[[], Awaitable[None]], files: tuple[str, ...]) -> Scene:
    """Return the scene of work that is done again after each death, killed in these files."""

    async def act(_: str) -> None:
        with clock.shifted(DAYS_15):
            await work()

    return Scene(None, act, lambda _: check(), files, later=dt.timedelta(0))


async def close_in_chunks(_: str) -> None:
    """Close March, two lines a chunk and two chunks a part."""
    with clock.started_at(END_OF_MARCH):
        await close_months(lines_a_chunk=2, chunks_a_part=2)


SCENES = {work.__name__: again(work, check_whole, SHARES) for work in (hold_shares, cancel_shares)} | {
    "close_in_chunks": Scene(None, close_in_chunks, lambda _: check_whole(), CLOSE, later=dt.timedelta(0))
}
