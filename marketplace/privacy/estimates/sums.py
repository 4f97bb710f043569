"""A place or a time of many cells: its estimate adds unclipped counts, and errors that its cells share add as shared.

What is added is never selected: withheld cells are in the sum, as roll-ups publish them. The noise of each count is its
own. Who of a zone's people consent is one draw for all its hours; its mix and its defect too. A stratum's weight is one
error of every zone and hour that its people are in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marketplace.privacy.estimates.figures import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.estimates.mix import MeanWeights, MixColumns
    from marketplace.privacy.estimates.strata import StratumWeights


def estimate_sum(
    noisy: NDArray[np.float64],
    is_chosen: NDArray[np.bool_],
    daypart: NDArray[np.int64],
    *,
    mean: MeanWeights,
    columns: MixColumns,
    weights: StratumWeights,
    parents: NDArray[np.int64],
    noise_variance: float,
    defect: float,
) -> tuple[float, float, float]:
    """Return estimate, low and high of the chosen cells' people together, over all bands.

    noisy: zones × times × bands, people. is_chosen: zones × times. daypart: the part of the day of each time. parents: the
    area of each zone. Times are added up as they are:
    a person who is there in two hours is two.
    """
    weight = mean.weight[:, daypart]
    counts = np.where(is_chosen[:, :, None], noisy, 0.0)
    each = counts * weight
    people = np.maximum(each, 0.0)
    noise = noise_variance * float((weight**2 * is_chosen[:, :, None]).sum())
    sampling = np.sqrt(people * np.maximum(mean.effective[:, daypart] - 1, 0.0)).sum(axis=1)
    own = (people * np.sqrt(mean.mix[:, daypart] + defect**2)).sum(axis=1)
    of_area = np.zeros(columns.weight.shape)
    np.add.at(of_area, parents, np.einsum("ztb,ztkb->zkb", people, mean.shares[:, daypart]))
    shared = _by_home(of_area, columns, weights) ** 2 * weights.relative_variance
    total = float(each.sum())
    half = Z95 * float(np.sqrt(noise + (sampling**2).sum() + (own**2).sum() + shared.sum()))
    return total, max(total - half, 0.0), total + half


def _by_home(of_area: NDArray[np.float64], columns: MixColumns, weights: StratumWeights) -> NDArray[np.float64]:
    """Return how many people are of each stratum (areas × bands): those in an area's columns, shared out as the columns are made."""
    capacity = columns.consenters * columns.weight
    rate = np.where(
        capacity > 0, of_area / np.maximum(capacity, 1e-9), 0.0
    )  # of each of a column's strata, who is there
    areas, bands = np.indices(columns.class_of.shape)
    elsewhere = rate.sum(axis=0)[columns.class_of, bands] - rate[areas, columns.class_of, bands]
    people: NDArray[np.float64] = weights.consenters * weights.weight * (rate[:, 0] + elsewhere)
    return people
