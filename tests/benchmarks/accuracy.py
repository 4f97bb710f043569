"""How far published presence and flows by region and week are from the truth, beside what public figures say beforehand.

Cities after Google's Environmental Insights: people, regions and trips a week are fixed, the unit is one subscriber's
week, ε is 2. Regions are of lognormal sizes on a square; everyone has a home, a place of work and three other places by
gravity, and makes ten tours a week: five to work, five to the others. Flows are arrivals by region; by pair of regions
they are printed as a remark, for most pairs are too small to publish.

The error is weighted: sum |published - true| / sum true over all declared cells, what is withheld counting as zero. The
bound known beforehand takes nothing from the truth: noise as the specification states it, what is withheld at most, what
max_cells may cut, over the published total. max_cells is the one whose bound is least, given that a week has 20 trips.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.privacy import drawing
from marketplace.privacy.specification import Specification
from tests.benchmarks._bench import Run, remark
from tests.privacy.specs import specification

SIZE, SMALLEST = 2_000_000, 200_000
"""People of the largest city."""
CITIES = ((7, 10, 40), (8, 2, 200), (9, 1, 1000))
"""Seed, how many times fewer people than the largest has, regions."""
TRIPS, WORK_TOURS, OTHERS = 20, 5, 3
TOURS = TRIPS // 2
SPREAD, NEAR = 0.8, 0.15
"""Of the regions' sizes (sigma of their logarithm), and how far people go, as a part of the square's side."""
MOST_CELLS = {"presence": 1 + TRIPS, "arrivals": TRIPS, "flows": TRIPS}
"""Cells that a week of 20 trips can touch: it begins somewhere, and each trip ends in one region."""
ONLY_PRESENCE = 9
"""The city that is for presence alone."""
FAR = 4.75
"""Standard deviations that a sum of many noises is beyond once in a million times."""
SECRET = b"a secret of the benchmark, 32 b."


@dataclass(frozen=True)
class City:
    """Where everyone lives, and where each of their tours goes."""

    seed: int
    regions: int
    home: NDArray[np.int64]
    to: NDArray[np.int64]
    """People × tours."""


def city(seed: int, people: int, regions: int) -> City:
    rng = np.random.default_rng(seed)
    spot, size = rng.random((regions, 2)), rng.lognormal(0, SPREAD, regions)
    far = np.hypot(*(spot[:, None] - spot[None]).transpose(2, 0, 1))
    drawn = np.cumsum(size * np.exp(-far / NEAR), axis=1)
    home = rng.choice(regions, people, p=size / size.sum())
    places = np.empty((people, 1 + OTHERS), np.int64)
    for region in range(regions):
        theirs = np.flatnonzero(home == region)
        places[theirs] = np.searchsorted(drawn[region], rng.random((len(theirs), 1 + OTHERS)) * drawn[region, -1])
    chosen = 1 + rng.integers(0, OTHERS, (people, TOURS - WORK_TOURS))
    return City(seed, regions, home, np.concatenate([places[:, :1], np.take_along_axis(places, chosen, 1)], axis=1))


def contributions(city: City, product: str) -> NDArray[np.int64]:
    """Return who counts in which cell that week, each once: person × cells + cell."""
    home, to = np.broadcast_to(city.home[:, None], city.to.shape), city.to
    leaves = home != to
    person = np.broadcast_to(np.arange(len(home))[:, None], to.shape)[leaves]
    home, to = home[leaves], to[leaves]
    cells = [home * city.regions + to, to * city.regions + home] if product == "flows" else [home, to]
    size = cell_count(city, product)
    parts = [person * size + cell for cell in cells]
    if product == "presence":
        parts.append(np.arange(len(city.home)) * size + city.home)
    return np.unique(np.concatenate(parts))


def cell_count(city: City, product: str) -> int:
    return city.regions**2 if product == "flows" else city.regions


def bounded_contributions(
    found: NDArray[np.int64], size: int, most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the cells of at most `most` of each person's contributions, drawn at random as the keyed hash does."""
    person = found // size
    order = np.lexsort((rng.random(len(found)), person))
    rank = np.arange(len(found)) - np.searchsorted(person[order], person[order])
    return np.asarray(found[order[rank < most]] % size)


