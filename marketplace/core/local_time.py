"""Local time: the hour, day and unit of privacy of each instant of a period, in one IANA time zone.

**Hours are the local clock's, days run from local midnight to local midnight.** A day has 23 hours when summer time
begins and 25 when it ends; an hour that occurs twice is two hours. An hour is 3,600 seconds, except when a zone moves
its clock by half an hour. If a clock skips midnight, the day begins with its first instant.

All of it is decided here once, as arrays over the period's quarters of an hour. The kernel, DuckDB and Spark look up
these arrays, so they cannot differ. In UTC it is plain arithmetic.

Source: the IANA time zone database, as `zoneinfo` reads it.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.core.instants import DAY_US, HOUR_US, QUARTER_US, WEEK_US, instant_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

UTC: Final = "UTC"
QUARTER: Final = dt.timedelta(minutes=15)
QUARTERS_A_DAY: Final = DAY_US // QUARTER_US
MONDAY_US: Final = 4 * DAY_US
"""The first Monday since 1970 began so many microseconds after the start of 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalClock:
    """A period's steps (the times of a key set) and units, and the position of each of its n quarters of an hour."""

    bounds_us: NDArray[np.int64]
    """times + 1 instants: the start of each step, and the end of the last one."""
    unit: NDArray[np.int64]
    """For each step, the number of its unit, from 0."""
    step: NDArray[np.int64]
    """For each quarter, the number of its step."""
    hour: NDArray[np.int64]
    """For each quarter, the hour on the local clock: 0 to 23."""
    day: NDArray[np.int64]
    """For each quarter, the local day, in days since 1 January 1970."""
    is_by_hour: bool
    """Whether all of these are equal within each hour of UTC, which is the precision of an event store's visits."""
    offset_us: int | None
    """The constant offset of the local clock from UTC, if all steps, and all units, also have one length; otherwise
    None.

    Everything about a quarter then follows from its instant by plain arithmetic.
    """

    @property
    def times(self) -> int:
        """Return how many steps the period has."""
        return len(self.bounds_us) - 1

    @property
    def units(self) -> int:
        """Return how many units the period has."""
        return int(self.unit[-1]) + 1

    @property
    def longest_unit(self) -> int:
        """Return how many steps the longest unit has: 25 hours if one is the day on which summer time ends."""
        return int(np.bincount(self.unit).max())

    def step_at(self, at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the step that contains each instant; at_us: n of the period, microseconds since 1970."""
        return np.asarray(self.step[(at_us - self.bounds_us[0]) // QUARTER_US], np.int64)

    def quarters(self) -> dict[str, NDArray[np.int64]]:
        """Return the quarters as columns: number since 1970, start of step, previous step and unit, local hour and day.

        The start of the previous step is -1 if there is none.
        """
        before_us = np.append(np.int64(-1), self.bounds_us[:-2])
        unit_us = self.bounds_us[np.searchsorted(self.unit, self.unit)]
        return {
            "quarter": self.bounds_us[0] // QUARTER_US + np.arange(len(self.step)),
            "starts_at_us": self.bounds_us[self.step],
            "before_at_us": before_us[self.step],
            "unit_at_us": unit_us[self.step],
            "local_hour": self.hour,
            "local_day": self.day,
        }


@functools.cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones: UTC, and the IANA's by region, such as Europe/Paris."""
    return frozenset({UTC, *(name for name in available_timezones() if "/" in name)})


def time_zone(name: str) -> dt.tzinfo:
    """Return the rules of a time zone; raises Invalid for an unknown name."""
    if name == UTC:
        return dt.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("{time_zone} is not a time zone of the IANA’s, such as Europe/Paris.", time_zone=name) from None


def midnight(day: dt.date, name: str) -> dt.datetime:
    """Return the instant at which a local day begins, in UTC."""
    zone = time_zone(name)
    local = dt.datetime.combine(day, dt.time(), zone)
    begins = local.astimezone(dt.UTC)
    if begins.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        # The clock skips midnight, perhaps from before it.
        while (begins - QUARTER).astimezone(zone).date() >= day:
            begins -= QUARTER
    return begins


def instant_at(at: dt.datetime, name: str) -> dt.datetime:
    """Return an instant in UTC; one without an offset is on the time zone's local clock."""
    return (at if at.tzinfo else at.replace(tzinfo=time_zone(name))).astimezone(dt.UTC)


def local_day(instant: dt.datetime, name: str) -> dt.date:
    """Return the local day of an instant."""
    return instant.astimezone(time_zone(name)).date()


def is_start(name: str, instant_us: int, step_us: int) -> bool:
    """Return whether an hour, day or week (step_us) of the local clock begins at an instant, in microseconds since 1970."""
    before, now = _offset_us(name, instant_us - 1), _offset_us(name, instant_us)
    first = MONDAY_US if step_us == WEEK_US else 0
    is_next = (instant_us + now - first) // step_us > (instant_us - 1 + before - first) // step_us
    return instant_us % QUARTER_US == 0 and (is_next or (step_us == HOUR_US and before != now))


def local_days(start: dt.datetime, end: dt.datetime, name: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last local day of a half-open period."""
    return local_day(start, name), local_day(end - dt.timedelta(microseconds=1), name)


@functools.lru_cache(maxsize=32)
def local_clock(name: str, period_from_us: int, period_to_us: int, step_us: int, unit_us: int) -> LocalClock:
    """Return the clock of a half-open period, which begins and ends with a step and with a unit, in the time zone `name`.

    step_us: an hour, a day or a week, by its usual length; unit_us: a day, or the whole period. Refuses a zone whose
    offset from UTC was not whole quarters of an hour then.
    """
    length_us = period_to_us - period_from_us
    assert step_us in {HOUR_US, DAY_US, WEEK_US}, "steps are hours, days or weeks"
    assert unit_us in {DAY_US, length_us}, "a unit is a day, or the period"
    assert step_us < WEEK_US or unit_us == length_us, "a week is in one unit"
    assert all(is_start(name, instant, step_us) for instant in (period_from_us, period_to_us)), "steps are whole"
    first, quarters = period_from_us // QUARTER_US, length_us // QUARTER_US
    offset = _offsets(name, first, quarters + 1)
    at = (first + np.arange(quarters + 1)) * QUARTER_US
    local = at + offset
    # A clock put back over midnight does not begin the previous day again.
    day = np.maximum.accumulate(local // DAY_US)
    new_day = _changes(day)[:-1]
    if step_us == HOUR_US:
        new_step = (_changes(local // HOUR_US) | _changes(offset))[:-1]
    else:
        new_step = new_day if step_us == DAY_US else _changes((day - MONDAY_US // DAY_US) // (WEEK_US // DAY_US))[:-1]
    step, hour = np.cumsum(new_step) - 1, local[:-1] % DAY_US // HOUR_US
    begins = np.flatnonzero(new_step)
    unit = np.cumsum(new_day) - 1 if unit_us != length_us else np.zeros(quarters, np.int64)
    bounds = np.append(at[begins], period_to_us)
    is_by_hour = period_from_us % HOUR_US == length_us % HOUR_US == 0
    is_by_hour = is_by_hour and all(np.all(of.reshape(-1, 4) == of[::4, None]) for of in (step, hour))
    since_us = np.arange(len(bounds)) * step_us
    is_even = np.array_equal(bounds - period_from_us, since_us)
    is_even = (
        is_even and np.array_equal(unit[begins], since_us[:-1] // unit_us) and bool(np.all(offset[:-1] == offset[0]))
    )
    only_us = int(offset[0]) if is_even else None
    clock = LocalClock(bounds, unit[begins], step, hour, day[:-1].copy(), is_by_hour, only_us)
    for array in (clock.bounds_us, clock.unit, clock.step, clock.hour, clock.day):
        array.setflags(write=False)
    return clock


def local_hours(name: str, at_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the local day (days since 1970) and hour (0 to 23) of each of n instants, in microseconds since 1970."""
    if not len(at_us):
        return at_us, at_us
    quarter = at_us // QUARTER_US
    first = int(quarter.min())
    local = at_us + _offsets(name, first, int(quarter.max()) - first + 2)[quarter - first]
    return local // DAY_US, local % DAY_US // HOUR_US


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each of n values whether it differs from the one before; the first always does."""
    return np.append(True, values[1:] != values[:-1])


def _offsets(name: str, first: int, count: int) -> NDArray[np.int64]:
    """Return the zone's offset from UTC, in microseconds, in `count` quarters from the `first` since 1970."""
    if name == UTC:
        return np.zeros(count, np.int64)
    found = np.empty(count, np.int64)
    last = count - 1
    for low in range(0, count, QUARTERS_A_DAY):
        _fill(name, first, found, low, min(low + QUARTERS_A_DAY, last))
    if np.any(found % QUARTER_US):
        raise Invalid("The time zone {time_zone} was not whole quarters of an hour from UTC then.", time_zone=name)
    return found


def _fill(name: str, first: int, found: NDArray[np.int64], low: int, high: int) -> None:
    """Fill in the quarters from `low` to `high`, both included, halving a span until its ends agree."""
    starts, ends = (_offset_us(name, (first + at) * QUARTER_US) for at in (low, high))
    if starts == ends or high - low <= 1:
        found[low:high] = starts
        found[high] = ends
        return
    middle = (low + high) // 2
    _fill(name, first, found, low, middle)
    _fill(name, first, found, middle, high)


def _offset_us(name: str, instant_us: int) -> int:
    local = instant_of(instant_us).astimezone(time_zone(name))
    return (local.utcoffset() or dt.timedelta()) // dt.timedelta(microseconds=1)
