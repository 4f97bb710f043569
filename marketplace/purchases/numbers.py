"""Numbers people read: a series a letter and year, counted from 1 by a row that the taker's transaction holds locked.

A transaction that fails gives its numbers back with everything else, so a series has no gap; whoever takes next waits
until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.database import fetch_one
from marketplace.web.formats import paris_day

if TYPE_CHECKING:
    import datetime as dt


async def take_numbers(letter: str, now: dt.datetime, count: int = 1) -> tuple[str, dt.datetime]:
    """Take the next `count` numbers of this year's series; return the first and the instant they bear.

    The instant is `now`, or the series' last one should that be later: numbers and dates rise together.
    """
    row = await fetch_one(
        """INSERT INTO number_series AS series (code, last, last_at) VALUES ($1, $2, $3)
           ON CONFLICT (code) DO UPDATE
           SET last = series.last + $2, last_at = greatest(series.last_at, excluded.last_at)
           RETURNING last, last_at""",
        f"{letter}-{paris_day(now).year}", count, now,
    )  # fmt: skip
    assert row, "an upsert returns its row"
    return number(f"{letter}-{paris_day(now).year}", row["last"] - count + 1), row["last_at"]


def number(series: str, position: int) -> str:
    """Return what people read: the series, and the position in six digits, more when it takes more."""
    return f"{series}-{position:06d}"
