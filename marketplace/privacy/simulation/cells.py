"""Simulate a release: how many cells would be published, and how exact they would be.

Nothing here reads an event. There are as many people as the operator's table has lines, by home zone and age band, and
they consent as often as the last noised figures say. `habits` states the assumptions about how they move: they are seen
at home, or elsewhere in their part of the area, more often where more people live; some people are seen often and some
rarely. This gives the number of people that would count in each cell after bounding; counts are drawn with a fixed
seed. Noise is not drawn: the probabilities that counts reach the threshold are added up. So the same figures give the
same answer.

Only cells that are published by themselves are counted, not sums over a parent.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import finishing, noise
from marketplace.privacy.habits import Residents
from marketplace.privacy.key_set import parent_zones
from marketplace.privacy.specification import EPSILON_PERCENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.habits import TimesAlike
    from marketplace.privacy.specification import Specification

    Floats = NDArray[np.float64]

SEED: Final = 20_261_127
SIGHTINGS_A_DAY: Final = 12.0
"""How often a line is seen on a day, on average, if no release says more."""
FEWEST_SIGHTINGS, MOST_SIGHTINGS = 0.02, 400.0
"""The range in which the sightings a day are fitted to a release."""
ACTIVITY: Final = ((0.25, 0.25), (0.5, 0.85), (0.25, 2.05))
"""For each class of activity: its share of people, and how often they are seen, relative to the average."""
VISITED_ANYWAY: Final = 0.2
"""The attraction of a zone without residents, relative to the average zone of its part of the area."""
MOST_NEIGHBOURHOODS: Final = 64
ZONES_TOGETHER: Final = 20
"""The least average number of zones in a part of the area; the people who live in one are seen in the others."""
MOST_DRAWN: Final = 4_000_000
"""The most cells drawn; a sample represents a larger key set."""
FITTED_ON: Final = 200_000
"""Cells drawn at each step of a fit."""
FIT_STEPS: Final = 24
LARGEST_FLOWS: Final = 600
"""Zones of one part of the area between which flows are followed: those with the most residents."""
NOTHING: Final = 0.5
"""With fewer expected cells than this, nothing would be published."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The operator's lines and how many of them consent, by home zone and age band."""

    population: Floats
    """Zones × age bands: a constant of the operator's registry."""
    consenting: Floats
    """Zones × age bands: the expected number, which is the population times the shares that consent."""


@dataclass(frozen=True, slots=True)
class SimulatedCounts:
    """How many people would count in cells of the key set, before noise."""

    people: NDArray[np.int64]
    """The people in each of n cells drawn."""
    weight: Floats
    """For each drawn cell, how many cells of the key set it represents."""
    kept_micro: int
    """The share that remains after bounding, in millionths."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Expected figures of a release; cells and people are rounded expectations."""

    cells: int
    """Published cells."""
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
    """One way to build a release, and the expected result."""

    specification: Specification
    foreseen: Foreseen
    is_declared: bool
    """Whether it is the dataset's own declaration."""
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
) -> SimulatedCounts:
    """Draw how many people count in cells of a specification's key set, under any epsilon.

    sightings: how often a line is seen on a day, on average. most: cells drawn; a sample represents a larger key set.
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
    return SimulatedCounts(np.concatenate(drawn).astype(np.int64), np.concatenate(weights), kept_micro)


def foresee(specification: Specification, simulated: SimulatedCounts) -> Foreseen:
    """Return the expected figures of a release of the specification with these simulated counts."""
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
    specification: Specification, own: Specification, lines: Lines, simulated: SimulatedCounts, factors: Sequence[float]
) -> Iterator[Variant]:
    """Yield the same counts under several epsilons: noise and threshold differ, the people counted do not."""
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

    More sightings publish more people, until bounding removes the additional ones; the fewest sightings that fit are
    returned. For a release that published nothing, returns the most sightings with which that is still expected, and no
    more than the usual assumption.
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


class _Model:
    """How many people of one class of activity count in each cell of one time: rows (zones or pairs) × columns."""

    def __init__(self, specification: Specification, lines: Lines, sightings: float) -> None:
        """Find the parts of the area and each zone's attraction."""
        s = self.specification = specification
        self.sightings = sightings
        shape = (len(s.zones), len(s.age_bands))
        willing = lines.consenting.reshape(shape)
        count, self.area = _neighbourhoods(s)
        residents = lines.population.reshape(shape).sum(axis=1)
        in_area = np.bincount(self.area, minlength=count)
        average = np.bincount(self.area, residents, minlength=count) / in_area
        attraction = residents + VISITED_ANYWAY * np.maximum(average, 1e-9)[self.area]
        visits = attraction / np.bincount(self.area, attraction, minlength=count)[self.area]
        self.by_area = np.zeros((count, shape[1]))
        np.add.at(self.by_area, self.area, willing)
        self.parts = s.counts.times_alike(s.times, s.grain)
        self.columns = len(s.segments)
        pairs = _pairs(self.area, residents) if s.counts.is_between_zones else None
        self.residents = Residents(willing, self.by_area[self.area] - willing, visits, pairs)
        self.area_of_row = self.area if pairs is None else self.area[pairs[0]]
        self.rows = len(self.area_of_row)

    def counted(self, part: TimesAlike, often: float) -> Floats:
        """Return the expected people in each cell of one time, if all are seen so often, before bounding."""
        return self.specification.counts.simulated(self.residents, part, self.sightings * often)

    def kept(self) -> tuple[Floats, float, float]:
        """Return the share left by bounding for each class of people and part of the area; all cells before and after.

        If a person is in more cells of a unit than the bound, a hash chooses among them, so every cell keeps the same
        share. The cells of one person are about Poisson, with the mean of that class and part of the area.
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
    """Return the number of parts of the area within which people move, and each zone's: parents of 20 zones or more."""
    s = specification
    for level in range(s.resolution - 1, 0, -1):
        names, area = parent_zones(s.zones, level, s.geography)
        if len(names) <= min(MOST_NEIGHBOURHOODS, len(s.zones) // ZONES_TOGETHER):
            return len(names), area
    return 1, np.zeros(len(s.zones), np.int64)


def _pairs(area: NDArray[np.int64], residents: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return origin and destination of the pairs of zones, within each part of the area, whose flows are followed."""

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
    """Return the rows that are drawn, ascending, and their share of all."""
    if rows <= most:
        return np.arange(rows), 1.0
    return np.sort(rng.choice(rows, most, replace=False)), most / rows


def _kept(each: Floats, most: int) -> Floats:
    """Return E min(X, most) / E X for each of n Poisson numbers X, given their means; 1 for a mean of zero."""
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
