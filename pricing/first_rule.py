"""The first pricing rule, frozen: what quotes signed before the second one were priced by.

The rule this file keeps: nothing here changes. A quote states its own inputs and is computed again from them for ever;
new quotes are priced by `pricing.quote`.

Source: see `pricing.valuation` for the worth.
"""

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Final

from pricing.money import currency_code, safe_integer
from pricing.refusals import OutOfRange
from pricing.valuation import (
    Losses,
    coverage,
    defect_squared,
    freshness,
    noise_loss,
    sampling_loss,
    selection_loss,
    staleness_loss,
    worth,
)

_DAY_SECONDS: Final = 86_400
_NEUTRAL_BASIS_POINTS: Final = 10_000
_PER_MILLE: Final = 1_000
_MICRO: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstInputs:
    """All a price of the first rule depends on: whole numbers in [0, 2**53) with their units in their names.

    rule_version: which rule of this module prices. full_worth_minor: what perfect data would be worth.
    people_median_cell, population_median_cell: n and N of the median published cell, 1 <= n <= N, so that coverage
    moves the price of a village and of a country alike. representativeness_per_mille: the R-indicator, at most 1000.
    association_squared_per_mille: the squared correlation assumed between the quantity and what makes people consent,
    at most 1000. variance_micro: one person's variance, in millionths, >= 1. noise_variance_micro: that of the noise
    on a cell, in millionths of squared people. prior_observations: what the buyer's prior is worth, >= 1.
    age_seconds: from the end of the latest event's interval to the quote. half_life_days: >= 1. drift_per_mille: how
    far the level wanders for good, in thousandths of one person's variance. demand_basis_points: the draw of the day,
    10,000 for none. floor_minor <= cap_minor: between them the price lies, ends included.
    """

    rule_version: int = 1
    currency: str
    full_worth_minor: int
    people_median_cell: int
    population_median_cell: int
    representativeness_per_mille: int = _PER_MILLE
    association_squared_per_mille: int = 0
    variance_micro: int
    noise_variance_micro: int
    prior_observations: int
    age_seconds: int
    half_life_days: int
    drift_per_mille: int = 0
    demand_basis_points: int = _NEUTRAL_BASIS_POINTS
    floor_minor: int
    cap_minor: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange and a malformed currency."""
        currency_code(self.currency)
        for field in fields(self):
            if field.name != "currency":
                safe_integer(getattr(self, field.name), field.name)
        for name in ("people_median_cell", "variance_micro", "prior_observations", "half_life_days"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1"
                raise OutOfRange(msg)
        for low, high in (
            (self.people_median_cell, self.population_median_cell),
            (self.representativeness_per_mille, _PER_MILLE),
            (self.association_squared_per_mille, _PER_MILLE),
            (self.floor_minor, self.cap_minor),
        ):
            if low > high:
                msg = "people exceed the population, a rate exceeds 1000 or the floor exceeds the cap"
                raise OutOfRange(msg)


def first_rule(inputs: FirstInputs) -> list[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order; each exact, then rounded half to even."""
    people, population = inputs.people_median_cell, inputs.population_median_cell
    fresh = freshness(inputs.age_seconds, inputs.half_life_days * _DAY_SECONDS)
    defect = defect_squared(
        Fraction(inputs.representativeness_per_mille, _PER_MILLE),
        coverage(people, population),
        Fraction(inputs.association_squared_per_mille, _PER_MILLE),
    )
    sampling = sampling_loss(people, population)
    selection = selection_loss(people, population, defect)
    noise = noise_loss(people, Fraction(inputs.variance_micro, _MICRO), Fraction(inputs.noise_variance_micro, _MICRO))
    staleness = staleness_loss(fresh, Fraction(inputs.drift_per_mille, _PER_MILLE))

    def valued(losses: Losses) -> Fraction:
        return worth(inputs.full_worth_minor, losses, inputs.prior_observations)

    aged = valued(Losses(sampling, selection, noise, staleness)) * fresh
    demanded = round(aged * inputs.demand_basis_points / _NEUTRAL_BASIS_POINTS)
    floored = max(demanded, inputs.floor_minor)
    return [
        ("full_worth", inputs.full_worth_minor),
        ("coverage", round(valued(Losses(sampling)))),
        ("representativeness", round(valued(Losses(sampling, selection)))),
        ("accuracy", round(valued(Losses(sampling, selection, noise)))),
        ("freshness", round(aged)),
        ("demand", demanded),
        ("floor", floored),
        ("cap", min(floored, inputs.cap_minor)),
    ]
