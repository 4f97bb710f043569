"""The price of a licence: what is sold, how good and how fresh it is, and the waterfall that explains it.

The rule this file keeps: a price is a function of published metadata alone, computed in exact arithmetic, so that the
same inputs give the same price for ever and on any machine. The version of the rule is one of the inputs; a rule that
has priced a quote is never changed, only followed by another (`pricing.first_rule` is the one before).

The second rule is additive in what is sold (published cells, hours, the months of a term), each part at its own age, and
multiplied by what never rises when less of it is there: consent, evenness, precision, rights. Hence no part costs more
than its whole, parts never cost less together than the whole they replace, and less consent never costs more. It rounds
up once, at the end, and clamps to [floor, cap]: both keep these laws.

Canonical bytes hold the inputs, the waterfall and the amount; a signature on them covers the whole explanation, and
anybody can re-compute it offline from its own contents (`from_canonical`).

Source: RFC 8785, JSON Canonicalization Scheme; for the worth, see `pricing.valuation`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import rfc8785

from pricing.first_rule import FirstInputs, first_rule
from pricing.money import SAFE_INTEGER, amount, currency_code, safe_integer, whole
from pricing.refusals import OutOfRange, Tampered, TooLarge, UnknownRule
from pricing.valuation import mean_freshness, removed, sampling_loss, term_share

CURRENT_RULE: Final = 2
"""The rule version that new quotes use."""

NEUTRAL_BASIS_POINTS: Final = 10_000
"""The demand multiplier that changes nothing, and the whole of a rate in basis points."""

MONTH_SECONDS: Final = 2_629_800
"""A twelfth of 365.25 days: how long a month of a licence's term counts, whatever the calendar says."""

_HOUR_SECONDS: Final = 3_600
_DAY_SECONDS: Final = 86_400
_DAY_HOURS: Final = 24
_MICRO: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInputs:
    """All a price depends on: published metadata, whole numbers in [0, 2**53) with their units in their names.

    full_worth_minor: what worth_days >= 1 days of perfect data are worth: all declared cells, everybody in them, no
    noise, of this very moment, with every right and without end.
    period_hours: how long the data cover, >= 1. published_cells of declared_cells >= 1: what of the key set is there.
    cells_at_once: declared cells of one moment, zones × segments, >= 1.
    people: who consent, of the population, 1 <= people <= population: of the whole area, as published.
    representativeness_micro: the R-indicator. association_squared_micro: the squared correlation assumed between what
    is counted and the propensities that the indicator shows. unseen_squared_micro: that between what is counted and
    consent which no indicator shows. All in millionths; the two correlations are at most a million together.
    variance_micro: one person's variance, in millionths, >= 1. noise_variance_micro: that of the noise on a cell, in
    millionths of squared people.
    prior_observations: people that a buyer's own knowledge of one cell is worth, >= 1; survey_people: of the whole area.
    age_seconds: from the end of the period covered to the quote. half_life_days: >= 1.
    right_basis_points: the share of the worth that the licence's right of use is, at most 10,000. term_months: how long
    the licence lasts; 0 without end. demand_basis_points: the draw, 10,000 for none.
    floor_minor <= cap_minor: between them the price lies, ends included.
    """

    rule_version: int = CURRENT_RULE
    currency: str
    full_worth_minor: int
    worth_days: int
    period_hours: int
    published_cells: int
    declared_cells: int
    cells_at_once: int
    people: int
    population: int
    representativeness_micro: int = _MICRO
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
        for name in _NUMBERS:
            safe_integer(getattr(self, name), name)
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1"
                raise OutOfRange(msg)
        for low, high in (
            (self.people, self.population),
            (self.published_cells, self.declared_cells),
            (self.representativeness_micro, _MICRO),
            (self.association_squared_micro + self.unseen_squared_micro, _MICRO),
            (self.right_basis_points, NEUTRAL_BASIS_POINTS),
            (self.floor_minor, self.cap_minor),
        ):
            if low > high:
                msg = "a part exceeds its whole, a rate exceeds one or the floor exceeds the cap"
                raise OutOfRange(msg)

    @property
    def counts_as(self) -> int | None:
        """How many people drawn at random, nobody twice, the consenting ones are as good as, area-wide; None when they are all.

        Never more than they are: n of N people drawn so lose (1 - n / N) / n.

        Meng's example, 2.3 million of 230 million with a correlation of 0.005, counts as 403.
        """
        loss = sampling_loss(self.people, self.population) + _bias(self)
        return int(1 / (loss + Fraction(1, self.population))) if loss else None


