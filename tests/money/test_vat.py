"""VAT by country, confirmation and day, checked against exact fractions and worked examples."""

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from marketplace.money.vat import EU_COUNTRIES, RATES, rate, vat

TODAY = dt.date(2026, 11, 24)
COUNTRIES = some.one_of(
    some.sampled_from(sorted(EU_COUNTRIES)),
    some.sampled_from(["MC", "GP", "MQ", "RE", "GF", "YT"]),
    some.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
)


@given(COUNTRIES, some.booleans(), some.integers(1, 10**11))
def test_vat_is_the_rule_of_the_country_rounded_half_up(country: str, confirmed: bool, net: int) -> None:  # noqa: FBT001
    found = vat(country, confirmed=confirmed, net_minor=net, on=TODAY)
    if country in {"GP", "MQ", "RE"}:
        due = 850
    else:
        due = 2000 if country in {"FR", "MC"} or (country in EU_COUNTRIES and not confirmed) else 0
    assert found.basis_points == due
    exact = Fraction(net * due, 10_000)
    assert -Fraction(1, 2) < found.amount_minor - exact <= Fraction(1, 2)
    assert isinstance(found.amount_minor, int)


@pytest.mark.parametrize(
    ("country", "confirmed", "rule", "amount"),
    [
        ("FR", False, "domestic", 2469),
        ("MC", False, "domestic", 2469),
        ("FR", True, "domestic", 2469),
        ("DE", True, "reverse_charge", 0),
        ("DE", False, "unverified", 2469),
        ("GR", True, "reverse_charge", 0),
        ("GP", False, "overseas", 1049),
        ("MQ", True, "overseas", 1049),
        ("RE", False, "overseas", 1049),
        ("GF", False, "overseas_exempt", 0),
        ("YT", True, "overseas_exempt", 0),
        ("NC", False, "outside_eu", 0),
        ("PF", True, "outside_eu", 0),
        ("MF", False, "outside_eu", 0),
        ("CH", False, "outside_eu", 0),
        ("GB", True, "outside_eu", 0),
        ("XI", True, "outside_eu", 0),
        ("AX", True, "outside_eu", 0),
        ("US", False, "outside_eu", 0),
    ],
)
def test_vat_of_worked_examples(country: str, confirmed: bool, rule: str, amount: int) -> None:  # noqa: FBT001
    found = vat(country, confirmed=confirmed, net_minor=12_345, on=TODAY)
    assert (found.rule, found.amount_minor) == (rule, amount)


def test_the_union_has_twenty_seven_members() -> None:
    assert len(EU_COUNTRIES) == 27


def test_a_rate_holds_from_its_first_day() -> None:
    assert rate("standard", dt.date(2013, 12, 31)) == 1960
    assert rate("standard", dt.date(2014, 1, 1)) == 2000
    assert rate("overseas", TODAY) == 850
    assert vat("FR", confirmed=False, net_minor=10_000, on=dt.date(2013, 12, 31)).amount_minor == 1960
    for rates in RATES.values():
        assert [since for since, _ in rates] == sorted(since for since, _ in rates)
