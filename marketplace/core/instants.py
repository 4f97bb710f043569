"""Instants as exact whole microseconds since 1970, for transcripts, proofs and counting."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Final

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
MONTHS_A_YEAR: Final = 12
QUARTER_US: Final = 900_000_000
HOUR_US: Final = 4 * QUARTER_US
DAY_US: Final = 24 * HOUR_US
WEEK_US: Final = 7 * DAY_US
FOREVER_US: Final = 2**62
"""The end of an interval that nothing ended."""
SINCE_2000_US: Final = 946_684_800_000_000
"""From 1970 to 2000, from which PostgreSQL counts."""


def microseconds(instant: dt.datetime) -> int:
    """Return an aware instant as whole microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> dt.datetime:
    """Return the instant so many microseconds after 1970."""
    return EPOCH + dt.timedelta(microseconds=microseconds)


def full_hour(instant: dt.datetime) -> dt.datetime:
    """Return the last full hour, in UTC: prices change at each."""
    return instant.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def months_later(instant: dt.datetime, months: int) -> dt.datetime:
    """Return the same day and time `months` later, or the last day of a shorter month."""
    year, month = divmod(instant.year * MONTHS_A_YEAR + instant.month - 1 + months, MONTHS_A_YEAR)
    last_day = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last_day))
