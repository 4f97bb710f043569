"""What a release would be like, on simulated people: how many cells would be published, and how exact they would be.

Nothing here has seen an event. People are as many as the operator's table has lines by home zone and age band, and
consent as often as the last noised figures say. How they move is assumed and stated (`HABITS`): they are seen at home,
or elsewhere in their part of the area, where more people live more often; some are seen often and some rarely. From
this follows how many people would count in each cell once each is bounded; the counts are drawn with a fixed seed. Noise
is not drawn: that a count reaches the threshold has a probability, which is added up. So the same figures give the same
answer.

Only cells that are published by themselves are counted, and no sums over a parent.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import finishing, noise
from marketplace.privacy.key_set import MOST_AREAS, parent_zones
from marketplace.privacy.specification import EPSILON_PERCENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

    Floats = NDArray[np.float64]

SEED: Final = 20_261_127
SIGHTINGS_A_DAY: Final = 12.0
"""How often a line is seen on a day, on average, where no release says more."""
FEWEST_SIGHTINGS, MOST_SIGHTINGS = 0.02, 400.0
"""Between these the sightings a day are sought that fit a release."""
ACTIVITY: Final = ((0.25, 0.25), (0.5, 0.85), (0.25, 2.05))
"""Share of people, and how much more often than the average they are seen."""
PARTS_OF_DAY: Final = (
    (0.04, 0.95),
    (0.04, 0.95),
    (0.11, 0.65),
    (0.15, 0.35),
    (0.18, 0.35),
    (0.20, 0.40),
    (0.18, 0.60),
    (0.10, 0.85),
)
"""Of each three hours from midnight: the share of a day's sightings, and of those the share at home."""
NIGHT_PARTS: Final = (0, 1, 7)
"""Parts of the day that a night's stay is seen in."""
AT_HOME_AT_NIGHT: Final = 0.93
"""Of those seen at night, how many spend it at home."""
TRIPS_A_SIGHTING: Final = 0.3
"""Of all sightings, those that end a trip between zones; half of them lead home."""
VISITED_ANYWAY: Final = 0.2
"""What a zone without residents attracts, of the average zone of its part of the area."""
ZONES_TOGETHER: Final = 20
"""Zones of one part of the area, on average and at least: where people are seen who live in one of them."""
MOST_DRAWN: Final = 4_000_000
"""Cells drawn; of more, a sample stands for all."""
FITTED_ON: Final = 200_000
"""Cells drawn at each step of a fit."""
FIT_STEPS: Final = 24
LARGEST_FLOWS: Final = 600
"""Zones of one part of the area between which flows are followed: those where most people live."""
NOTHING: Final = 0.5
"""Below so many cells, nothing would be published."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The operator's lines and how many of them consent, by home zone and age band."""

    population: Floats
    """Zones × age bands: a constant of the operator's registry."""
    consenting: Floats
    """Zones × age bands, expected: the population times the shares that consent."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """How many people would count in cells of the key set, before noise."""

    people: NDArray[np.int64]
    """Of n cells drawn, the people in each."""
    weight: Floats
    """Of each, how many cells of the key set it stands for."""
    kept_micro: int
    """What bounding leaves of all that people could count in, in millionths."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a release would be like; cells and people are expected numbers, rounded."""

    cells: int
    """Published."""
    key_count: int
    people: int
    """In all published cells together."""
    median_people: int
    """In the median published cell."""
    threshold: int
    noise_variance_micro: int
    error_people: int
    kept_micro: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be published."""
        return self.cells == 0


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build a release, and what would come of it."""

    specification: Specification
    foreseen: Foreseen
    is_declared: bool
    """Whether it is what the dataset declares."""
    consenting: int
    population: int
    consenting_by_band: list[int]
    population_by_band: list[int]


