"""How much of a release strangers could rebuild from what they see: the best reconstructions that we know. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLASSES: Final = 3
FOLDS: Final = 5
"""The attacker knows no exact figure of the city: weights are learnt from four fifths of the zones and tried on the
rest."""
REACHES: Final = (1.0, 1.5, 2.5, 4.0, 7.0)
"""Distances, in zones, over which the attacker averages classes."""
FEWEST_LARGER: Final = 20
"""With fewer larger zones nobody can learn how to read their classes."""
WEIGHED_ZONES: Final = 2_000
"""Up to so many zones, each is averaged by its distance to all. More lie on a lattice, in squares around each."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The zone × time totals of a release: n published ones, by position of their zone and their time."""

    zone: NDArray[np.int64]
    time: NDArray[np.int64]
    people: Floats


def explained_by(
    totals: Totals,
    classes: NDArray[np.int64],
    levels: NDArray[np.int64],
    blocks: Sequence[NDArray[np.int64]],
    around: Sequence[Callable[[Floats], Floats]] = (),
    *,
    known: Sequence[int] = (),
    profiles: Floats | None = None,
) -> float:
    """Return the share of the totals' variance that the best known reconstruction explains, in [0, 1].

    It knows each zone's class, the average class of its neighbourhoods, the curve, and the best weights for them in the
    same city, which no attacker has. A zone's level, or its logarithm, is fitted on its class and its neighbourhoods'
    classes; then each time's totals are fitted on that level. classes, levels: each zone's class and amount. around:
    averages of zones' values around each. known: zones whose figures are free. profiles: what free rows say of each
    time, from `profiles_of`.
    """
    if not len(totals.people):
        return 0.0
    near = [_averaged(classes.astype(float), block) for block in blocks]
    near += [average(classes.astype(float)) for average in around]
    bent = [*(one**2 for one in near), *(one * classes for one in near)]
    columns = [*(classes == one for one in range(CLASSES)), *near, *bent]
    features = np.stack(columns, axis=1).astype(float)
    times = (levels[:, None] == np.unique(levels)).astype(float)
    times = times if profiles is None else np.hstack([times, profiles])
    return _explained(totals, features, times, ~np.isin(totals.zone, list(known)))


def explained_of_larger(
    totals: Totals,
    classes: NDArray[np.int64],
    larger: Sequence[NDArray[np.int64]],
    around: Sequence[Callable[[Floats], Floats]],
    profiles: Floats | None,
) -> float:
    """Return the most that a map explains of the totals of larger zones, each made of some of its zones.

    classes: each zone's class. larger: for each size, a number for each zone, the same for zones of one larger zone. A
    larger zone's level is fitted on the mean class in it and around it; averaging over many zones cancels the random
    amounts.
    """
    most, one = 0.0, classes.astype(float)
    near = [average(one) for average in around]
    times = np.ones((int(totals.time.max(initial=-1)) + 1, 1))
    times = times if profiles is None else np.hstack([times, profiles])
    for block in larger:
        count = int(block.max(initial=-1)) + 1
        if count < FEWEST_LARGER:
            continue
        size = np.bincount(block).astype(float)
        mean, busy, *wide = (np.bincount(block, of) / size for of in (one, one == CLASSES - 1, *near[2:4]))
        chosen = [[mean, size], [mean, size, busy], [mean, size, *wide], [mean, size, mean**2, *wide]]
        sums = _summed(totals, block, len(times))
        for columns in chosen:
            features = np.stack([np.ones(count), *columns], axis=1)
            most = max(most, _explained(sums, features, times, np.ones(len(sums.zone), bool)))
    return most


