"""The clock: aware UTC, read once per action and passed to rules. The demo and tests can shift it; production cannot.

**What is shifted:** every instant that our actions write or compare, since they read `now()`. So the demo makes a year
of history through the packages' ordinary actions (`marketplace/demo/seed_history.py`), and a test sees the end of a
hold without waiting. The demo's Stripe counterpart reads this clock too.

**What is not shifted:** PostgreSQL's `clock_timestamp()`, which decides auctions (bids, their ends and awards), so an
auction is always in the present; the monotonic clocks of timeouts; APScheduler's slots; file times; another company's
expiry of a token. No table has a default of `now()`: a row's instant comes from its action.

The shift belongs to the process. `serve` and `jobs` forbid it first of all, for as long as they run. A rehearsal may
begin some days ahead, to see a month close without waiting for it.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UTC = dt.UTC
_offset = dt.timedelta(0)
_can_shift = True


def now() -> dt.datetime:
    """Return the present instant as an aware UTC datetime."""
    return dt.datetime.now(UTC) + _offset


def forbid_shifts() -> None:
    """Forbid all later shifts of this process's clock; production calls this first."""
    global _can_shift  # noqa: PLW0603 (the one place that forbids it)
    assert not _offset, "the clock is shifted already"
    _can_shift = False


def rehearse(ahead: dt.timedelta) -> None:
    """Move this process's clock ahead until it ends, and forbid all other shifts; repeating it changes nothing.

    Only a rehearsal may: its payments go to a test Stripe, and every page says so.
    """
    global _offset, _can_shift
    assert ahead >= dt.timedelta(0), "a rehearsal looks ahead"
    assert _offset in {dt.timedelta(0), ahead}, "the clock is shifted already"
    _offset, _can_shift = ahead, False


@contextmanager
def shifted(by: dt.timedelta) -> Iterator[None]:
    """Move this process's clock by `by` inside the block; blocks nest and add up. RuntimeError if it is forbidden."""
    global _offset  # noqa: PLW0603 (the one place that moves the one clock)
    if not _can_shift:
        raise RuntimeError("the clock of production is never shifted")
    _offset += by
    try:
        yield
    finally:
        _offset -= by


@contextmanager
def started_at(instant: dt.datetime) -> Iterator[None]:
    """Make the clock show `instant` when the block begins, and run on from there; RuntimeError if it is forbidden."""
    with shifted(instant - now()):
        yield
