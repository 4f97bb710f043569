"""VAT by country and confirmation, checked against exact fractions; numbers and months."""

from __future__ import annotations

import calendar
import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from marketplace.catalogue.vat import EU_COUNTRIES, vat
from marketplace.purchases.rules import months_later, order_number

COUNTRIES = some.one_of(
    some.sampled_from(sorted(EU_COUNTRIES)), some.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
)


@given(COUNTRIES, some.booleans(), some.integers(1, 10**11))
def test_vat_is_the_rule_of_the_country_rounded_half_up(country: str, confirmed: bool, net: int) -> None:  # noqa: FBT001
    found = vat(country, confirmed=confirmed, net_minor=net)
    is_due = country in {"FR", "MC"} or (country in EU_COUNTRIES and not confirmed)
    assert found.basis_points == (2000 if is_due else 0)
    exact = Fraction(net * 20, 100) if is_due else Fraction(0)
    assert -Fraction(1, 2) < found.amount_minor - exact <= Fraction(1, 2)
    assert isinstance(found.amount_minor, int)


@pytest.mark.parametrize(
    ("country", "confirmed", "rule", "amount"),
    [
        ("FR", False, "domestic", 2469), ("MC", False, "domestic", 2469), ("FR", True, "domestic", 2469), ("DE", True, "reverse_charge", 0),
        ("DE", False, "unverified", 2469), ("GR", True, "reverse_charge", 0), ("CH", False, "outside_eu", 0),
        ("GB", True, "outside_eu", 0), ("US", False, "outside_eu", 0),
    ],
)  # fmt: skip
def test_vat_of_worked_examples(country: str, confirmed: bool, rule: str, amount: int) -> None:  # noqa: FBT001
    found = vat(country, confirmed=confirmed, net_minor=12_345)
    assert (found.rule, found.amount_minor) == (rule, amount)


def test_the_union_has_twenty_seven_members() -> None:
    assert len(EU_COUNTRIES) == 27


@given(some.datetimes(timezones=some.just(dt.UTC)), some.integers(1, 120))
def test_months_later_is_the_same_day_or_the_last(start: dt.datetime, months: int) -> None:
    assume(start.year < 9900)
    end = months_later(start, months)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert end.day == min(start.day, calendar.monthrange(end.year, end.month)[1])
    assert end.timetz() == start.timetz()


def test_order_numbers_read_well_and_sort() -> None:
    assert order_number(2026, 42) == "P-2026-000042"
    assert sorted([order_number(2026, 100), order_number(2026, 99)]) == ["P-2026-000099", "P-2026-000100"]
