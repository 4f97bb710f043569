"""The second pricing rule: quotes signed under it say the same for ever."""

from dataclasses import replace
from fractions import Fraction

import pytest

from pricing.quote import canonical, from_canonical, price
from pricing.refusals import OutOfRange, Tampered, UnknownRule
from pricing.second_rule import SecondInputs
from pricing.valuation import coverage, defect_squared, selection_loss

DAY = 86_400
CITY = SecondInputs(
    currency="EUR",
    full_worth_minor=500_000,
    worth_days=14,
    period_hours=168,
    published_cells=800,
    declared_cells=1_000,
    cells_at_once=142,
    people=113_600,
    population=355_000,
    representativeness_micro=930_000,
    association_squared_micro=2_500,
    unseen_squared_micro=25,
    variance_micro=250_000,
    noise_variance_micro=500_000_000,
    prior_observations=40,
    survey_people=3_000,
    age_seconds=9 * DAY + 3_600,
    half_life_days=45,
    right_basis_points=8_000,
    term_months=3,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)


def test_this_price_is_for_ever() -> None:
    """Rule 2 on stated inputs: were this to change, quotes already signed would no longer verify."""
    quote = price(CITY)
    assert {step.name: step.amount_minor for step in quote.waterfall} == {
        "full_worth": 500_000,
        "period": -250_000,
        "cells": -50_000,
        "coverage": -6_576,
        "representativeness": -38_573,
        "accuracy": -16_701,
        "freshness": -24_213,
        "right": -22_787,
        "term": -22_332,
        "demand": 2_753,
        "floor": 0,
        "cap": 0,
    }
    assert quote.amount_minor == 71_571
    data = canonical(quote)
    assert b'"representativeness_micro":930000' in data
    assert from_canonical(data) == quote
    with pytest.raises(Tampered):
        from_canonical(data.replace(b"71571", b"71570"))


def test_its_bias_is_that_of_the_books() -> None:
    """The rule computes it on one denominator; `pricing.valuation` says what it is."""
    for people in (1, 3_550, 113_600, 355_000):
        one = replace(CITY, people=people)
        shown = defect_squared(Fraction(93, 100), coverage(people, one.population), Fraction(25, 10_000))
        assert one.bias == selection_loss(people, one.population, Fraction(25, 10**6) + shown)


def test_refusals() -> None:
    """What could never be priced by it, and another rule's number on its inputs."""
    for wrong in (
        {"published_cells": 1_001},
        {"representativeness_micro": 1_000_001},
        {"period_hours": 0},
        {"declared_cells": 0, "published_cells": 0},
    ):
        with pytest.raises(OutOfRange):
            replace(CITY, **wrong)
    with pytest.raises(UnknownRule):
        price(replace(CITY, rule_version=3))
