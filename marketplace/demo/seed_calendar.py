"""The demo's calendar: the months of its history, the purpose of certain days in each, and the weeks of its events."""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketplace.core.local_time import local_day
from marketplace.demo.synthetic_city import TIME_ZONE

MONTHS: Final = 12
COUNTED, BUILT, SOLD, PAID_OUT, CLOSED = 2, 4, 5, 25, 2
"""Days of the month: of the count, the build, the sale, the payout, and the previous month's close."""
MORNING: Final = dt.timedelta(hours=9)
WEEK: Final = dt.timedelta(weeks=1)
WEEKS: Final = 4
"""For Lyon's events; Grenoble has half as many."""


def months_before(now: dt.datetime) -> list[dt.date]:
    """Return the first days of the twelve latest months that could be closed by now, the earliest first."""
    following, found = now.date().replace(day=1), list[dt.date]()
    while len(found) < MONTHS:
        month = (following - dt.timedelta(days=1)).replace(day=1)
        if at(following, CLOSED) + MORNING < now:
            found.insert(0, month)
        following = month
    return found


def panel_days(now: dt.datetime) -> list[dt.date]:
    """Return the days that the history's releases count."""
    return [month.replace(day=COUNTED) for month in months_before(now)]


def begins_at(now: dt.datetime) -> dt.datetime:
    """Return the instant at which the history begins: a month before its first one."""
    return at(months_before(now)[0], 1) - dt.timedelta(days=30)


def last_monday(now: dt.datetime) -> dt.date:
    """Return the present week's Monday in the city, the day on which last week ended."""
    today = local_day(now, TIME_ZONE)
    return today - dt.timedelta(days=today.weekday())


def at(month: dt.date, day: int) -> dt.datetime:
    """Return the midnight in UTC at which a day of a month begins."""
    return dt.datetime(month.year, month.month, day, tzinfo=dt.UTC)