_NUMBERS: Final = tuple(field.name for field in fields(PriceInputs) if field.name != "currency")
_POSITIVE: Final = (
    "worth_days",
    "period_hours",
    "declared_cells",
    "cells_at_once",
    "people",
    "variance_micro",
    "prior_observations",
    "survey_people",
    "half_life_days",
)
Inputs: TypeAlias = PriceInputs | FirstInputs
"""What a price depends on, under the rule that the inputs name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall: what `name` adds to the price, or takes from it when below zero, in minor units."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PricedQuote:
    """A price and why: the steps of the waterfall sum exactly to amount_minor.

    The steps are always the same, in this order: full_worth, period, cells, coverage, representativeness, accuracy,
    freshness, right, term, demand, floor, cap. The first rule had neither period, cells, right nor term.
    """

    inputs: Inputs
    amount_minor: int
    waterfall: tuple[Step, ...]


def price(inputs: Inputs) -> PricedQuote:
    """Return the price under the rule the inputs name. Refuses UnknownRule, and TooLarge where it passes 2**53."""
    known = _RULES.get(inputs.rule_version)
    if known is None or not isinstance(inputs, known[0]):
        msg = f"this package knows the pricing rules {sorted(_RULES)}, not {inputs.rule_version}"
        raise UnknownRule(msg)
    waterfall = []
    reached = 0
    for name, total in known[1](inputs):
        if total > SAFE_INTEGER:
            msg = f"{name} must be at most {SAFE_INTEGER}, but is {total}"
            raise TooLarge(msg)
        waterfall.append(Step(name, total - reached))
        reached = total
    return PricedQuote(inputs, reached, tuple(waterfall))


def price_at_age(inputs: Inputs, age_seconds: int) -> PricedQuote:
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
        inputs = _RULES[stated["inputs"]["rule_version"]][0](**stated["inputs"])
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        msg = "these bytes are not a quote"
        raise Tampered(msg) from problem
    quote = price(inputs)
    if canonical(quote) != data:
        msg = "the quote does not state what its own inputs give"
        raise Tampered(msg)
    return quote


def quality(inputs: PriceInputs, crowding: Fraction = Fraction(1)) -> Fraction:
    """Return what is there of a perfect release's worth, in [0, 1]: cells published, who is in them, how exactly.

    Two releases of one product compare by it: of a cell and a moment, the one of higher quality says no less. crowding:
    > 0; with it as if each cell had so many times the people, so that parts of an area compare with the whole of it.
    """
    cell = _cell_sampling(inputs) / crowding + _cell_noise(inputs) / crowding**2
    published = Fraction(inputs.published_cells, inputs.declared_cells)
    return published * removed(_bias(inputs), inputs.survey_people) * removed(cell, inputs.prior_observations)


def _second_rule(inputs: PriceInputs) -> list[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order; each exact, then rounded up."""
    i = inputs
    half_life = i.half_life_days * _DAY_SECONDS
    sampling, noise = _cell_sampling(i), _cell_noise(i)
    period = Fraction(i.full_worth_minor * i.period_hours, _DAY_HOURS * i.worth_days)
    cells = period * Fraction(i.published_cells, i.declared_cells)
    sampled = removed(sampling, i.prior_observations)
    even = cells * removed(_bias(i), i.survey_people)
    exact = even * removed(sampling + noise, i.prior_observations)
    aged = exact * mean_freshness(i.age_seconds, i.period_hours * _HOUR_SECONDS, half_life)
    allowed = aged * Fraction(i.right_basis_points, NEUTRAL_BASIS_POINTS)
    lasting = allowed * term_share(i.term_months * MONTH_SECONDS, half_life) if i.term_months else allowed
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


def _bias(i: PriceInputs) -> Fraction:
    """Return how those who consent differ from the others, as a loss: alike in every cell, so no cell makes up for it.

    It is `selection_loss` with rho**2 = unseen + `defect_squared`, on one denominator: at f = n / N consenting and
    S = (1 - R) / 2, unseen * (1 - f) / f + association * min((1 - f) / f, S**2 / f**2).
    """
    people, missing = i.people, i.population - i.people
    chance = 4 * _MICRO**2 * people * missing
    shown = (_MICRO - i.representativeness_micro) ** 2 * i.population**2
    return Fraction(
        i.unseen_squared_micro * chance + i.association_squared_micro * min(chance, shown),
        4 * _MICRO**3 * people**2,
    )


def _cell_sampling(i: PriceInputs) -> Fraction:
    """Return the sampling loss of one declared cell, the consenting people spread evenly over those of one moment.

    Cells of the key set, published or not: the median of those that survive a threshold grows as consent shrinks.
    """
    return Fraction((i.population - i.people) * i.cells_at_once, i.population * i.people)


def _cell_noise(i: PriceInputs) -> Fraction:
    """Return the noise loss of one declared cell."""
    return Fraction(i.noise_variance_micro * i.cells_at_once**2, i.variance_micro * i.people**2)


_RULES: Final[Mapping[int, tuple[Any, Callable[[Any], list[tuple[str, int]]]]]] = MappingProxyType(
    {1: (FirstInputs, first_rule), 2: (PriceInputs, _second_rule)}
)
