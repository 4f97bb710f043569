"""How far published presence and flows by region and week are from the truth, beside what public figures say beforehand.

Cities after Google's Environmental Insights: people, regions and trips a week are fixed, the unit is one subscriber's
week, ε is 2. Regions are of lognormal sizes on a square; everyone has a home, a place of work and three other places by
gravity, and makes ten tours a week: five to work, five to the others. Cells are by region and day, and a week is their sum.

The error is weighted: sum |published - true| / sum true over all declared regions, what is withheld counting as zero. The
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
from tests.marketplace.privacy.specs import specification, zones

CITIES = ((7, 200_000, 40), (8, 1_000_000, 200), (9, 2_000_000, 1000))
"""Seed, people, regions."""
TRIPS, DAYS, WORK_DAYS, OTHERS = 20, 7, 5, 3
TOURS = TRIPS // 2
SPREAD, NEAR = 0.8, 0.15
"""Of the regions' sizes (sigma of their logarithm), and how far people go, as a part of the square's side."""
MOST_CELLS = {"presence": DAYS + TRIPS, "arrivals": TRIPS}
"""Cells that a week of 20 trips can touch: every day begins somewhere, and each trip ends in one region."""
MOST_ARRIVALS_CITY = 8
"""The last city is for presence alone."""
SECRET = b"a secret of the benchmark, 32 b."


@dataclass(frozen=True)
class City:
    """Everyone's home, and where each of their ten tours goes and on which day."""

    seed: int
    regions: int
    home: NDArray[np.int64]
    to: NDArray[np.int64]
    day: NDArray[np.int64]


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
    chosen = 1 + rng.integers(0, OTHERS, (people, TOURS - WORK_DAYS))
    to = np.concatenate([np.repeat(places[:, :1], WORK_DAYS, axis=1), np.take_along_axis(places, chosen, 1)], axis=1)
    work_day = np.broadcast_to(np.arange(WORK_DAYS), (people, WORK_DAYS))
    day = np.concatenate([work_day, rng.integers(0, DAYS, (people, TOURS - WORK_DAYS))], axis=1)
    return City(seed, regions, home, to, day)


def contributions(city: City, product: str) -> NDArray[np.int64]:
    """Return who counts in which region and day, each once: person × cells + region × days + day."""
    people = np.arange(len(city.home))[:, None]
    cells = city.regions * DAYS
    there = city.to * DAYS + city.day
    back = city.home[:, None] * DAYS + city.day
    if product == "presence":
        at_home = city.home[:, None] * DAYS + np.arange(DAYS)
        return np.unique(np.concatenate([(people * cells + there).ravel(), (people * cells + at_home).ravel()]))
    leaves = city.to != city.home[:, None]
    return np.unique(np.concatenate([(people * cells + there)[leaves], (people * cells + back)[leaves]]))


def bounded(found: NDArray[np.int64], cells: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the cells of at most `most` of each person's contributions, drawn at random as the keyed hash does."""
    person = found // cells
    order = np.lexsort((rng.random(len(found)), person))
    rank = np.arange(len(found)) - np.searchsorted(person[order], person[order])
    return np.asarray(found[order[rank < most]] % cells)


def specified(city: City, product: str, most: int, **other: Any) -> Specification:
    return specification(
        city.regions,
        hours=24 * DAYS,
        bands=1,
        product=product,
        grain="day",
        unit="release",
        max_cells=most,
        max_events=1,
        **other,
    )


def bound(s: Specification, published: int, withheld: int, most: int) -> float:
    """Return the error that public figures alone let one expect; published: the sum of all published counts."""
    noise = math.sqrt(2 / math.pi * DAYS * s.law("people").variance)
    return (len(s.zones) * noise + withheld * s.threshold) / published + max(0.0, 1 - s.max_cells / most)


def released(city: City, s: Specification, found: NDArray[np.int64]) -> tuple[NDArray[np.int64], drawing.Drawn]:
    """Return the published people by region over the week, withheld cells as zero, and the whole release."""
    cells = city.regions * DAYS
    rng = np.random.default_rng(city.seed)
    people = np.bincount(bounded(found, cells, s.max_cells, rng), minlength=cells)
    totals = None
    if s.max_zones:
        pairs, zones_seen = np.unique(found // cells * DAYS + found % DAYS, return_counts=True)
        totals = np.bincount(pairs % DAYS, np.minimum(zones_seen, s.max_zones), minlength=DAYS).astype(np.int64)
    keys = np.flatnonzero(people)
    lives = np.bincount(city.home, minlength=city.regions)
    counts = drawing.Counts(keys, people[keys], people[keys], lives, lives, totals)
    drawn = drawing.draw(s, counts, SECRET)
    whole = np.zeros(cells, np.int64)
    whole[drawn.published.keys] = drawn.published.people
    return whole.reshape(city.regions, DAYS).sum(axis=1), drawn


def measured(city: City, product: str, most: int, **other: Any) -> tuple[float, float]:
    """Return the weighted relative error of one city's week, and the bound."""
    s = specified(city, product, most, **other)
    found = contributions(city, product)
    cells = city.regions * DAYS
    truth = np.bincount(found % cells, minlength=cells).reshape(city.regions, DAYS).sum(axis=1)
    published, drawn = released(city, s, found)
    error = float(np.abs(published - truth).sum() / truth.sum())
    return error, bound(s, int(published.sum()), cells - len(drawn.published.keys), MOST_CELLS[product])


def best_max_cells(regions: int, people: int, product: str) -> int:
    """Return the max_cells of the least bound, of what is declared alone: everyone is somewhere on each of seven days."""
    most = MOST_CELLS[product]
    s = specification(regions, hours=24 * DAYS, bands=1, product=product, grain="day", max_events=1)
    return min(range(1, most + 1), key=lambda cells: bound(replace(s, max_cells=cells), people * DAYS, 0, most))


def main(peers: bool) -> None:  # noqa: FBT001 - the runner's contract.
    """Print the worst city's error of presence and of flows, each beside its bound; it has no peers."""
    del peers
    zones(CITIES[-1][2])
    for name, product in (("presence", "presence"), ("flows", "arrivals")):
        worst = (0.0, 0.0, 0, 0)
        for seed, people, regions in CITIES:
            if product == "arrivals" and seed > MOST_ARRIVALS_CITY:
                continue
            most = best_max_cells(regions, people, product)
            error, known = measured(city(seed, people, regions), product, most)
            print(f"# {name} of city {seed}: {error:.5f}, bound {known:.5f}, max_cells {most}", flush=True)
            worst = max(worst, (error, known, seed, most))
        error, known, seed, most = worst
        print(
            f"accuracy {name} {error:.5f} weighted relative error by region and week, ε 2, the worst city ({seed}); "
            f"{known:.5f} known beforehand, at most 0.03",
            flush=True,
        )
    first = city(*CITIES[0])
    cut, _ = measured(first, "presence", 6)
    scaled, _ = measured(first, "presence", 6, max_zones=3)
    print(f"accuracy scaled {scaled:.5f} presence at max_cells 6 with its activity scaled back; {cut:.5f} without")
