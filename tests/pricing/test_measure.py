"""The worth of data in use: exact sums that never grow with age."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.measure import MOST_HALF_LIFE_HOURS, ONE_OVER_LN_2, UNIT, Hours, worth_in_use
from pricing.refusals import OutOfRange

LIVES = st.integers(1, 5_000)
LENGTHS = st.integers(1, 2_000)


@given(LIVES, st.tuples(LENGTHS, LENGTHS), st.tuples(st.integers(0, 9_000), LENGTHS, LENGTHS))
def test_a_span_is_worth_its_parts_of_data_and_of_use(
    life: int, days: tuple[int, int], uses: tuple[int, int, int]
) -> None:
    starts, cut, ends = -sum(days), -days[1], 0
    since, until, last = uses[0], uses[0] + uses[1], sum(uses)
    whole = worth_in_use(Hours(starts, ends), Hours(since, last), life)
    by_data = [worth_in_use(Hours(*span), Hours(since, last), life) for span in ((starts, cut), (cut, ends))]
    by_use = [worth_in_use(Hours(starts, ends), Hours(*span), life) for span in ((since, until), (until, last))]
    assert whole == sum(by_data) == sum(by_use) >= 0
    assert min(*by_data, *by_use) >= 0


@given(LIVES, LENGTHS, st.integers(0, 9_000), LENGTHS)
def test_data_are_never_worth_more_later_or_for_less_long(life: int, hours: int, age: int, use: int) -> None:
    data = Hours(-hours, 0)
    now = worth_in_use(data, Hours(age, age + use), life)
    assert worth_in_use(data, Hours(age + 1, age + 1 + use), life) <= now
    assert now <= worth_in_use(data, Hours(age, age + use + 1), life) <= worth_in_use(data, Hours(age, None), life)


@pytest.mark.parametrize("life", [24, 24 * 60, MOST_HALF_LIFE_HOURS])
def test_a_half_life_later_half_is_left(life: int) -> None:
    new, old = (worth_in_use(Hours(-1, 0), Hours(age, None), life) for age in (0, life))
    assert abs(Fraction(old, new) - Fraction(1, 2)) < Fraction(1, 10**15)
    assert 1 - Fraction(1, life) < Fraction(new * life * ONE_OVER_LN_2, UNIT * UNIT) < 1


def test_what_is_left_at_each_age_is_as_published(vectors: Callable[[str], dict[str, Any]]) -> None:
    case = vectors("valuation")["freshness_half_life"]
    life = case["half_life_days"] * 24
    new = worth_in_use(Hours(-1, 0), Hours(0, None), life)
    for days, left in case["cases"].items():
        old = worth_in_use(Hours(-1, 0), Hours(int(days) * 24, None), life)
        assert float(Fraction(old, new)) == pytest.approx(left, abs=1e-14)


@pytest.mark.parametrize("life", [1, 24, MOST_HALF_LIFE_HOURS])
def test_each_hour_is_worth_something_until_it_is_forgotten(life: int) -> None:
    hours = [
        worth_in_use(Hours(-1, 0), Hours(age, age + 1), life) for age in (0, life, 30 * life, 60 * life, 65 * life)
    ]
    assert hours == sorted(hours, reverse=True)
    assert hours[-2] > 0 == hours[-1]


@pytest.mark.parametrize(
    ("data", "use", "life"),
    [
        (Hours(0, 0), Hours(0, 0), 1),
        (Hours(1, 0), Hours(1, None), 1),
        (Hours(0, 2), Hours(1, None), 1),
        (Hours(0, None), Hours(1, None), 1),
        (Hours(0, 1), Hours(1, 2), 0),
        (Hours(0, 1), Hours(1, 2), MOST_HALF_LIFE_HOURS + 1),
    ],
)
def test_spans_that_are_no_data_in_use_are_refused(data: Hours, use: Hours, life: int) -> None:
    with pytest.raises(OutOfRange):
        worth_in_use(data, use, life)
