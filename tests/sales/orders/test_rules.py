"""Months are months, and the last day of a shorter one; numbers read well and sort."""

import calendar
import datetime as dt

from hypothesis import assume, given
from hypothesis import strategies as some

from marketplace.core.instants import months_later
from marketplace.sales.orders.numbers import number


@given(some.datetimes(timezones=some.just(dt.UTC)), some.integers(1, 120))
def test_months_later_is_the_same_day_or_the_last(start: dt.datetime, months: int) -> None:
    assume(start.year < 9900)
    end = months_later(start, months)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert end.day == min(start.day, calendar.monthrange(end.year, end.month)[1])
    assert end.timetz() == start.timetz()


def test_numbers_read_well_and_sort() -> None:
    assert number("P-2026", 42) == "P-2026-000042"
    assert sorted([number("P-2026", 100), number("P-2026", 99)]) == ["P-2026-000099", "P-2026-000100"]
