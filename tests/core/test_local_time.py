"""Local hours, days and units, against what `zoneinfo` says of one instant at a time."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marketplace.core.errors import Invalid
from marketplace.core.instants import DAY_US, HOUR_US, QUARTER_US, WEEK_US, instant_of, microseconds
from marketplace.core.local_time import LocalClock, is_start, local_clock, midnight, time_zones
from marketplace.privacy import budget
from tests.privacy.specs import MONDAY, specification

ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Atlantic/Azores",
    "Pacific/Apia",
)
"""Whole hours from UTC, halves and quarters; clocks moved by half an hour, at midnight, into the day before; a day left out."""


def clock_of(name: str, first: dt.date, days: int, step_us: int, *, by_day: bool = False) -> LocalClock:
    start, end = (microseconds(midnight(first + dt.timedelta(days=n), name)) for n in (0, days))
    return local_clock(name, start, end, step_us, DAY_US if by_day else end - start)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Paris", dt.date(2026, 3, 29), 23),
        ("Europe/Paris", dt.date(2026, 10, 25), 25),
        ("America/New_York", dt.date(2026, 3, 8), 23),
        ("America/New_York", dt.date(2026, 11, 1), 25),
        ("Africa/Cairo", dt.date(2026, 4, 24), 23),
        ("Atlantic/Azores", dt.date(2026, 10, 25), 25),
        ("Asia/Kolkata", dt.date(2026, 3, 29), 24),
        ("UTC", dt.date(2026, 3, 29), 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_shows(name: str, day: dt.date, hours: int) -> None:
    by_hour = clock_of(name, day - dt.timedelta(days=1), 3, HOUR_US, by_day=True)
    assert np.bincount(by_hour.unit).tolist() == [24, hours, 24]
    assert by_hour.longest_unit == max(24, hours)
    assert set(np.diff(by_hour.bounds_us)) == {HOUR_US}
    by_day = clock_of(name, day - dt.timedelta(days=1), 3, DAY_US)
    assert (np.diff(by_day.bounds_us) // HOUR_US).tolist() == [24, hours, 24]
    assert (by_day.times, by_day.units, by_day.longest_unit) == (3, 1, 3)


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(ZONES),
    first=st.dates(dt.date(2010, 1, 1), dt.date(2030, 1, 1)),
    days=st.integers(1, 40),
    step_us=st.sampled_from([HOUR_US, DAY_US]),
    by_day=st.booleans(),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
)
def test_every_instant_is_in_the_hour_and_day_its_clock_shows(
    *, name: str, first: dt.date, days: int, step_us: int, by_day: bool, shares: list[float]
) -> None:
    assume(midnight(first, name) < midnight(first + dt.timedelta(days=1), name))
    clock = clock_of(name, first, days, step_us, by_day=by_day)
    start, end = int(clock.bounds_us[0]), int(clock.bounds_us[-1])
    assert (np.diff(clock.bounds_us) > 0).all()
    for share in shares:
        at = start + int(share * (end - start))
        step = int(clock.step_at(np.array([at]))[0])
        low, high = (int(instant) for instant in clock.bounds_us[step : step + 2])
        assert low <= at < high
        shown, begins, last = (instant_of(us).astimezone(ZoneInfo(name)) for us in (at, low, high - 1))
        assert begins.date() == shown.date() == last.date()
        if step_us == HOUR_US:
            assert begins.hour == shown.hour == last.hour
            assert begins.utcoffset() == last.utcoffset()
            assert high - low <= HOUR_US
        assert clock.hour[(at - start) // QUARTER_US] == shown.hour
        day = instant_of(int(clock.bounds_us[np.searchsorted(clock.unit, clock.unit[step])]))
        if by_day and end - start != DAY_US:
            assert day == midnight(shown.date(), name)


@settings(max_examples=40, deadline=None)
@given(first=st.dates(dt.date(1970, 1, 2), dt.date(2037, 1, 1)), days=st.integers(1, 400), by_day=st.booleans())
def test_utc_is_plain_arithmetic(*, first: dt.date, days: int, by_day: bool) -> None:
    for step_us in (HOUR_US, DAY_US):
        clock = clock_of("UTC", first, days, step_us, by_day=by_day)
        start = microseconds(dt.datetime.combine(first, dt.time(), dt.UTC))
        assert clock.bounds_us.tolist() == list(range(start, start + days * DAY_US + 1, step_us))
        units = np.arange(clock.times) * step_us // (DAY_US if by_day else days * DAY_US)
        assert clock.unit.tolist() == units.tolist()
        assert clock.is_by_hour


@pytest.mark.parametrize(
    ("name", "first", "offset_minutes"),
    [
        ("UTC", dt.date(2026, 3, 28), 0),
        ("Europe/Paris", dt.date(2026, 7, 13), 120),
        ("Asia/Kathmandu", dt.date(2026, 3, 28), 345),
        ("America/New_York", dt.date(2026, 7, 13), -240),
        ("Europe/Paris", dt.date(2026, 3, 28), None),
        ("Africa/Cairo", dt.date(2026, 4, 24), None),
    ],
)
def test_a_clock_is_even_where_it_has_one_offset_and_days_of_24_hours(
    name: str, first: dt.date, offset_minutes: int | None
) -> None:
    """Cairo's first day begins at one in the morning, after which its clock does not change: it is even by the hour alone."""
    for step_us, by_day in ((HOUR_US, False), (HOUR_US, True), (DAY_US, False)):
        clock = clock_of(name, first, 3, step_us, by_day=by_day)
        if name == "Africa/Cairo" and step_us == HOUR_US and not by_day:
            assert clock.offset_us == 3 * HOUR_US
            continue
        assert clock.offset_us == (None if offset_minutes is None else offset_minutes * 60_000_000)
        if clock.offset_us is None:
            continue
        quarters = clock.quarters()
        at = quarters["quarter"] * QUARTER_US
        since = at - clock.bounds_us[0]
        unit_us = DAY_US if by_day else int(clock.bounds_us[-1] - clock.bounds_us[0])
        assert (quarters["starts_at_us"] == at - since % step_us).all()
        assert (quarters["unit_at_us"] == at - since % unit_us).all()
        assert (quarters["local_hour"] == (at + clock.offset_us) % DAY_US // HOUR_US).all()
        assert (quarters["local_day"] == (at + clock.offset_us) // DAY_US).all()


def test_steps_begin_on_whole_hours_and_days_of_the_local_clock_alone() -> None:
    def starts(text: str, step_us: int, name: str = "Europe/Paris") -> bool:
        return is_start(name, microseconds(dt.datetime.fromisoformat(text)), step_us)

    assert starts("2026-07-01T00:00+02:00", DAY_US)
    assert starts("2026-07-01T05:00+02:00", HOUR_US)
    assert not starts("2026-07-01T00:00+00:00", DAY_US)
    assert not starts("2026-07-01T00:00:01+02:00", HOUR_US)
    assert not starts("2026-07-01T01:00+00:00", HOUR_US, "Asia/Kolkata")
    assert starts("2026-07-01T01:30+00:00", HOUR_US, "Asia/Kolkata")
    assert starts("2026-03-30T00:00+02:00", WEEK_US)
    assert not starts("2026-03-31T00:00+02:00", WEEK_US)
    assert not starts("2026-03-30T00:00+00:00", WEEK_US)


def test_weeks_run_from_monday_to_monday_of_the_local_clock() -> None:
    clock = clock_of("Europe/Paris", dt.date(2026, 3, 23), 14, WEEK_US)
    hours = np.diff(clock.bounds_us) // HOUR_US
    assert hours.tolist() == [167, 168], "clocks go forward on the Sunday"
    assert (clock.units, clock.longest_unit) == (1, 2)


@pytest.mark.parametrize("name", ["", "Paris", "CET", "posixrules", "localtime", "Europe/Nowhere", "../etc/passwd"])
def test_what_is_no_time_zone(name: str) -> None:
    assert name not in time_zones()
    if name not in {"CET", "posixrules", "localtime"}:
        with pytest.raises(Invalid):
            midnight(dt.date(2026, 1, 1), name)


def test_an_old_specification_has_the_digest_it_had() -> None:
    assert specification(3).digest == OLD_DIGEST
    assert specification(3, time_zone="UTC").digest == OLD_DIGEST
    paris = midnight(MONDAY.date(), "Europe/Paris")
    digests = {
        specification(3, period_from=paris, period_to=paris + dt.timedelta(days=1), time_zone=name).digest
        for name in ("UTC", "Europe/Paris", "Africa/Lagos")
    }
    assert len(digests) == 3


OLD_DIGEST = "9f498431c1351e610350130de3173871b766367adfde0de2607803c6edad3567"


def test_the_noise_of_a_day_covers_the_longest_there_is() -> None:
    """Totals add up over the hours of a unit: where one has 25, one person's day counts in 25 of them."""
    start, end = (midnight(dt.date(2026, 10, day), "Europe/Paris") for day in (24, 27))
    stated = {"period_from": start, "period_to": end, "unit": "day", "max_zones": 2, "time_zone": "Europe/Paris"}
    assert specification(3, **stated).sensitivities("totals") == (2 * 25, 4 * 25)
    assert specification(3, **stated).times == 73
    assert specification(3, **stated | {"grain": "day"}).sensitivities("totals") == (2, 4)


def test_a_local_day_is_charged_to_the_year_it_lies_in() -> None:
    start, end = (midnight(day, "Europe/Paris") for day in (dt.date(2026, 12, 30), dt.date(2027, 1, 3)))
    assert budget.years(start, end, "day", "Europe/Paris") == {2026: 2, 2027: 2}
    assert budget.years(midnight(dt.date(2027, 1, 1), "Europe/Paris"), end, "release", "Europe/Paris") == {2027: 1}
