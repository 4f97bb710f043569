"""The second pricing rule, frozen: what quotes signed between the first and the third one were priced by.

The rule this file keeps: nothing here changes. It took what is published as spread evenly over the period, and consent
as uneven as its bands were, so that more of it in one band alone could cost more than that band was worth.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from pricing.valuation import mean_freshness
from pricing.waterfall import HOUR_SECONDS, MICRO, SharedInputs, check_order, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondInputs(SharedInputs):
    """All a price of the second rule depends on.

    period_hours: how long the data cover, >= 1. published_cells of declared_cells >= 1: what of the key set is there.
    representativeness_micro: the R-indicator, in millionths, at most a million.
    """

    month_seconds: ClassVar[int] = 2_629_800
    """A twelfth of 365.25 days."""
    positive: ClassVar[tuple[str, ...]] = (*SharedInputs.positive, "period_hours", "declared_cells")

    rule_version: int = 2
    period_hours: int
    published_cells: int
    declared_cells: int
    representativeness_micro: int = MICRO

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange and a malformed currency."""
        SharedInputs.__post_init__(self)
        check_order((self.published_cells, self.declared_cells), (self.representativeness_micro, MICRO))

    @property
    def bias(self) -> Fraction:
        """`selection_loss` with rho**2 = unseen + `defect_squared`, on one denominator.

        At f = n / N consenting and S = (1 - R) / 2: unseen * (1 - f) / f + association * min((1 - f) / f, S**2 / f**2).
        """
        people, missing = self.people, self.population - self.people
        chance = 4 * MICRO**2 * people * missing
        shown = (MICRO - self.representativeness_micro) ** 2 * self.population**2
        return Fraction(
            self.unseen_squared_micro * chance + self.association_squared_micro * min(chance, shown),
            4 * MICRO**3 * people**2,
        )


def second_rule(i: SecondInputs) -> Iterable[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order."""
    fresh = mean_freshness(i.age_seconds, i.period_hours * HOUR_SECONDS, i.half_life_seconds)
    return steps(i, Fraction(i.published_cells, i.declared_cells), fresh)
