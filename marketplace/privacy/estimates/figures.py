"""Estimate, low and high of each cell, from its released count and a small published table of corrections.

Counts are zones × times × bands, with NaN where a count is withheld. A correction's tables are rounded before they are
used and are published beside the figures; what follows from them is one chain of single IEEE operations a cell, so that a
stranger who has the file and its corrections finds every figure again, byte for byte.

A count is first drawn to its zone's level times the hour's shape, as far as hours are seen to follow that: empirical
Bayes over the hours of a part of the day. A count that was published because its noise was lucky comes down with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.estimates.strata import round_to_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.estimates.mix import MeanWeights

Z95: Final = 1.959963984540054
"""Standard deviations to either side that hold 95 % of a normal law."""
LEAST_HOURLY: Final = 0.02
"""Relative: no zone's hours follow the common shape exactly."""
DEFECT: Final = 0.05
"""Stated: within an area and a band, those who are in a place consent as often as the others, within twice this part."""
TABLE_DIGITS: Final = 4
WEIGHT_DIGITS: Final = 3
LEAST_MEASURED: Final = 5
"""Known numbers from which a defect is measured."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What turns counts into estimates, as it is published.

    daypart: of each time, from 0. level: a zone's mean count over a daypart's hours. shape: an hour's counts over the level,
    times × bands. hourly: relative variance of hours around level times shape, dayparts × bands. weight: people for
    each counted one; effective: mean weight of those people; relative: variance of the weight over its square. These three and
    the level are zones × dayparts × bands. noise_variance: of a count's noise. threshold: withheld counts are below it.
    """

    daypart: NDArray[np.int64]
    level: NDArray[np.float64]
    shape: NDArray[np.float64]
    hourly: NDArray[np.float64]
    weight: NDArray[np.float64]
    effective: NDArray[np.float64]
    relative: NDArray[np.float64]
    noise_variance: float
    threshold: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Whole people: zones × times × bands. A withheld cell has no estimate (NaN), 0 as low, and a high."""

    estimate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def make_correction(
    noisy: NDArray[np.float64],
    mean: MeanWeights,
    daypart: NDArray[np.int64],
    *,
    noise_variance: float,
    threshold: int,
    defect: float = DEFECT,
    bounding: float = 0.0,
) -> Correction:
    """Return the corrections of a release, from all its noisy counts, withheld ones too: they are released, not shown.

    A single withheld hour of a zone, daypart and band is left out: level and published hours together would state it.
    bounding: relative error of what bounds cut.
    """
    dayparts, zones, bands = mean.weight.shape[1], len(noisy), noisy.shape[2]
    level, shape = np.zeros((zones, dayparts, bands)), np.zeros(noisy.shape[1:])
    hourly = np.zeros((dayparts, bands))
    for part in range(dayparts):
        at = np.flatnonzero(daypart == part)
        counts = noisy[:, at]
        used = _hours_used(counts < threshold)
        level[:, part] = (counts * used).sum(axis=1) / used.sum(axis=1)
        whole = (level[:, part, None] * used).sum(axis=0)
        shape[at] = (counts * used).sum(axis=0) / np.maximum(whole, 1.0)
        expected = np.maximum(level[:, part, None], 0.0) * shape[at]
        excess = (((counts - expected) ** 2 - noise_variance) * used).sum(axis=(0, 1))
        hourly[part] = np.maximum(excess / np.maximum((expected**2 * used).sum(axis=(0, 1)), 1.0), LEAST_HOURLY**2)
    return Correction(
        daypart,
        round_to_digits(level, TABLE_DIGITS),
        round_to_digits(shape, TABLE_DIGITS),
        round_to_digits(hourly, TABLE_DIGITS),
        round_to_digits(mean.weight, WEIGHT_DIGITS),
        round_to_digits(mean.effective, WEIGHT_DIGITS),
        round_to_digits(mean.mix + mean.strata + defect**2 + bounding**2, WEIGHT_DIGITS),
        noise_variance,
        threshold,
    )


def _hours_used(is_withheld: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 for the hours (second axis) that a zone's level is the mean of, 0 for one that alone is withheld."""
    is_single = is_withheld.sum(axis=1, keepdims=True) == 1
    return np.where(is_single & is_withheld, 0.0, 1.0)


def estimate(counts: NDArray[np.float64], correction: Correction) -> Figures:
    """Return estimate, low and high (95 %) of each cell, from published counts alone."""
    figures, variance = estimate_with_variance(counts, correction)
    half = Z95 * np.sqrt(variance)
    is_withheld = np.isnan(counts)
    return Figures(
        np.where(is_withheld, np.nan, np.rint(figures)),
        np.where(is_withheld, 0.0, np.floor(np.maximum(figures - half, 0.0))),
        np.ceil(figures + half),
    )


def estimate_with_variance(
    counts: NDArray[np.float64], correction: Correction
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the people of each cell and their variance; of a withheld cell, those of the most that it can have.

    counts: zones × times × bands, people, NaN where withheld.
    """
    at, noise = correction.daypart, correction.noise_variance
    is_withheld = np.isnan(counts)
    hours = _count_hours(is_withheld, at)
    expected = np.maximum(correction.level[:, at], 0.0) * correction.shape
    spread = correction.hourly[at] * (expected * expected)
    kept = np.where(spread + noise > 0, spread / np.maximum(spread + noise, 1e-300), 1.0)
    smoothed = expected + kept * (counts - expected)
    drawn = (1 - kept) * correction.shape
    left = kept * noise + drawn * drawn * noise / hours
    weight = correction.weight[:, at]
    people = np.where(is_withheld, correction.threshold * weight, np.maximum(smoothed, 0.0) * weight)
    of_noise = np.where(is_withheld, noise, left) * (weight * weight)
    of_sampling = people * np.maximum(correction.effective[:, at] - 1, 0.0)
    return people, of_noise + of_sampling + correction.relative[:, at] * (people * people)


def _count_hours(is_withheld: NDArray[np.bool_], daypart: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of how many hours each cell's level is the mean."""
    hours = np.empty(is_withheld.shape, np.int64)
    for part in np.unique(daypart):
        at = np.flatnonzero(daypart == part)
        hours[:, at] = _hours_used(is_withheld[:, at]).sum(axis=1, keepdims=True)
    return hours


def measure_defect(people: NDArray[np.float64], variance: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """Return how far estimates are off what is known, relative and beyond their stated error, less one standard error of that.

    people: estimates, an array of any shape, as variance (of theirs, without a defect) and known (true numbers of people:
    residents at night, or counts that the operator imports) are. It sees no defect that does not show where and when numbers are known.
    """
    used = (people > 0) & (known > 0) & (variance < (0.5 * known) ** 2)
    if used.sum() < LEAST_MEASURED:
        return 0.0
    stated = variance[used] / known[used] ** 2
    excess = (people[used] / known[used] - 1) ** 2 - stated
    precision = 1 / (stated + LEAST_HOURLY**2) ** 2
    error = math.sqrt(2 * float(precision**2 @ stated**2)) / precision.sum()
    return math.sqrt(max(0.0, float(excess @ precision / precision.sum()) - error))
