"""The people of a dry run: how many live in each zone, by age band, and how many of them are expected to consent.

Source: the operator's table of lines, counted by home zone and age band, and the last noised figures of consent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.privacy.key_set import coverage_areas
from marketplace.privacy.simulation.cells import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification


@dataclass(frozen=True, slots=True)
class LineCounts:
    """How many lines of the operator's latest table have each home zone and age band that occur together."""

    homes: tuple[str, ...]
    """Home zones of n rows, as the table names them."""
    age_bands: tuple[str, ...]
    lines: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions of a dry run about people, and their sources."""

    consent: float
    """The share of all lines that consent."""
    noised_of: str
    """The dataset whose last noised release states the share; empty if it is assumed."""
    by_band: dict[str, float]
    """Each band's share of consent, as a multiple of the whole's."""
    by_area: dict[str, float]
    sightings: float
    """How often a line is seen on a day, on average."""
    is_fitted: bool
    """Whether sightings are fitted to the last release's published figures."""


def lines_of(specification: Specification, counts: LineCounts, assumed: Assumptions) -> Lines:
    """Return the lines of the table by zone and band, and how many are expected to consent.

    A home that is coarser than the zones is spread evenly over the zones in it. A part's share is the whole's, times
    the factors of its band and its area. Raises Invalid for an age band that the dataset does not declare.
    """
    s = specification
    population = np.zeros((len(s.zones), len(s.age_bands)))
    row, zone, share = _places(s, counts.homes)
    band_of = {name: number for number, name in enumerate(s.age_bands)}
    if unknown := sorted(set(counts.age_bands) - band_of.keys()):
        raise Invalid(
            "The operator's table has an age band that the dataset does not declare: {band}.", band=unknown[0]
        )
    bands = np.array([band_of[name] for name in counts.age_bands], np.int64)
    np.add.at(population, (zone, bands[row]), counts.lines[row] * share)
    names, area = coverage_areas(s.zones, s.geography)
    by_area = np.array([assumed.by_area.get(name, 1.0) for name in names])[area]
    by_band = np.array([assumed.by_band.get(name, 1.0) for name in s.age_bands])
    shares = np.clip(assumed.consent * by_area[:, None] * by_band[None, :], 0.0, 1.0)
    return Lines(population, population * shares)


def _places(
    specification: Specification, homes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return n places where lines are at home: the row of `homes`, the zone's number, and its share of the row."""
    s, geography = specification, specification.geography
    position = {zone: number for number, zone in enumerate(s.zones)}
    distinct = list(dict.fromkeys(homes))
    found: dict[str, list[tuple[int, float]]] = {}
    for home, zone in zip(distinct, geography.find(distinct, s.resolution), strict=True):
        level = geography.level(home)
        if level is not None and level < s.resolution:
            below = list(geography.below(home, s.resolution))
            found[home] = [(position[one], 1 / len(below)) for one in below if one in position]
        elif zone in position:
            found[home] = [(position[zone], 1.0)]
    placed = [(row, zone, share) for row, home in enumerate(homes) for zone, share in found.get(home, ())]
    rows, zones, shares = zip(*placed, strict=True) if placed else ((), (), ())
    return np.array(rows, np.int64), np.array(zones, np.int64), np.array(shares, np.float64)
