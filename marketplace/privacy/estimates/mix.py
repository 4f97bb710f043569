"""Whose consenters a zone has by part of the day, and so how many people a count of them there stands for.

The mix is a noised table: zones × dayparts × columns × bands. Column 0 is people of the zone's own area; the others are
people of all other areas by how much a consenter there weighs, the light ones first. Few columns cost bias, many cost
noise: two beside the own area serve a country as they serve a town.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.estimates.strata import StratumWeights

CLASSES: Final = 2
"""Columns beside the own area."""
WITHIN_DAYPART: Final = 0.08
"""Stated: who is in a zone varies from hour to hour by this part of the variance between its dayparts."""
WITHIN_CLASS: Final = 0.1
"""Stated: the mean weight of a zone's visitors of one class is off by this part of the class's variance."""
LEAST_TAU: Final = 0.05
"""Relative: the least distance of a zone from its area where too few zones are known to measure it."""
LEAST_CONSENTERS: Final = 0.5
"""A column of fewer is empty: nobody can be in it."""
UNKNOWN: Final = 1e3
"""Relative variance of a mean whose denominator is not clear of its noise."""


@dataclass(frozen=True, slots=True)
class MixColumns:
    """What each column of an area's zones is made of (areas × columns × bands).

    consenters: how many can be in it; weight: the people that each stands for; squared: the mean of squared weights;
    strata_error: Σ (consenters × weight)² × relative variance, over the strata in it. class_of (areas × bands): the
    column of an area's people elsewhere.
    """

    class_of: NDArray[np.int64]
    consenters: NDArray[np.float64]
    weight: NDArray[np.float64]
    squared: NDArray[np.float64]
    strata_error: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeanWeights:
    """Of each zone, daypart and band: the people that a counted person stands for, and how sure that is.

    effective: mean weight of the people there, for the sampling variance. mix: relative variance that is each zone's own.
    strata: relative variance that zones share. shares: zones × dayparts × columns × bands, of the people there.
    """

    weight: NDArray[np.float64]
    effective: NDArray[np.float64]
    mix: NDArray[np.float64]
    strata: NDArray[np.float64]
    shares: NDArray[np.float64]


def classify(weights: StratumWeights, classes: int = CLASSES) -> NDArray[np.int64]:
    """Return the column (1 to `classes`) of people away from home, by their stratum (areas × bands): ranks of weight in a band.

    It is a function of noisy figures and constants, so the build may count by it.
    """
    rank = np.argsort(np.argsort(weights.weight, axis=0, kind="stable"), axis=0, kind="stable")
    return 1 + rank * classes // len(rank)


def make_columns(weights: StratumWeights, classes: int = CLASSES) -> MixColumns:
    """Return what the columns of each area's zones are made of: its own strata, and each class without them."""
    class_of = classify(weights, classes)
    people = weights.consenters * weights.weight
    parts = np.stack(
        [weights.consenters, people, people * weights.weight, people**2 * weights.relative_variance]
    )  # × areas × bands
    sums = np.stack([np.where(class_of == column, parts, 0).sum(axis=1) for column in range(1, classes + 1)], axis=1)
    is_own = np.stack([class_of == column for column in range(1, classes + 1)], axis=1)  # areas × classes × bands
    others = np.maximum(sums[:, None] - is_own * parts[:, :, None], 0.0)
    whole = np.concatenate([parts[:, :, None], others], axis=2)  # × areas × columns × bands
    consenters, of_people, of_squares, strata_error = whole
    is_empty = consenters < LEAST_CONSENTERS
    plain = (people.sum(axis=0) / weights.consenters.sum(axis=0))[None, None]
    some = np.where(is_empty, 1.0, consenters)
    weight = np.where(is_empty, plain, of_people / some)
    squared = np.where(is_empty, plain**2, of_squares / some)
    return MixColumns(
        class_of, np.where(is_empty, 0.0, consenters), weight, squared, np.where(is_empty, 0.0, strata_error)
    )


def average_weights(
    mix: NDArray[np.float64], columns: MixColumns, parents: NDArray[np.int64], variance: float
) -> MeanWeights:
    """Average the columns' weights over a noisy mix (zones × dayparts × columns × bands), drawn to its area's average.

    parents: the area of each zone. variance: of the mix's noise.
    """
    weight = columns.weight
    pooled = np.zeros((len(weight), *mix.shape[1:]))
    np.add.at(pooled, parents, mix)
    zones = np.bincount(parents, minlength=len(weight))[:, None, None]
    own, own_variance, _ = _ratio(mix, weight[parents], np.full(mix[:, :, 0].shape, variance))
    area, area_variance, share = _ratio(pooled, weight, np.broadcast_to(variance * zones, pooled[:, :, 0].shape))
    prior, noise = area[parents], own_variance / area[parents] ** 2
    tau = _between_zones(own / prior - 1, noise)
    kept = np.where(noise < 1, tau / (tau + noise + 1e-12), 0.0)
    mean = kept * own + (1 - kept) * prior
    of_area = np.minimum(area_variance / area**2, 1.0)[parents]
    relative = np.where(noise < 1, kept * noise, tau) + (1 - kept) ** 2 * of_area
    relative += WITHIN_DAYPART * mean.var(axis=1, keepdims=True) / mean**2
    spread = np.maximum(columns.squared / weight**2 - 1, 0.0)[:, None]  # areas × 1 × columns × bands
    relative += WITHIN_CLASS * (share**2 * spread).sum(axis=2)[parents]
    effective = (share * (columns.squared / weight)[:, None]).sum(axis=2)[parents]
    people = np.maximum(columns.consenters * weight, 1.0)
    strata = (share**2 * (columns.strata_error / people**2)[:, None]).sum(axis=2)[parents]
    return MeanWeights(mean, effective, relative, strata, share[parents])


def _ratio(
    mix: NDArray[np.float64], weight: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean weight of a mix, its variance by the delta method, and each column's share of the people."""
    total = np.maximum(mix.sum(axis=2), 1.0)
    mean = (mix * weight[:, None]).sum(axis=2) / total
    mean = np.clip(mean, weight.min(axis=1)[:, None], weight.max(axis=1)[:, None])
    error = variance * ((weight[:, None] - mean[:, :, None]) ** 2).sum(axis=2) / total**2
    is_clear = total > 2 * np.sqrt(variance * mix.shape[2])
    people = np.maximum(mix, 0.0) * weight[:, None]
    return (
        mean,
        np.where(is_clear, error, UNKNOWN * mean**2),
        people / np.maximum(people.sum(axis=2, keepdims=True), 1e-9),
    )


def _between_zones(gaps: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative variance of zones around their areas, by daypart and band, by moments (first axis: zones)."""
    precision = np.where(noise < 1, 1 / np.maximum(noise, 1e-4), 0.0)
    whole = np.maximum(precision.sum(axis=0), 1e-12)
    moment = ((gaps**2 - noise) * precision).sum(axis=0) / whole
    own_error = np.sqrt(2.0) / np.sqrt(np.maximum((precision**2).sum(axis=0), 1e-12))
    found: NDArray[np.float64] = np.maximum(moment, np.minimum(own_error, LEAST_TAU))
    return found
