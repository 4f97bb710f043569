"""The first pricing rule: quotes signed under it say the same for ever."""

from dataclasses import replace

import pytest

from pricing.first_rule import FirstInputs
from pricing.quote import canonical, from_canonical, price
from pricing.refusals import NotWhole, OutOfRange, Tampered, UnknownRule

DAY = 86_400
CITY = FirstInputs(
    currency="EUR",
    full_worth_minor=500_000,
    people_median_cell=800,
    population_median_cell=2_500,
    representativeness_per_mille=930,
    association_squared_per_mille=10,
    variance_micro=250_000,
    noise_variance_micro=50_000_000,
    prior_observations=400,
    age_seconds=9 * DAY + 77,
    half_life_days=45,
    drift_per_mille=1,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)


def test_this_price_is_for_ever() -> None:
    """Rule 1 on stated inputs, and its bytes."""
    quote = price(CITY)
    assert {step.name: step.amount_minor for step in quote.waterfall} == {
        "full_worth": 500_000,
        "coverage": -126_866,
        "representativeness": -12_865,
        "accuracy": -29_767,
        "freshness": -52_310,
        "demand": 11_128,
        "floor": 0,
        "cap": 0,
    }
    assert quote.amount_minor == 289_320
    data = canonical(quote)
    assert b'"drift_per_mille":1' in data
    assert from_canonical(data) == quote
    with pytest.raises(Tampered):
        from_canonical(data.replace(b"289320", b"289319"))


def test_the_price_by_hand() -> None:
    """One cell whose losses are round numbers: 1/n_eff = 1/200, a prior of 200, one half-life old."""
    quote = price(
        FirstInputs(
            currency="EUR",
            full_worth_minor=80_000,
            people_median_cell=100,
            population_median_cell=200,
            variance_micro=1_000_000,
            noise_variance_micro=0,
            prior_observations=200,
            age_seconds=30 * DAY,
            half_life_days=30,
            demand_basis_points=15_000,
            floor_minor=31_000,
            cap_minor=31_500,
        )
    )
    assert [step.amount_minor for step in quote.waterfall] == [80_000, -40_000, 0, 0, -20_000, 10_000, 1_000, 0]


def test_refusals() -> None:
    """What could never be priced by it, and another rule's number on its inputs."""
    for wrong in ({"people_median_cell": 0}, {"people_median_cell": 2_501}, {"floor_minor": 900_001}):
        with pytest.raises(OutOfRange):
            replace(CITY, **wrong)
    with pytest.raises(NotWhole):
        replace(CITY, age_seconds=1.5)  # type: ignore[arg-type]
    with pytest.raises(UnknownRule):
        price(replace(CITY, rule_version=2))
