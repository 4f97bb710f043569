"""Goodness of fit with a stated false alarm: Pearson's chi-squared on pooled values, and the two-sample one."""

import math

import numpy as np
from scipy import stats

ALARM = 1e-7
"""False alarm of one comparison. Chi-squared's own approximation is allowed for: at least EXPECTED draws a pool."""
EXPECTED = 50


def pools(expected: np.ndarray) -> np.ndarray:
    """Return for each value the pool it is in: neighbours are pooled until EXPECTED draws are expected."""
    pool, filled, number = np.empty(len(expected), np.int64), 0.0, 0
    left = expected.sum()
    for at, weight in enumerate(expected):
        pool[at] = number
        filled += weight
        left -= weight
        if filled >= EXPECTED and left >= EXPECTED:
            number, filled = number + 1, 0.0
    return pool


def differs_from(draws: np.ndarray, values: np.ndarray, masses: np.ndarray) -> bool:
    """Return whether draws are too far from a law on ascending whole `values`; a draw elsewhere says so at once."""
    if draws.min() < values[0] or draws.max() > values[-1]:
        return True
    expected = masses * len(draws)
    pool = pools(expected)
    seen = np.bincount(draws - values[0], minlength=len(values))
    wanted, found = np.bincount(pool, expected), np.bincount(pool, seen)
    if len(wanted) == 1:
        return False
    return bool(_statistic(found, wanted) > threshold(len(wanted) - 1))


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two samples are too far from each other to be of one law."""
    least = int(min(one.min(), other.min()))
    counts = [
        np.bincount(draws - least, minlength=int(max(one.max(), other.max())) - least + 1) for draws in (one, other)
    ]
    together = counts[0] + counts[1]
    pool = pools(together * min(len(one), len(other)) / (len(one) + len(other)))
    first, second = (np.bincount(pool, count) for count in counts)
    scale = math.sqrt(len(other) / len(one))
    statistic = float(((first * scale - second / scale) ** 2 / (first + second)).sum())
    return statistic > threshold(len(first) - 1)


def threshold(freedom: int) -> float:
    """Return what chi-squared exceeds with a probability of ALARM."""
    return float(stats.chi2.isf(ALARM, freedom))


def _statistic(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(((found - wanted) ** 2 / wanted).sum())