def _summed(totals: Totals, block: NDArray[np.int64], times: int) -> Totals:
    """Return the totals of larger zones, each divided by the number of its zones, which everybody knows."""
    place, at = np.unique(block[totals.zone] * times + totals.time, return_inverse=True)
    sums = np.bincount(at, totals.people) / np.bincount(block)[place // times]
    return Totals(place // times, place % times, sums.astype(float))


def _explained(totals: Totals, features: Floats, times: Floats, is_hidden: NDArray[np.bool_]) -> float:
    """Return the share of the totals' variance that features of zones (n, k) and of times explain, in [0, 1]."""
    mass = ((totals.people - totals.people.mean()) ** 2).sum()
    if not mass:
        return 0.0
    figures = np.bincount(totals.zone, minlength=len(features))
    mean = np.bincount(totals.zone, totals.people, minlength=len(features)) / np.maximum(figures, 1)
    weight = np.sqrt(figures)
    level_and_log = np.stack([mean, np.log(np.maximum(mean, 1.0))], axis=1)
    fitted, fitted_log = _predicted(features, level_and_log, weight).T
    left = min(_left(level, totals, times, is_hidden) for level in (fitted, np.exp(fitted_log)))
    return float(min(1.0, max(0.0, 1 - left / mass)))


def _predicted(features: Floats, wanted: Floats, weight: Floats) -> Floats:
    """Return the prediction for each zone of a weighted linear fit of the other zones' features, in FOLDS parts.

    wanted: (n, k), k things that are predicted from the same features.
    """
    guess = wanted.copy()
    fold = np.arange(len(wanted)) % FOLDS
    for part in range(min(FOLDS, len(wanted)) if len(wanted) > 1 else 0):
        known, asked = fold != part, fold == part
        weighed = weight[known, None]
        fit = np.linalg.lstsq(features[known] * weighed, wanted[known] * weighed, rcond=None)[0]
        guess[asked] = np.clip(features[asked] @ fit, wanted[known].min(axis=0), wanted[known].max(axis=0))
    return guess


def _left(fitted: Floats, totals: Totals, times: Floats, is_hidden: NDArray[np.bool_]) -> float:
    """Return the hidden totals' residual squares after a line in `fitted` with coefficients linear in time features.

    times: features of the n times, (n, k), some of which add up to 1. The sums are by time.
    """
    when, y = totals.time[is_hidden], totals.people[is_hidden]
    if not len(y):
        return 0.0
    x, y = fitted[totals.zone[is_hidden]], y - y.mean()
    x = (x - x.mean()) / (x.std() or 1.0)
    count, x_sum, xx_sum, y_sum, xy_sum = (
        np.bincount(when, of, len(times)) for of in (np.ones(len(x)), x, x * x, y, x * y)
    )
    flat, mixed, square = (times.T @ (of[:, None] * times) for of in (count, x_sum, xx_sum))
    wanted = np.concatenate([times.T @ y_sum, times.T @ xy_sum])
    solved = np.linalg.lstsq(np.block([[flat, mixed], [mixed, square]]), wanted, rcond=1e-12)[0]
    return float(y @ y - wanted @ solved)


def neighbourhoods(where: Floats, size: int) -> NDArray[np.int64]:
    """Return a number for each zone, shared with about `size` zones near it, or with none if it has no place."""
    placeless = np.isnan(where).any(axis=1)
    number = np.arange(len(where), dtype=np.int64)
    if placeless.all():
        return number
    placed = where[~placeless]
    low, span = placed.min(axis=0), np.maximum(np.ptp(placed, axis=0), 1e-9)
    squares = max(1, len(placed) // size)
    across = max(1, round(np.sqrt(squares * span[0] / span[1])))
    down = max(1, round(squares / across))
    square = np.minimum((placed - low) / span * [across, down], [across - 1, down - 1]).astype(np.int64)
    number[~placeless] = len(where) + square[:, 0] * down + square[:, 1]
    return np.asarray(np.unique(number, return_inverse=True)[1], np.int64)


def _averaged(values: Floats, block: NDArray[np.int64]) -> Floats:
    return np.asarray((np.bincount(block, values) / np.bincount(block))[block], float)


def surroundings(where: Floats) -> list[Callable[[Floats], Floats]]:
    """Return, for each reach, a function that averages zones' values around each zone."""
    if len(where) > WEIGHED_ZONES:
        square = _squares(where)
        return [partial(_blurred, square=square, reach=round(reach)) for reach in REACHES]
    placed = np.where(np.isnan(where), 1e9 * np.arange(1, len(where) + 1)[:, None], where)  # without a place: apart
    shown = where[~np.isnan(where).any(axis=1)]
    spacing = np.sqrt(np.ptp(shown, axis=0).prod() / len(shown)) or 1.0
    apart = ((placed[:, None] - placed[None]) ** 2).sum(axis=-1) / spacing**2
    weights = [np.exp(-apart / reach**2) for reach in REACHES]
    return [(weight / weight.sum(axis=1, keepdims=True)).__matmul__ for weight in weights]


def _squares(where: Floats) -> NDArray[np.int64]:
    """Return each zone's column and row, (n, 2), on a lattice of about as many squares as zones; 0 without a place."""
    placed = np.nan_to_num(where - np.nanmin(where, axis=0))
    span = np.maximum(placed.max(axis=0), 1e-9)
    across = max(1, round(np.sqrt(len(where) * span[0] / span[1])))
    down = max(1, round(len(where) / across))
    return np.asarray(np.minimum(placed / span * [across, down], [across - 1, down - 1]), np.int64)


def _blurred(values: Floats, *, square: NDArray[np.int64], reach: int) -> Floats:
    """Return the mean of values over the squares within `reach` columns and rows of each zone."""
    size = square.max(axis=0) + 1
    sums, counts = np.zeros((2, *(size + 2 * reach + 1)))
    np.add.at(sums, (square[:, 0] + reach + 1, square[:, 1] + reach + 1), values)
    np.add.at(counts, (square[:, 0] + reach + 1, square[:, 1] + reach + 1), 1.0)

    def around(field: Floats) -> Floats:
        whole = field.cumsum(axis=0).cumsum(axis=1)
        low, high = square, np.minimum(square + 2 * reach + 1, np.array(whole.shape) - 1)
        return np.asarray(
            whole[high[:, 0], high[:, 1]]
            - whole[low[:, 0], high[:, 1]]
            - whole[high[:, 0], low[:, 1]]
            + whole[low[:, 0], low[:, 1]]
        )

    return around(sums) / np.maximum(around(counts), 1.0)
