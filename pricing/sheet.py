"""A market's price sheet, and the points that a release has on it.

The rule this file keeps: what a figure is worth is the sheet's, never a dataset's. A sheet states a whole-number weight for
each zone and segment. How good a release's figure is follows from what the release publishes about consent in the zone's
area and about its noise, and from public constants of the zone; never from what the figure says. A figure counts whole
points, rounded up, so that two poorer figures never count less than the one they replace, and a sum of points says little
more about which figures are withheld than their number does.

A dataset of flows counts pairs of zones, `origin>destination`; any other counts zones.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

import rfc8785

from pricing.measure import MOST_HALF_LIFE_HOURS, Hours
from pricing.money import currency_code, safe_integer, whole
from pricing.refusals import Empty, Mismatched, OutOfRange
from pricing.valuation import least_bias, removed

MICRO: Final = 10**6
FULL_RATE: Final = 10_000
"""A whole, in basis points."""
BETWEEN: Final = ">"
"""What a pair of zones has between its two."""


class Zone(NamedTuple):
    """A zone's public constants.

    weight: points of a perfect figure, >= 1; a hundred or so. people: who is there by a public source, >= 1. area: where
    consent is published for. group: zones whose demand is learnt together.
    """

    weight: int
    people: int
    area: str
    group: str


class Segment(NamedTuple):
    """weight: the factor on a zone's points, >= 1; share_micro: the part of a zone's people, in [1, MICRO]."""

    weight: int
    share_micro: int


class Consent(NamedTuple):
    """People of an area, or of an age band of it, who consent, as published, >= 0, and its population, a constant."""

    people: int
    population: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What of a sheet a price needs. sheet: the digest of all of it. Rates are in basis points.

    worth_micro: what a point is worth for a day's data, new, with every right and for good, in millionths of a cent, >= 1.
    half_life_hours: of all data of the market. rights: name → rate, the narrowest first, each above the one before.
    purposes: name → the rate of a licence for that purpose alone; one for several costs the sum of theirs, at most a
    whole. demand: group → multiplier, >= 1.
    """

    sheet: str
    worth_micro: int
    half_life_hours: int
    rights: Mapping[str, int]
    purposes: Mapping[str, int]
    demand: Mapping[str, int]

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange."""
        if (
            min(safe_integer(self.worth_micro, "a point's worth"), safe_integer(self.half_life_hours, "a half-life"))
            < 1
        ):
            msg = "a point's worth and a half-life must be at least 1"
            raise OutOfRange(msg)
        rights = list(self.rights.values())
        if self.half_life_hours > MOST_HALF_LIFE_HOURS or rights != sorted(set(rights)):
            msg = (
                f"a half-life is at most {MOST_HALF_LIFE_HOURS} hours, and each right is worth more than the one before"
            )
            raise OutOfRange(msg)
        if not all(1 <= whole(rate, "a rate") <= FULL_RATE for rate in [*rights, *self.purposes.values()]):
            msg = f"the rate of a right or a purpose must be in [1, {FULL_RATE}]"
            raise OutOfRange(msg)
        if not all(safe_integer(rate, "a demand") for rate in self.demand.values()):
            msg = "a demand must be at least 1"
            raise OutOfRange(msg)

    def use_rate(self, purposes: Sequence[str]) -> int:
        """Return the rate of a licence for these purposes alone; none: for any purpose, a whole. Refuses Mismatched."""
        if unknown := set(purposes) - self.purposes.keys():
            msg = f"the sheet has no purpose {', '.join(sorted(unknown))}"
            raise Mismatched(msg)
        return min(sum(self.purposes[one] for one in set(purposes)), FULL_RATE) if purposes else FULL_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What an order costs of what it is worth, regardless of what it holds, in cents.

    volume: (from, rate): of what the order is worth beyond `from`, so many basis points; the first from 0, rates never
    rise, so the law is concave. least_minor: the least charge of an order, >= 1.
    """

    currency: str
    volume: Sequence[tuple[int, int]]
    least_minor: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, TooLarge, OutOfRange, Mismatched."""
        currency_code(self.currency)
        starts = [safe_integer(start, "a volume") for start, _ in self.volume]
        rates = [whole(rate, "a rate") for _, rate in self.volume]
        if starts[:1] != [0] or starts != sorted(set(starts)):
            msg = "volumes must start at 0 and rise"
            raise OutOfRange(msg)
        if rates != sorted(rates, reverse=True) or not all(0 <= rate <= FULL_RATE for rate in rates):
            msg = f"rates of volume must be in [0, {FULL_RATE}] and never rise"
            raise OutOfRange(msg)
        if safe_integer(self.least_minor, "the least charge") < 1:
            msg = "the least charge must be at least 1"
            raise OutOfRange(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The constants of a market: all of its datasets count the same figures, and one operator sells them.

    prior_observations, survey_people, variance_micro, association_squared_micro, unseen_squared_micro: what a buyer knows beforehand of a figure and of an area, one person's variance, and the two squared
    correlations between what is counted and consent.
    """

    zones: Mapping[str, Zone]
    segments: Mapping[str, Segment]
    prior_observations: int
    survey_people: int
    variance_micro: int
    association_squared_micro: int
    unseen_squared_micro: int

    def __post_init__(self) -> None:
        """Refuse Empty, OutOfRange."""
        if not self.zones or not self.segments:
            msg = "a sheet has at least one zone and one segment"
            raise Empty(msg)
        least = [min(zone.weight, zone.people) for zone in self.zones.values()]
        least += [min(one.weight, one.share_micro) for one in self.segments.values()]
        if min(least) < 1 or max(one.share_micro for one in self.segments.values()) > MICRO or self.variance_micro < 1:
            msg = "weights, people, shares and the variance must be at least 1, and a share at most a whole"
            raise OutOfRange(msg)

    @property
    def digest(self) -> str:
        """The SHA-256 of its canonical JSON, in hexadecimal digits: its name."""
        return hashlib.sha256(rfc8785.dumps(asdict(self))).hexdigest()

    def perfect(self, place: str, segment: str) -> int:
        """Return the points of a perfect figure of a zone or a pair of zones. Refuses Mismatched."""
        origin, _, destination = self._ends(place)
        weight = self.zones[origin].weight * self._segment(segment).weight
        return weight * self.zones[destination].weight if destination else weight

    def people(self, place: str, segment: str) -> Fraction:
        """Return the people of a figure by the constants: those of a pair are spread from its origin over all zones."""
        origin, _, destination = self._ends(place)
        there = Fraction(self.zones[origin].people * self._segment(segment).share_micro, MICRO)
        if not destination:
            return there
        return there * Fraction(self.zones[destination].people, sum(zone.people for zone in self.zones.values()))

    def origin(self, place: str) -> Zone:
        """Return the zone whose area and group a figure has: its own, or where its pair begins. Refuses Mismatched."""
        return self.zones[self._ends(place)[0]]

    def _ends(self, place: str) -> tuple[str, str, str]:
        origin, between, destination = place.partition(BETWEEN)
        if origin not in self.zones or (between and destination not in self.zones):
            msg = f"the sheet has no zone {place}"
            raise Mismatched(msg)
        return origin, between, destination

    def _segment(self, segment: str) -> Segment:
        if segment not in self.segments:
            msg = f"the sheet has no segment {segment}"
            raise Mismatched(msg)
        return self.segments[segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a release, or an edition of it, publishes.

    days: ascending, each a span of whole hours since 1970. steps: figures of a place and segment on a day, >= 1.
    published: (place, segment) → how many of these steps have a figure, a number for each day. zones: those it covers, whole
    areas. consent: by area. bands: by age band, of the whole release. noise_micro: the variance of a figure's noise, in
    millionths of squared people.
    """

    days: Sequence[Hours]
    steps: int
    published: Mapping[tuple[str, str], Sequence[int]]
    zones: frozenset[str]
    consent: Mapping[str, Consent]
    bands: tuple[tuple[int, int], ...]
    noise_micro: int


class Span(NamedTuple):
    """The points of one day and one demand group."""

    start: int
    end: int
    group: str
    points: int


class Points(NamedTuple):
    """What a release has on its sheet.

    spans: by day and group. stages: points × hours, for the explanation alone: of what is declared; of what is published,
    were it perfect; of that by how many consent; by noise as well; by how unlike the others those who consent are as well.
    """

    spans: tuple[Span, ...]
    stages: tuple[int, int, int, int, int]


def points_of(sheet: Sheet, release: Figures) -> Points:
    """Return the points of what a release publishes: for each figure, its weight × its quality, rounded up.

    Refuses Mismatched for what the sheet does not know, and for a release that covers a part of an area.
    """
    there = _people_of_areas(sheet, release.zones)
    even = _even(sheet, release.bands)
    stages, found = [0] * 5, dict[tuple[int, int, str], int]()
    for (place, segment), counts in release.published.items():
        zone, weight = sheet.origin(place), sheet.perfect(place, segment)
        share = sheet.people(place, segment) / there[zone.area]
        sampled, exact = _qualities(sheet, release.consent[zone.area], share, release.noise_micro)
        each = [weight, ceil(weight * sampled), ceil(weight * exact), ceil(weight * exact * even)]
        for (start, end), count in zip(release.days, counts, strict=True):
            assert end is not None, "a day ends"
            key = (start, end, zone.group)
            found[key] = found.get(key, 0) + count * each[-1]
            for at, points in enumerate([release.steps * weight, *(count * one for one in each)]):
                stages[at] += points * (end - start)
    spans = tuple(Span(*key, points) for key, points in sorted(found.items()))
    declared, published, covered, accurate, left = stages
    return Points(spans, (declared, published, covered, accurate, left))


def _people_of_areas(sheet: Sheet, zones: frozenset[str]) -> dict[str, int]:
    """Return the people of each area that zones make up, by the constants; refuses a part of one."""
    there: dict[str, int] = {}
    for name, zone in sheet.zones.items():
        if name in zones:
            there[zone.area] = there.get(zone.area, 0) + zone.people
    if unknown := zones - sheet.zones.keys():
        msg = f"the sheet has no zone {', '.join(sorted(unknown))}"
        raise Mismatched(msg)
    if left_out := sorted(name for name, zone in sheet.zones.items() if zone.area in there and name not in zones):
        msg = f"a release covers whole areas; this one lacks {', '.join(left_out[:5])}"
        raise Mismatched(msg)
    return there


def _qualities(sheet: Sheet, consent: Consent, share: Fraction, noise_micro: int) -> tuple[Fraction, Fraction]:
    """Return how good a figure is by who consents, and by the noise on it as well, each in [0, 1].

    share: the figure's part of its area's people, by the constants.
    """
    if not consent.people:
        return Fraction(0), Fraction(0)
    counted = consent.people * share
    sampling = Fraction(consent.population - consent.people, consent.population) / counted
    noise = Fraction(noise_micro, sheet.variance_micro) / counted**2
    return removed(sampling, sheet.prior_observations), removed(sampling + noise, sheet.prior_observations)


def _even(sheet: Sheet, bands: tuple[tuple[int, int], ...]) -> Fraction:
    """Return the part of a release's worth that is left by how unlike the others those who consent are, in (0, 1]."""
    correlations = (Fraction(one, MICRO) for one in (sheet.association_squared_micro, sheet.unseen_squared_micro))
    return removed(least_bias(bands, *correlations), sheet.survey_people)
