"""Numbers people read: a series a letter and year, counted from 1 by a row that the drawing transaction locks.

A transaction that fails gives its numbers back with everything else, so a series has no gap; the next one to draw waits
until then.
"""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from marketplace.database import fetch_row
from marketplace.purchases.queries import SQL
from marketplace.web.formats import paris_day


class Counted(Struct, frozen=True):
    """The last number of a series, and the instant it bears."""

    last: int
    last_at: dt.datetime


async def draw_numbers(letter: str, now: dt.datetime, count: int = 1) -> tuple[str, dt.datetime]:
    """Draw the next `count` numbers of this year's series; return the first and the instant they bear.

    The instant is `now`, or the series' last one should that be later: numbers and dates rise together.
    """
    series = series_of(letter, now)
    counted = await fetch_row(Counted, SQL["draw_numbers"], series, count, now)
    assert counted, "an upsert returns its row"
    return number(series, counted.last - count + 1), counted.last_at


def series_of(letter: str, now: dt.datetime) -> str:
    """Return the series of a letter in the year of `now`, in Paris."""
    return f"{letter}-{paris_day(now).year}"


def number(series: str, position: int) -> str:
    """Return what people read: the series, and the position in six digits, more from a million on."""
    return f"{series}-{position:06d}"
