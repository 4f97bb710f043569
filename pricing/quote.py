"""The price of a licence: what is sold, how good and how fresh it is, and the waterfall that explains it.

The rule this file keeps: a price is a function of published metadata alone, computed in exact arithmetic, so that the
same inputs give the same price for ever and on any machine. The version of the rule is one of the inputs; a rule that
has priced a quote is never changed, only followed by another (`pricing.first_rule` and `pricing.second_rule` are those
before).

The third rule is additive in what is sold (the published cells of each day, each at its own age, the months of a term),
and multiplied by what never rises when less of it is there: consent, evenness, precision, rights. Hence no part costs
more than its whole, parts never cost less together than the whole they replace, and less consent, in all age bands or
in one, never costs more. It rounds up once, at the end, and clamps to [floor, cap]: both keep these laws.

Canonical bytes hold the inputs, the waterfall and the amount; a signature on them covers the whole explanation, and
anybody can re-compute it offline from its own contents (`from_canonical`).

Source: RFC 8785, JSON Canonicalization Scheme; for the worth, see `pricing.valuation`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias

import rfc8785

from pricing.first_rule import FirstInputs, first_rule
from pricing.money import SAFE_INTEGER, amount, safe_integer, whole
from pricing.refusals import Empty, OutOfRange, Tampered, TooLarge, UnknownRule
from pricing.second_rule import SecondInputs, second_rule
from pricing.valuation import freshness, least_bias, mean_freshness, removed
from pricing.waterfall import DAY_SECONDS, HOUR_SECONDS, MICRO, NEUTRAL_BASIS_POINTS, SharedInputs, check_order, steps

CURRENT_RULE: Final = 3
"""The rule version that new quotes use."""

MOST_DAYS: Final = 3_660
"""Of a period; ten years."""


@dataclass(frozen=True, slots=True)
class Day:
    """What is published of a day, or of a week where that is the shortest time counted.

    hours: how long it is, >= 1. published_cells of declared_cells >= 1: what of the key set is there.
    """

    hours: int
    published_cells: int
    declared_cells: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        for name in ("hours", "published_cells", "declared_cells"):
            safe_integer(getattr(self, name), name)
        check_order((1, self.hours), (1, self.declared_cells), (self.published_cells, self.declared_cells))


@dataclass(frozen=True, slots=True)
class Band:
    """An age band: people who consent, as published, of its population >= 1."""

    people: int
    population: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        for name in ("people", "population"):
            safe_integer(getattr(self, name), name)
        check_order((1, self.population), (self.people, self.population))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInputs(SharedInputs):
    """All a price depends on.

    days: what is published of each day of the period, the earliest first, at least one; one of a release whose days are
    not known stands for all. bands: who consents of each age band; none: of all alike. Both may be as JSON has them.
    """

    month_seconds: ClassVar[int] = 31 * DAY_SECONDS
    """As long as the longest: a term in pieces, each from the day on which the one before ends, costs no less than at once."""
    rule_version: int = CURRENT_RULE
    days: tuple[Day, ...]
    bands: tuple[Band, ...] = ()

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange, Empty for no day and a malformed currency."""
        for name, part in (("days", Day), ("bands", Band)):
            listed = (each if isinstance(each, part) else part(**each) for each in getattr(self, name))
            object.__setattr__(self, name, tuple(listed))
        SharedInputs.__post_init__(self)
        if not self.days:
            msg = "a period has at least one day"
            raise Empty(msg)
        check_order((len(self.days), MOST_DAYS))

    @property
    def period_hours(self) -> int:
        """How long the data cover."""
        return sum(day.hours for day in self.days)

    @property
    def published_cells(self) -> int:
        """How many cells are published."""
        return sum(day.published_cells for day in self.days)

    @property
    def declared_cells(self) -> int:
        """How many cells there could be."""
        return sum(day.declared_cells for day in self.days)

    @property
    def bias(self) -> Fraction:
        """What is the least bias of any part of those who consent: more in one band never makes it worse."""
        bands = self.bands or (Band(self.people, self.population),)
        return least_bias(
            tuple((band.people, band.population) for band in bands),
            Fraction(self.association_squared_micro, MICRO),
            Fraction(self.unseen_squared_micro, MICRO),
        )


Inputs: TypeAlias = PriceInputs | SecondInputs | FirstInputs
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


def quality(inputs: PriceInputs, published: Fraction, crowding: Fraction = Fraction(1)) -> Fraction:
    """Return what is there of a perfect release's worth, in [0, 1]: cells published, who is in them, how exactly.

    published: the share of some day's and area's cells that is, in [0, 1]. Two releases of one product compare by it: of
    a cell and a moment, the one of higher quality says no less. crowding: > 0; with it as if each cell had so many times
    the people, so that parts of an area compare with the whole of it.
    """
    cell = inputs.cell_sampling / crowding + inputs.cell_noise / crowding**2
    return published * removed(inputs.bias, inputs.survey_people) * removed(cell, inputs.prior_observations)


def _third_rule(i: PriceInputs) -> Iterable[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order."""
    there, lasting = _published(i.days, i.half_life_seconds)
    fresh = freshness(i.age_seconds, i.half_life_seconds) * lasting / there if there else Fraction(1)
    return steps(i, there / i.period_hours, fresh)


@lru_cache(maxsize=1024)
def _published(days: tuple[Day, ...], half_life_seconds: int) -> tuple[Fraction, Fraction]:
    """Return how many hours' cells are published, and how many they are worth, each at its own age, when the last has ended.

    Few releases are in use, and each by many prices.
    """
    there = lasting = Fraction(0)
    age_hours = 0
    for day in reversed(days):
        share = Fraction(day.hours * day.published_cells, day.declared_cells)
        there += share
        lasting += share * mean_freshness(age_hours * HOUR_SECONDS, day.hours * HOUR_SECONDS, half_life_seconds)
        age_hours += day.hours
    return there, lasting


_RULES: Final[Mapping[int, tuple[Any, Callable[[Any], Iterable[tuple[str, int]]]]]] = MappingProxyType(
    {1: (FirstInputs, first_rule), 2: (SecondInputs, second_rule), 3: (PriceInputs, _third_rule)}
)
