"""What the second and the third pricing rule have in common: most of their inputs, and the steps of a waterfall.

The rule this file keeps: nothing here changes, for quotes signed under either rule are computed again from it for ever.

Source: for the worth, see `pricing.valuation`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from math import ceil
from typing import ClassVar, Final

from pricing.money import currency_code, safe_integer
from pricing.refusals import OutOfRange
from pricing.valuation import removed, sampling_loss, term_share

MICRO: Final = 10**6
NEUTRAL_BASIS_POINTS: Final = 10_000
"""The demand multiplier that changes nothing, and the whole of a rate in basis points."""

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600
_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedInputs(ABC):
    """Published metadata that a price depends on: whole numbers in [0, 2**53) with their units in their names.

    full_worth_minor: what worth_days >= 1 days of perfect data are worth: all declared cells, everybody in them, no
    noise, of this very moment, with every right and without end.
    cells_at_once: declared cells of one moment, zones × segments, >= 1.
    people: who consent, of the population, 1 <= people <= population: of the whole area, as published.
    association_squared_micro: the squared correlation assumed between what is counted and the propensities of consent
    that age bands show. unseen_squared_micro: that between what is counted and consent which no band shows. In
    millionths; the two correlations are at most a million together.
    variance_micro: one person's variance, in millionths, >= 1. noise_variance_micro: that of the noise on a cell, in
    millionths of squared people.
    prior_observations: people that a buyer's own knowledge of one cell is worth, >= 1; survey_people: of the whole area.
    age_seconds: from the end of the period covered to the quote. half_life_days: >= 1.
    right_basis_points: the share of the worth that the licence's right of use is, at most 10,000. term_months: how long
    the licence lasts; 0 without end. demand_basis_points: the draw, 10,000 for none.
    floor_minor <= cap_minor: between them the price lies, ends included.
    """

    month_seconds: ClassVar[int]
    """How long a month of a licence's term counts."""
    positive: ClassVar[tuple[str, ...]] = (
        "worth_days",
        "cells_at_once",
        "people",
        "variance_micro",
        "prior_observations",
        "survey_people",
        "half_life_days",
    )

    rule_version: int
    currency: str
    full_worth_minor: int
    worth_days: int
    cells_at_once: int
    people: int
    population: int
    association_squared_micro: int = 0
    unseen_squared_micro: int = 0
    variance_micro: int
    noise_variance_micro: int
    prior_observations: int
    survey_people: int
    age_seconds: int
    half_life_days: int
    right_basis_points: int = NEUTRAL_BASIS_POINTS
    term_months: int = 0
    demand_basis_points: int = NEUTRAL_BASIS_POINTS
    floor_minor: int
    cap_minor: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange and a malformed currency."""
        currency_code(self.currency)
        for field in fields(self):
            if field.type is int:
                safe_integer(getattr(self, field.name), field.name)
        for name in self.positive:
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1"
                raise OutOfRange(msg)
        check_order(
            (self.people, self.population),
            (self.association_squared_micro + self.unseen_squared_micro, MICRO),
            (self.right_basis_points, NEUTRAL_BASIS_POINTS),
            (self.floor_minor, self.cap_minor),
        )

    @property
    def half_life_seconds(self) -> int:
        """The half-life of what the data say."""
        return self.half_life_days * DAY_SECONDS

    @property
    @abstractmethod
    def period_hours(self) -> int:
        """How long the data cover, >= 1."""

    @property
    @abstractmethod
    def bias(self) -> Fraction:
        """How those who consent differ from the others, as a loss: alike in every cell, so no cell makes up for it."""

    @property
    def cell_sampling(self) -> Fraction:
        """The sampling loss of one declared cell, the consenting people spread evenly over those of one moment.

        Cells of the key set, published or not: the median of those that survive a threshold grows as consent shrinks.
        """
        return Fraction((self.population - self.people) * self.cells_at_once, self.population * self.people)

    @property
    def cell_noise(self) -> Fraction:
        """The noise loss of one declared cell."""
        return Fraction(self.noise_variance_micro * self.cells_at_once**2, self.variance_micro * self.people**2)

    @property
    def counts_as(self) -> int | None:
        """How many people drawn at random, nobody twice, the consenting ones are as good as, area-wide; None when they are all.

        Never more than they are: n of N people drawn so lose (1 - n / N) / n.

        Meng's example, 2.3 million of 230 million with a correlation of 0.005, counts as 403.
        """
        loss = sampling_loss(self.people, self.population) + self.bias
        return int(1 / (loss + Fraction(1, self.population))) if loss else None


def check_order(*pairs: tuple[int, int]) -> None:
    """Refuse OutOfRange where the first of a pair exceeds the second."""
    if any(low > high for low, high in pairs):
        msg = "a part exceeds its whole, a rate exceeds one or the floor exceeds the cap"
        raise OutOfRange(msg)


def steps(i: SharedInputs, published: Fraction, fresh: Fraction) -> Iterable[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order; each exact, then rounded up.

    published: what is there of the period's declared cells, in [0, 1]. fresh: the mean freshness of that, in [0, 1].
    """
    sampled = removed(i.cell_sampling, i.prior_observations)
    period = Fraction(i.full_worth_minor * i.period_hours, _DAY_HOURS * i.worth_days)
    cells = period * published
    even = cells * removed(i.bias, i.survey_people)
    exact = even * removed(i.cell_sampling + i.cell_noise, i.prior_observations)
    aged = exact * fresh
    allowed = aged * Fraction(i.right_basis_points, NEUTRAL_BASIS_POINTS)
    lasting = allowed * term_share(i.term_months * i.month_seconds, i.half_life_seconds) if i.term_months else allowed
    demanded = ceil(lasting * Fraction(i.demand_basis_points, NEUTRAL_BASIS_POINTS))
    floored = max(demanded, i.floor_minor)
    return [
        ("full_worth", i.full_worth_minor),
        ("period", ceil(period)),
        ("cells", ceil(cells)),
        ("coverage", ceil(cells * sampled)),
        ("representativeness", ceil(even * sampled)),
        ("accuracy", ceil(exact)),
        ("freshness", ceil(aged)),
        ("right", ceil(allowed)),
        ("term", ceil(lasting)),
        ("demand", demanded),
        ("floor", floored),
        ("cap", min(floored, i.cap_minor)),
    ]
