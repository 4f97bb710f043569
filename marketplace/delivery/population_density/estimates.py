"""From sealed figures to people per square kilometre: post-processing of published figures, at no budget; pure.

A cell's people are between the lower bounds of the zones that are wholly in it and the upper bounds of all zones that
it touches. The estimate spreads each zone's people evenly over it. A withheld figure counts as zero in the estimate,
and as the most that it can be in the maximum. A cell's answer depends on that cell alone, so areas that overlap reveal
nothing more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.delivery.population_density.rules import INT32, Cell, DensityEstimation, LowDensity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.delivery.population_density.grid import Box, Touch


class Figures(Struct, frozen=True):
    """The sums of a zone's published rows in an hour."""

    rows: int
    people: int
    least: int
    """The lower bound of 95 % of counts, row by row."""


class Exactness(Struct, frozen=True):
    """The precision of a release's figures."""

    error_people: int
    threshold: int
    segments: int
    """How many rows a zone has in an hour if no row is withheld."""

    def most(self, of: Figures | None) -> int:
        """Return the most people that a zone can have, by the 95 % intervals of its rows."""
        rows, people = (of.rows, of.people) if of else (0, 0)
        withheld = max(0, self.segments - rows)
        return people + rows * self.error_people + withheld * (self.threshold - 1 + self.error_people)


def estimate(
    name: str, box: Box, touched: Sequence[Touch], figures: Mapping[int, Figures], exactness: Exactness
) -> Cell:
    """Return a cell's answer for an hour; figures: by zone, those with a published row."""
    if not any(touch.zone in figures for touch in touched):
        return LowDensity(name)
    square_km = box.square_km * min(1.0, sum(touch.of_cell for touch in touched))
    known = [(touch, figures[touch.zone]) for touch in touched if touch.zone in figures]
    least = sum(of.least for touch, of in known if touch.is_whole)
    most = sum(exactness.most(figures.get(touch.zone)) for touch in touched)
    middle = sum(of.people * touch.of_zone for touch, of in known)
    low, high = min(INT32, math.floor(least / square_km)), min(INT32, math.ceil(most / square_km))
    return DensityEstimation(name, high, low, max(low, min(high, round(middle / square_km))))
