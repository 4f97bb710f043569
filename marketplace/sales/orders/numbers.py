"""Numbers for people: a series per letter and year, counted from 1 by a row that the drawing transaction locks.

A transaction that fails returns its numbers with everything else, so a series has no gap; the next transaction waits
until then.
"""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from marketplace.core.database import fetch_row
from marketplace.core.web.formats import paris_day
from marketplace.sales.orders.queries import SQL


class SeriesNumber(Struct, frozen=True):
    """The last number of a series, and its instant."""

    last: int
    last_at: dt.datetime


async def draw_numbers(letter: str, now: dt.datetime, count: int = 1) -> tuple[str, dt.datetime]:
    """Draw the next `count` numbers of this year's series; return the first and their instant.

    The instant is `now`, or the series' last one if that is later: numbers and dates rise together.
    """
    series = series_of(letter, now)
    counted = await fetch_row(SeriesNumber, SQL["draw_numbers"], series, count, now)
    assert counted, "an upsert returns its row"
    return number(series, counted.last - count + 1), counted.last_at


def series_of(letter: str, now: dt.datetime) -> str:
    """Return the series of a letter in the year of `now`, in Paris."""
    return f"{letter}-{paris_day(now).year}"


def number(series: str, position: int) -> str:
    """Return the number for people: the series, and the position in six digits, or more from a million on."""
    return f"{series}-{position:06d}"
