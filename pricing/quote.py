"""The price of a licence: worth times demand, clamped to [floor, cap], and the waterfall that explains it.

The rule this file keeps: a price is a function of published metadata alone, computed in exact arithmetic, so that the
same inputs give the same price for ever and on any machine. The version of the rule is one of the inputs; a rule that
has priced a quote is never changed, only followed by another.

Canonical bytes hold the inputs, the waterfall and the amount; a signature on them covers the whole explanation, and
anybody can re-compute it offline from its own contents (`from_canonical`).

Source: RFC 8785, JSON Canonicalization Scheme; for the worth, see `pricing.valuation`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import rfc8785

from pricing.money import amount, currency_code, whole
from pricing.refusals import Negative, OutOfRange, Tampered, TooLarge, UnknownRule
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

CURRENT_RULE: Final = 1
"""The rule version that new quotes use."""

SAFE_INTEGER: Final = 2**53 - 1
"""The largest number canonical JSON writes exactly (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2)."""

NEUTRAL_BASIS_POINTS: Final = 10_000
"""The demand multiplier that changes nothing, and the whole of a rate in basis points."""

_DAY_SECONDS: Final = 86_400
_PER_MILLE: Final = 1_000
_MICRO: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInputs:
    """All a price depends on: published metadata, whole numbers in [0, 2**53) with their units in their names.

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

    rule_version: int = CURRENT_RULE
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
    demand_basis_points: int = NEUTRAL_BASIS_POINTS
    floor_minor: int
    cap_minor: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange and a malformed currency."""
        currency_code(self.currency)
        for field in fields(self):
            if field.name != "currency":
                _safe(getattr(self, field.name), field.name)
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


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall: what `name` adds to the price, or takes from it when below zero, in minor units."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PricedQuote:
    """A price and why: the steps of the waterfall sum exactly to amount_minor.

    The steps are always the same, in this order: full_worth, coverage, representativeness, accuracy, freshness, demand,
    floor, cap.
    """

    inputs: PriceInputs
    amount_minor: int
    waterfall: tuple[Step, ...]


def price(inputs: PriceInputs) -> PricedQuote:
    """Return the price under the rule the inputs name. Refuses UnknownRule, and TooLarge where it passes 2**53."""
    rule = _RULES.get(inputs.rule_version)
    if rule is None:
        msg = f"this package knows the pricing rules {sorted(_RULES)}, not {inputs.rule_version}"
        raise UnknownRule(msg)
    waterfall = []
    reached = 0
    for name, total in rule(inputs):
        waterfall.append(Step(name, _safe(total, name) - reached))
        reached = total
    return PricedQuote(inputs, reached, tuple(waterfall))


def price_at_age(inputs: PriceInputs, age_seconds: int) -> PricedQuote:
    """Return what the same licence costs when its data are `age_seconds` old, all else equal: "in 7 and in 30 days"."""
    return price(replace(inputs, age_seconds=age_seconds))


def covering_floor(promised_minor: int, subscribers_basis_points: int) -> int:
    """Return the lowest price whose contributors' part, rounded down, is at least what they were promised.

    promised_minor: >= 0. subscribers_basis_points: the contributors' part of a price, in [1, 10000].
    Refuses NotWhole, Negative, TooLarge, OutOfRange.
    """
    amount(promised_minor, "the promise")
    if not 1 <= whole(subscribers_basis_points, "the contributors' rate") <= NEUTRAL_BASIS_POINTS:
        msg = f"the contributors' rate must be in [1, {NEUTRAL_BASIS_POINTS}], but is {subscribers_basis_points}"
        raise OutOfRange(msg)
    return -(-promised_minor * NEUTRAL_BASIS_POINTS // subscribers_basis_points)


def canonical(quote: PricedQuote) -> bytes:
    """Return the quote as RFC 8785 JSON: an object of inputs, waterfall and amount_minor, one byte string per quote."""
    return rfc8785.dumps(asdict(quote))


def from_canonical(data: bytes) -> PricedQuote:
    """Return the quote these canonical bytes hold, after re-computing it from its own inputs.

    Refuses Tampered when they are no such JSON, are not canonical, or state a price or a step other than the rule
    gives; and as `PriceInputs` and `price` do for inputs that could never have been priced.
    """
    try:
        stated = json.loads(data)
        inputs = PriceInputs(**stated["inputs"])
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        msg = "these bytes are not a quote"
        raise Tampered(msg) from problem
    quote = price(inputs)
    if canonical(quote) != data:
        msg = "the quote does not state what its own inputs give"
        raise Tampered(msg)
    return quote


def _rule_1(inputs: PriceInputs) -> list[tuple[str, int]]:
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
    demanded = round(aged * inputs.demand_basis_points / NEUTRAL_BASIS_POINTS)
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


_RULES: Final[Mapping[int, Callable[[PriceInputs], list[tuple[str, int]]]]] = MappingProxyType({1: _rule_1})


def _safe(value: object, what: str) -> int:
    """Return `value` when it is whole and in [0, 2**53); refuses NotWhole, Negative, TooLarge."""
    number = whole(value, what)
    if number < 0:
        msg = f"{what} must not be negative, but is {number}"
        raise Negative(msg)
    if number > SAFE_INTEGER:
        msg = f"{what} must be at most {SAFE_INTEGER}, but is {number}"
        raise TooLarge(msg)
    return number
