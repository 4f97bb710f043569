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


def test_the_price_by_hand() -> None:
    """Losses that are round numbers, one half-life of age and one of term, and a span so short that it has no age."""
    quote = price(
        SecondInputs(
            currency="EUR",
            full_worth_minor=80_000_000,
            worth_days=1,
            period_hours=12,
            published_cells=3,
            declared_cells=4,
            cells_at_once=1,
            people=100,
            population=200,
            unseen_squared_micro=1_000,
            variance_micro=1_000_000,
            noise_variance_micro=50_000_000,
            prior_observations=200,
            survey_people=1_000,
            age_seconds=30_000 * DAY,
            half_life_days=30_000,
            right_basis_points=5_000,
            demand_basis_points=15_000,
            floor_minor=3_100_000,
            cap_minor=3_150_000,
        )
    )
    steps = [step.amount_minor for step in quote.waterfall]
    # Of half a day three quarters; half of it sampled, 1/200 × 200; half of that biased, 1/1000 × 1000; 1 + 1 + 1 noisy.
    assert steps[:6] == [80_000_000, -40_000_000, -10_000_000, -15_000_000, -7_500_000, -2_500_000]
    assert sum(steps[:7]) == pytest.approx(2_500_000, rel=1e-4)
    assert sum(steps[:8]) == pytest.approx(1_250_000, rel=1e-4)
    assert steps[8] == 0
    assert sum(steps[:10]) == pytest.approx(1_875_000, rel=1e-4)
    assert quote.amount_minor == 3_100_000
    capped = price(replace(quote.inputs, floor_minor=0, cap_minor=25_000))
    assert capped.amount_minor == 25_000


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
