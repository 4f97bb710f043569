"""How many people each consenter stands for, by stratum: a home area and an age band.

Axes: areas × bands. People come from public statistics, lines from the operator's registry, consenters from one noised
histogram. A stratum's noisy count is drawn towards what its area and its band say, the more the noisier it is.

Source: Fay and Herriot, "Estimates of income for small places", JASA 1979 (the shrinkage); Deming and Stephan, "On a
least squares adjustment of a sampled frequency table", Ann. Math. Statist. 1940 (raking).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_LINES: Final = 500
"""A stratum of fewer lines is counted together with others."""
ROUNDED_TO: Final = 100
"""Lines of a stratum are used in whole hundreds: the exact number of a few is about people who agreed to nothing."""
LEAST_SPREAD: Final = 0.05
"""Relative: nobody's consent follows area and band exactly."""
LEAST_PART: Final = 0.25
"""Of what area and band say: fewer consenters than that a stratum never has, so no weight exceeds four times theirs."""
RAKING_STEPS: Final = 50
LEAST_KNOWN: Final = 4
"""Strata above their noise from which the spread between strata is read."""


@dataclass(frozen=True, slots=True)
class StratumWeights:
    """Of each stratum (areas × bands): consenters, the people that each stands for, and that weight's relative variance."""

    consenters: NDArray[np.float64]
    weight: NDArray[np.float64]
    relative_variance: NDArray[np.float64]


def merge_strata(lines: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each stratum (areas × bands), the group in which it is counted; each group has `LEAST_LINES` or more.

    Neighbouring bands of an area are counted together until they are enough; areas that are too small as a whole are
    counted with the others of their parent, and where these are too few, with its first area that is not.

    lines: areas × bands. parents: the number of each area's parent, one for each area.

    Raises:
        ValueError: a parent has fewer lines than that.

    """
    groups = np.full(lines.shape, -1, np.int64)
    number = 0
    for parent in np.unique(parents):
        of_parent = np.flatnonzero(parents == parent)
        if lines[of_parent].sum() < LEAST_LINES:
            raise ValueError(f"The areas of parent {parent} have fewer than {LEAST_LINES} lines together.")
        is_small = lines[of_parent].sum(axis=1) < LEAST_LINES
        small, first = of_parent[is_small], number
        for area in of_parent[~is_small]:
            number = _merge_bands(lines[area], groups[area], number)
        if lines[small].sum() >= LEAST_LINES:
            groups[small], number = number, number + 1
        elif len(small):
            groups[small] = first
    return groups


def _merge_bands(lines: NDArray[np.int64], groups: NDArray[np.int64], number: int) -> int:
    """Write into `groups` which group each band of an area is in, numbered from `number` on; return the next number."""
    together = 0
    for band, of_band in enumerate(lines):
        groups[band], together = number, together + of_band
        if together >= LEAST_LINES:
            number, together = number + 1, 0
    groups[groups == number] = number - 1  # what is left over; an area comes here with enough for a first group
    return number


def split_groups(
    counts: NDArray[np.float64], groups: NDArray[np.int64], lines: NDArray[np.int64], variance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return noisy counts of groups by stratum (areas × bands), split as lines are, and the variance of each one's noise."""
    rounded = round_lines(lines)
    part = rounded / np.bincount(groups.ravel(), rounded.ravel())[groups]
    return counts[groups] * part, variance * part**2


def round_lines(lines: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return lines in whole hundreds, one hundred at the least."""
    return np.maximum(np.rint(lines / ROUNDED_TO), 1.0) * ROUNDED_TO


def rake(
    table: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64], steps: int = RAKING_STEPS
) -> NDArray[np.float64]:
    """Return a table fitted to the margins of its rows and of its columns, which have one sum, by turns."""
    fitted = table.astype(np.float64)
    for _ in range(steps):
        fitted *= (rows / fitted.sum(axis=1))[:, None]
        fitted *= columns / fitted.sum(axis=0)
    return fitted


def weigh_strata(
    noisy: NDArray[np.float64],
    lines: NDArray[np.float64],
    population: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> StratumWeights:
    """Return how many people each consenter of a stratum stands for; all arguments are areas × bands.

    noisy: consenters, with noise of this variance. lines: above 0. population: people, public.
    """
    by_area, by_band = variance.sum(axis=1), variance.sum(axis=0)
    rows = np.maximum(noisy.sum(axis=1), np.maximum(np.sqrt(by_area), 1.0))
    columns = np.maximum(noisy.sum(axis=0), np.maximum(np.sqrt(by_band), 1.0))
    rows *= columns.sum() / rows.sum()
    expected = np.minimum(rake(lines, rows, columns), lines)
    spread = _spread(noisy, expected, variance)
    kept = spread * expected**2 / (spread * expected**2 + variance)
    drawn = kept * noisy + (1 - kept) * expected
    consenters = np.clip(drawn, np.maximum(LEAST_PART * expected, 1.0), np.maximum(lines, 1.0))
    of_margins = by_area[:, None] / rows[:, None] ** 2 + by_band / columns**2
    relative = kept * variance / consenters**2 + (1 - kept) ** 2 * of_margins
    return StratumWeights(consenters, population / consenters / (1 + relative), relative)  # E(1/x) is above 1/E(x)


def _spread(noisy: NDArray[np.float64], expected: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """Return the relative variance of strata around what area and band say, by moments, from those above their noise."""
    known = expected**2 > variance
    used = known if known.sum() >= LEAST_KNOWN else np.ones_like(known)
    precision = expected[used] ** 2 / np.maximum(variance[used], 1e-9)
    excess = ((noisy[used] - expected[used]) ** 2 - variance[used]) / expected[used] ** 2
    return max(float(excess @ precision / precision.sum()), LEAST_SPREAD**2)


def round_to_digits(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Return values in so many significant decimal digits, as they are published."""
    with np.errstate(divide="ignore"):
        shift = digits - 1 - np.floor(np.log10(np.abs(values)))
    exponents = np.where(values == 0, 0, shift)
    return np.array(
        [round(value, int(by)) for value, by in zip(values.ravel(), exponents.ravel(), strict=True)]
    ).reshape(values.shape)


def relative_error(weights: StratumWeights) -> float:
    """Return the root mean relative variance of the strata's weights, by consenters."""
    return math.sqrt(float(np.average(weights.relative_variance, weights=weights.consenters)))