def specified(regions: int, product: str, most: int, **other: Any) -> Specification:
    week = {"hours": 24 * 7, "grain": "week", "unit": "release", "bands": 1, "max_events": 1}
    return specification(regions, product=product, max_cells=most, **week | other)


def bound(s: Specification, published: int, withheld: int) -> float:
    """Return what the error exceeds once in a million times; published: the sum of all published counts.

    Of somebody's cells, max_cells cuts at most the share that it would cut of the most there can be.
    """
    law, lost = s.law("people"), max(0.0, 1 - s.max_cells / MOST_CELLS[s.product])
    spread = math.sqrt(s.key_count * (law.variance - law.mean_error**2))
    return (s.key_count * law.mean_error + FAR * spread + withheld * s.threshold) / published + lost


def best_max_cells(regions: int, people: int, product: str) -> int:
    """Return the max_cells of the least bound, of what is declared alone: everybody is in one cell at least."""
    choices = range(1, MOST_CELLS[product] + 1)
    s = specified(regions, product, 1)
    return min(choices, key=lambda most: bound(replace(s, max_cells=most), people, 0))


def measured(city: City, product: str, most: int, **other: Any) -> tuple[float, float]:
    """Return the weighted relative error of one city's week, and the bound."""
    s = specified(city.regions, product, most, **other)
    found, size = contributions(city, product), cell_count(city, product)
    truth = np.bincount(found % size, minlength=size)
    people = np.bincount(bounded_contributions(found, size, most, np.random.default_rng(city.seed)), minlength=size)
    totals = None
    if s.max_zones:
        _, seen = np.unique(found // size, return_counts=True)
        totals = np.array([np.minimum(seen, s.max_zones).sum()], np.int64)
    keys, lives = np.flatnonzero(people), np.bincount(city.home, minlength=city.regions)
    drawn = drawing.draw(s, drawing.Counts(keys, people[keys], people[keys], lives, lives, totals), SECRET)
    published = np.zeros(size, np.int64)
    published[drawn.published.keys] = drawn.published.people
    error = float(np.abs(published - truth).sum() / truth.sum())
    return error, bound(s, int(published.sum()), size - len(drawn.published.keys))


def main(run: Run) -> None:
    """Print the worst city's error of presence and of flows, each beside its bound; it has no peers."""
    worst = {"presence": (0.0, 0.0, 0), "flows": (0.0, 0.0, 0)}
    for seed, part, regions in CITIES:
        people = run.size // part
        there = city(seed, people, regions)
        for name, product in (("presence", "presence"), ("flows", "arrivals")):
            if product == "arrivals" and seed == ONLY_PRESENCE:
                continue
            most = best_max_cells(regions, people, product)
            error, known = measured(there, product, most)
            remark(f"{name} of city {seed}: {error:.5f}, bound {known:.5f}, max_cells {most}")
            worst[name] = max(worst[name], (error, known, seed))
        if seed == CITIES[0][0]:
            cut = measured(there, "presence", 3)[0]
            scaled = measured(there, "presence", 3, max_zones=MOST_CELLS["presence"])[0]
            remark(f"presence of city {seed} at max_cells 3: {cut:.5f}, with its activity scaled back {scaled:.5f}")
        if seed != ONLY_PRESENCE:
            pairs, known = measured(there, "flows", TOURS)
            remark(f"flows by pair of regions of city {seed}: {pairs:.5f}, bound {known:.5f}, max_cells {TOURS}")
    for name, (error, known, seed) in worst.items():
        run.figure(
            name,
            f"{error:.5f}",
            f"weighted relative error by region and week at ε 2, of the worst city ({seed}); "
            f"{known:.5f} known beforehand, at most 0.03",
        )
