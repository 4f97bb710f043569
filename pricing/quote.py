"""The price of a licence: quantity, quality and freshness of the data, and the waterfall that explains it.

The rule this file keeps: a price is a function of published metadata alone, computed in exact arithmetic, so the same
inputs always give the same price on any machine. The number of the rule is one of the inputs.

The rule adds up what is sold (the published cells of each day, each at its own age, and the months of a term). It
multiplies this by factors that never rise with less of anything: consent, evenness, precision, rights. So no part costs
more than its whole, parts never cost less together than the whole they replace, and less consent, in all age bands or
in one, never costs more. It rounds up once, at the end, and clamps to [floor, cap]; both preserve these laws.

The canonical bytes contain the inputs, the waterfall and the amount. A signature on them covers the whole explanation,
and anybody can compute it again offline from its own contents (`from_canonical`).

Source: RFC 8785, JSON Canonicalization Scheme; for the worth, see `pricing.valuation`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import ClassVar, Final

import rfc8785

from pricing.money import SAFE_INTEGER, amount, currency_code, safe_integer, whole
from pricing.refusals import Empty, OutOfRange, Tampered, TooLarge, UnknownRule
from pricing.valuation import freshness, least_bias, mean_freshness, removed, sampling_loss, term_share

RULE: Final = 1
"""The number of the pricing rule, which every price states."""

MOST_DAYS: Final = 3_660
"""The longest period in days; ten years."""

MICRO: Final = 10**6
NEUTRAL_BASIS_POINTS: Final = 10_000
"""The demand multiplier that changes nothing, and the whole of a rate in basis points."""

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600
_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Day:
    """The published cells of a day, or of a week if that is the shortest time counted.

    hours: its length, >= 1. published_cells of declared_cells >= 1: the published part of the key set.
    """

    hours: int
    published_cells: int
    declared_cells: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        for name in ("hours", "published_cells", "declared_cells"):
            safe_integer(getattr(self, name), name)
        _check_order((1, self.hours), (1, self.declared_cells), (self.published_cells, self.declared_cells))


@dataclass(frozen=True, slots=True)
class Band:
    """An age band: people who consent, as published, of its population >= 1."""

    people: int
    population: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge and OutOfRange."""
        for name in ("people", "population"):
            safe_integer(getattr(self, name), name)
        _check_order((1, self.population), (self.people, self.population))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInputs:
    """Published metadata that a price depends on: whole numbers in [0, 2**53) with their units in their names.

    full_worth_minor: the worth of worth_days >= 1 days of perfect data: all declared cells, everybody in them, no
    noise, of this very moment, with every right and without end.
    days: the published cells of each day of the period, the earliest first, at least one; a release whose days are
    unknown has one for all. bands: consent by age band; empty: all are alike. Both may be in their JSON form.
    cells_at_once: declared cells of one moment, zones × segments, >= 1.
    people, population: of the whole area, as published; `people` consent, 1 <= people <= population.
    association_squared_micro: the squared correlation assumed between the counted quantity and the propensities of
    consent of age bands. unseen_squared_micro: the same for differences of consent within bands. In millionths; the two
    correlations are at most a million together.
    variance_micro: one person's variance, in millionths, >= 1. noise_variance_micro: that of the noise on a cell, in
    millionths of squared people.
    prior_observations: a buyer's own knowledge of one cell, in people, >= 1; survey_people: of the whole area.
    age_seconds: from the end of the period covered to the quote. half_life_days: >= 1.
    right_basis_points: the licence's right of use as a share of the worth, at most 10,000. term_months: the length of
    the licence; 0 without end. demand_basis_points: the draw, 10,000 for none.
    floor_minor <= cap_minor: the price lies between them, ends included.
    """

    month_seconds: ClassVar[int] = 31 * DAY_SECONDS
    """The longest month: a term bought in pieces, each beginning when the previous one ends, costs no less than at
    once."""
    _positive: ClassVar[tuple[str, ...]] = (
        "worth_days",
        "cells_at_once",
        "people",
        "variance_micro",
        "prior_observations",
        "survey_people",
        "half_life_days",
    )

    rule_version: int = RULE
    currency: str
    full_worth_minor: int
    worth_days: int
    days: tuple[Day, ...]
    bands: tuple[Band, ...] = ()
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
        """Refuse NotWhole, Negative, TooLarge, OutOfRange, Empty for no day and a malformed currency."""
        for name, part in (("days", Day), ("bands", Band)):
            listed = (each if isinstance(each, part) else part(**each) for each in getattr(self, name))
            object.__setattr__(self, name, tuple(listed))
        currency_code(self.currency)
        for field in fields(self):
            if field.type is int:
                safe_integer(getattr(self, field.name), field.name)
        for name in self._positive:
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1"
                raise OutOfRange(msg)
        if not self.days:
            msg = "a period has at least one day"
            raise Empty(msg)
        _check_order(
            (self.people, self.population),
            (self.association_squared_micro + self.unseen_squared_micro, MICRO),
            (self.right_basis_points, NEUTRAL_BASIS_POINTS),
            (self.floor_minor, self.cap_minor),
            (len(self.days), MOST_DAYS),
        )

    @property
    def half_life_seconds(self) -> int:
        """The half-life of the information in the data."""
        return self.half_life_days * DAY_SECONDS

    @property
    def period_hours(self) -> int:
        """The hours that the data cover."""
        return sum(day.hours for day in self.days)

    @property
    def published_cells(self) -> int:
        """The number of published cells."""
        return sum(day.published_cells for day in self.days)

    @property
    def declared_cells(self) -> int:
        """The number of declared cells."""
        return sum(day.declared_cells for day in self.days)

    @property
    def bias(self) -> Fraction:
        """The bias of those who consent, as a loss: it is alike in every cell, so cells do not compensate each other.

        It is the least of any subset of those who consent: more people in one band never make it worse.
        """
        bands = self.bands or (Band(self.people, self.population),)
        return least_bias(
            tuple((band.people, band.population) for band in bands),
            Fraction(self.association_squared_micro, MICRO),
            Fraction(self.unseen_squared_micro, MICRO),
        )

    @property
    def cell_sampling(self) -> Fraction:
        """The sampling loss of one declared cell, if the consenting people are spread evenly over those of one moment.

        It uses cells of the key set, published or not: the median of those that survive a threshold grows as consent
        shrinks.
        """
        return Fraction((self.population - self.people) * self.cells_at_once, self.population * self.people)

    @property
    def cell_noise(self) -> Fraction:
        """The noise loss of one declared cell."""
        return Fraction(self.noise_variance_micro * self.cells_at_once**2, self.variance_micro * self.people**2)

    @property
    def counts_as(self) -> int | None:
        """The number of randomly drawn people, nobody twice, with the same precision area-wide; None if all consent.

        Never more than those who consent: n of N people drawn so lose (1 - n / N) / n.

        Meng's example, 2.3 million of 230 million with a correlation of 0.005, counts as 403.
        """
        loss = sampling_loss(self.people, self.population) + self.bias
        return int(1 / (loss + Fraction(1, self.population))) if loss else None


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall: what `name` adds to the price, or subtracts if below zero, in minor units."""

    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PricedQuote:
    """A price and its explanation: the steps of the waterfall sum exactly to amount_minor.

    The steps are always the same, in this order: full_worth, period, cells, coverage, representativeness, accuracy,
    freshness, right, term, demand, floor, cap.
    """

    inputs: PriceInputs
    amount_minor: int
    waterfall: tuple[Step, ...]


def price(inputs: PriceInputs) -> PricedQuote:
    """Return the price. Refuses UnknownRule for inputs of another rule, and TooLarge if it exceeds 2**53."""
    if inputs.rule_version != RULE:
        msg = f"this package knows the pricing rule {RULE}, not {inputs.rule_version}"
        raise UnknownRule(msg)
    waterfall = []
    reached = 0
    for name, total in _totals(inputs):
        if total > SAFE_INTEGER:
            msg = f"{name} must be at most {SAFE_INTEGER}, but is {total}"
            raise TooLarge(msg)
        waterfall.append(Step(name, total - reached))
        reached = total
    return PricedQuote(inputs, reached, tuple(waterfall))


def price_at_age(inputs: PriceInputs, age_seconds: int) -> PricedQuote:
    """Return the price of the same licence when its data are `age_seconds` old, such as "in 30 days"."""
    return price(replace(inputs, age_seconds=age_seconds))


def covering_floor(promised_minor: int, subscribers_basis_points: int) -> int:
    """Return the lowest price whose contributors' part, rounded down, covers their promises.

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
    """Return the quote in these canonical bytes, after computing it again from its own inputs.

    Refuses Tampered if they are not such JSON, are not canonical, or state a price or a step that differs from the
    rule's. Also refuses as `PriceInputs` and `price` do for inputs that could never have been priced.
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


def quality(inputs: PriceInputs, published: Fraction, crowding: Fraction = Fraction(1)) -> Fraction:
    """Return the quality of a release relative to a perfect one, in [0, 1]: cells published, people in them, precision.

    published: the published share of some days' and areas' cells, in [0, 1]. Two releases of one product compare by it:
    about a cell and a moment, the one of higher quality says no less. crowding: > 0; the factor on each cell's people,
    so that parts of an area compare with the whole of it.
    """
    cell = inputs.cell_sampling / crowding + inputs.cell_noise / crowding**2
    return published * removed(inputs.bias, inputs.survey_people) * removed(cell, inputs.prior_observations)


def _totals(i: PriceInputs) -> Iterable[tuple[str, int]]:
    """Return (step, running total in minor units) in waterfall order; each exact, then rounded up."""
    there, worth_as = _published(i.days, i.half_life_seconds)
    fresh = freshness(i.age_seconds, i.half_life_seconds) * worth_as / there if there else Fraction(1)
    sampled = removed(i.cell_sampling, i.prior_observations)
    period = Fraction(i.full_worth_minor * i.period_hours, _DAY_HOURS * i.worth_days)
    cells = period * there / i.period_hours
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


@lru_cache(maxsize=1024)
def _published(days: tuple[Day, ...], half_life_seconds: int) -> tuple[Fraction, Fraction]:
    """Return the hours of published cells, and their worth in hours, each at its own age, when the last has ended.

    Cached: few releases are in use, each by many prices.
    """
    there = lasting = Fraction(0)
    age_hours = 0
    for day in reversed(days):
        share = Fraction(day.hours * day.published_cells, day.declared_cells)
        there += share
        lasting += share * mean_freshness(age_hours * HOUR_SECONDS, day.hours * HOUR_SECONDS, half_life_seconds)
        age_hours += day.hours
    return there, lasting


def _check_order(*pairs: tuple[int, int]) -> None:
    """Refuse OutOfRange if the first of a pair exceeds the second."""
    if any(low > high for low, high in pairs):
        msg = "a part exceeds its whole, a rate exceeds one or the floor exceeds the cap"
        raise OutOfRange(msg)