def simulate(
    specification: Specification,
    lines: Lines,
    sightings: float = SIGHTINGS_A_DAY,
    *,
    most: int = MOST_DRAWN,
) -> Simulated:
    """Draw how many people count in cells of a specification's key set, under any epsilon.

    sightings: how often a line is seen on a day, on average. most: cells drawn; of more zones, a sample stands for all.
    """
    rng = np.random.Generator(np.random.PCG64(SEED))
    model = _Model(specification, lines, sightings)
    kept, whole, left = model.kept()
    drawn, weights = [], []
    chosen, share = _sample(model.rows, max(1, most // (len(model.parts) * model.columns)), rng)
    for part in model.parts:
        means = sum(
            of * kept[number, model.area_of_row][:, None] * model.counted(part, often)
            for number, (of, often) in enumerate(ACTIVITY)
        )[chosen]
        drawn.append(rng.poisson(np.minimum(means, 1e12)).ravel())
        weights.append(np.full(means.size, part.times / share))
    kept_micro = round(left / whole * noise.MICRO) if whole else noise.MICRO
    return Simulated(np.concatenate(drawn).astype(np.int64), np.concatenate(weights), kept_micro)


def foresee(specification: Specification, simulated: Simulated) -> Foreseen:
    """Return what a release of the specification would publish of simulated counts, and how exact it would be."""
    s = specification
    law = s.law("people")
    reaches = law.tails(s.threshold - simulated.people) * simulated.weight * (simulated.people > 0)
    cells = float(reaches.sum())
    shown = np.maximum(simulated.people, s.threshold)
    published = min(round(cells), s.key_count) if cells >= NOTHING else 0
    return Foreseen(
        cells=published,
        key_count=s.key_count,
        people=round(float(reaches @ shown)) if published else 0,
        median_people=_weighted_median(shown, reaches) if published else 0,
        threshold=s.threshold,
        noise_variance_micro=round(law.variance * noise.MICRO),
        error_people=finishing.errors(s, max(published, 1))["error_people"],
        kept_micro=simulated.kept_micro,
    )


def with_epsilons(
    specification: Specification, own: Specification, lines: Lines, simulated: Simulated, factors: Sequence[float]
) -> Iterator[Variant]:
    """Yield the same counts under several epsilons: noise and threshold differ, and not who is counted where."""
    population, consenting = lines.population.sum(axis=0), lines.consenting.sum(axis=0)
    for factor in factors:
        s = dataclasses.replace(specification, epsilon_micro=round(specification.epsilon_micro * factor))
        if min(EPSILON_PERCENT.values()) * (s.rho_nano if s.mechanism == "gaussian" else s.epsilon_micro) < 100:  # noqa: PLR2004
            continue  # too small to be divided
        yield Variant(
            s,
            foresee(s, simulated),
            specification is own and factor == 1,
            max(round(float(consenting.sum())), 1),
            int(population.sum()),
            consenting.astype(int).tolist(),
            population.astype(int).tolist(),
        )


def fit(specification: Specification, lines: Lines, published_people: int) -> float:
    """Return the sightings a day with which a release's simulated people are about as many as it published.

    More sightings publish more people, until bounding takes what they add: the fewest that fit are returned. Of a release
    that published nothing, the most with which that would still be expected, and no more than is assumed otherwise.
    """
    low, high = FEWEST_SIGHTINGS, MOST_SIGHTINGS if published_people else SIGHTINGS_A_DAY

    def is_enough(sightings: float) -> bool:
        found = foresee(specification, simulate(specification, lines, sightings, most=FITTED_ON))
        return found.people >= published_people if published_people else not found.is_empty

    if not is_enough(high):
        return high
    for _ in range(FIT_STEPS):
        middle = math.sqrt(low * high)
        if is_enough(middle):
            high = middle
        else:
            low = middle
    return high if published_people else low


@dataclass(frozen=True, slots=True)
class _Part:
    """Times of a period that are alike: how many, and how much of a day's sightings fall in one, at home and elsewhere."""

    times: float
    home: float
    elsewhere: float


class _Model:
    """How many people of one class of activity count in each cell of one time: rows (zones or pairs) × columns."""

    def __init__(self, specification: Specification, lines: Lines, sightings: float) -> None:
        """Find the parts of the area and what attracts people in each."""
        s = self.specification = specification
        self.sightings = sightings
        shape = (len(s.zones), len(s.age_bands))
        self.willing = lines.consenting.reshape(shape)
        count, self.area = _neighbourhoods(s)
        residents = lines.population.reshape(shape).sum(axis=1)
        in_area = np.bincount(self.area, minlength=count)
        average = np.bincount(self.area, residents, minlength=count) / in_area
        attraction = residents + VISITED_ANYWAY * np.maximum(average, 1e-9)[self.area]
        self.visits = attraction / np.bincount(self.area, attraction, minlength=count)[self.area]
        self.by_area = np.zeros((count, shape[1]))
        np.add.at(self.by_area, self.area, self.willing)
        self.parts = _parts(s)
        self.columns = len(s.segments)
        self.pairs = _pairs(self.area, residents) if s.counts.is_between_zones else None
        self.area_of_row = self.area if self.pairs is None else self.area[self.pairs[0]]
        self.rows = len(self.area_of_row)

    def counted(self, part: _Part, often: float) -> Floats:
        """Return the expected people of the whole population in each cell of one time, were all seen so often: before bounding."""
        daily = self.sightings * often
        everyone, of_area = self.willing, self.by_area[self.area]
        match self.specification.product:
            case "stays":
                residents, others = everyone.sum(axis=1), (of_area - everyone).sum(axis=1)
                seen = -np.expm1(-daily * (part.home + part.elsewhere))
                return np.stack(
                    [residents * seen * AT_HOME_AT_NIGHT, others * seen * (1 - AT_HOME_AT_NIGHT) * self.visits], axis=1
                )
            case "flows":
                assert self.pairs is not None
                start, end = self.pairs
                residents = everyone.sum(axis=1)
                each_way = daily * TRIPS_A_SIGHTING / 2 * (part.home + part.elsewhere)
                leaving = residents[start] * -np.expm1(-each_way * self.visits[end])
                returning = residents[end] * -np.expm1(-each_way * self.visits[start])
                return np.asarray((leaving + returning)[:, None], np.float64)
            case "arrivals":
                trips = daily * TRIPS_A_SIGHTING / 2 * (part.home + part.elsewhere)
                home, elsewhere = np.full(len(self.visits), trips), trips * self.visits
            case _:
                elsewhere = daily * part.elsewhere * self.visits
                home = daily * part.home + elsewhere
        return np.asarray(
            everyone * -np.expm1(-home)[:, None] + (of_area - everyone) * -np.expm1(-elsewhere)[:, None], np.float64
        )

    def kept(self) -> tuple[Floats, float, float]:
        """Return what bounding leaves of each class of people in each part of the area, and all cells before and after.

        Where someone is in more cells of a unit than the bound, a hash chooses among them, so every cell keeps the same
        share. Cells of one person are about Poisson around what people of that class and part of the area have.
        """
        s = self.specification
        people = self.by_area.sum(axis=1)
        units = s.times / s.clock.longest_unit if s.unit == "day" else 1.0
        kept = np.ones((len(ACTIVITY), len(people)))
        whole = left = 0.0
        for number, (of, often) in enumerate(ACTIVITY):
            cells = np.zeros(len(people))
            for part in self.parts:
                rows = self.counted(part, often).sum(axis=1)
                cells += part.times * np.bincount(self.area_of_row, rows, minlength=len(people))
            each = cells / np.maximum(people, 1e-9) / units
            kept[number] = _kept(each, s.max_cells)
            whole += of * float(cells.sum())
            left += of * float(cells @ kept[number])
        return kept, whole, left


def _neighbourhoods(specification: Specification) -> tuple[int, NDArray[np.int64]]:
    """Return how many parts of the area people move within, and each zone's: parents of twenty zones or more on average."""
    s = specification
    for level in range(s.resolution - 1, 0, -1):
        names, area = parent_zones(s.zones, level, s.geography)
        if len(names) <= min(MOST_AREAS, len(s.zones) // ZONES_TOGETHER):
            return len(names), area
    return 1, np.zeros(len(s.zones), np.int64)


def _parts(specification: Specification) -> Sequence[_Part]:
    """Return the times of a period, those that are alike as one."""
    s = specification
    if s.product == "stays":
        night = sum(PARTS_OF_DAY[number][0] for number in NIGHT_PARTS)
        return [_Part(float(s.times), night, 0.0)]
    if s.grain == "hour":
        return [_Part(s.times / len(PARTS_OF_DAY), of / 3 * at, of / 3 * (1 - at)) for of, at in PARTS_OF_DAY]
    days = 7 if s.grain == "week" else 1
    at_home = sum(of * at for of, at in PARTS_OF_DAY)
    return [_Part(float(s.times), days * at_home, days * (1 - at_home))]


def _pairs(area: NDArray[np.int64], residents: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return origin and destination of the pairs of zones that flows are followed between, within each part of the area."""

    def of_each() -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        for number in range(int(area.max()) + 1):
            zones = np.flatnonzero(area == number)
            if len(zones) > LARGEST_FLOWS:
                zones = np.sort(zones[np.argsort(-residents[zones], kind="stable")[:LARGEST_FLOWS]])
            start, end = (one.ravel() for one in np.meshgrid(zones, zones, indexing="ij"))
            yield start[start != end], end[start != end]

    starts, ends = zip(*of_each(), strict=True)
    return np.concatenate(starts), np.concatenate(ends)


def _sample(rows: int, most: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], float]:
    """Return which rows are drawn, ascending, and their share of all."""
    if rows <= most:
        return np.arange(rows), 1.0
    return np.sort(rng.choice(rows, most, replace=False)), most / rows


def _kept(each: Floats, most: int) -> Floats:
    """Return E min(X, most) / E X of each of n Poisson numbers X, given their means; 1 for none."""
    mean = np.maximum(each, 1e-12)
    if most > 1_000:  # noqa: PLR2004 (of so many, the spread around the mean matters to nobody)
        return np.asarray(np.minimum(1.0, most / mean), np.float64)
    k = np.arange(most, dtype=float)[:, None]
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, max(most, 2))))])[:most, None]
    at = np.exp(k * np.log(mean) - mean - factorial)
    # E min(X, L) = sum of P(X > k) over k < L.
    kept = (1 - np.cumsum(at, axis=0)).sum(axis=0)
    return np.asarray(np.clip(kept / mean, 0.0, 1.0), np.float64)


def _weighted_median(values: NDArray[np.int64], weights: Floats) -> int:
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    return int(values[order][np.searchsorted(summed, summed[-1] / 2)])
