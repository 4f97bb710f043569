"""Compose privacy losses: convert (epsilon, delta) to concentrated loss and back, and add up a subscriber's year.

Stored losses are whole numbers, rounded so that the stated loss is never below the true one. Losses add up as
zero-concentrated differential privacy (rho), in whole nano-rho. A sum becomes (epsilon, delta) at the best of `ORDERS`,
as in `dp_accounting`; a test compares the two bit for bit. That library is not imported here because it takes two
seconds to load. Discrete Laplace noise of scale s on one count that a person changes by d is (d/s)-private, hence
(d/s)²/2-concentrated; discrete Gaussian noise of the same scale has the same rho. So a vector of counts costs (L2
sensitivity)² / (2 s²) with either.

Source: Bun and Steinke, "Concentrated differential privacy", TCC 2016, proposition 1.4 and lemma 2.3; Canonne, Kamath
and Steinke 2020, proposition 12 (the conversion).
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.local_time import UTC, local_day
from marketplace.privacy.noise import MICRO, NANO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ORDERS: Final = (
    *(1 + tenth / 10.0 for tenth in range(1, 100)),
    *map(float, range(11, 64)),
    128.0,
    256.0,
    512.0,
    1024.0,
)
"""Rényi orders that are tried. Any of them gives a valid epsilon; the least one is stated."""
YEAR_DELTA_EXPONENT: Final = 9
"""A subscriber's year is stated at delta = 10^-9."""
YEAR_DAYS: Final = 365
"""A rolling year is any so many consecutive days."""


@functools.lru_cache(maxsize=4096)
def epsilon_micro(rho_nano: int, delta_exponent: int) -> int:
    """Return the epsilon, in millionths rounded up, of a loss of `rho_nano` at delta = 10^-delta_exponent."""
    if not rho_nano:
        return 0
    rho, delta = rho_nano / NANO, 10.0**-delta_exponent
    if delta**2 + math.expm1(-rho * ORDERS[0]) > 0:  # so small a divergence that delta alone covers it
        return 0
    epsilon = min(rho * order + math.log1p(-1 / order) - math.log(delta * order) / (order - 1) for order in ORDERS)
    return math.ceil(max(0.0, epsilon) * MICRO * (1 + 2**-40))


@functools.lru_cache(maxsize=256)
def rho_nano(epsilon: int, delta_exponent: int) -> int:
    """Return the most whole nano-rho whose loss at delta is at most `epsilon` millionths; 0 if none exists."""
    low, high = 0, 1
    while epsilon_micro(high, delta_exponent) <= epsilon:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if epsilon_micro(middle, delta_exponent) <= epsilon else (low, middle)
    return low


def vector_rho_nano(sensitivity_squared: int, scale: float) -> int:
    """Return the nano-rho, rounded up, of noise of this scale on counts of this squared L2 sensitivity."""
    return math.ceil(Fraction(sensitivity_squared * NANO) / (2 * Fraction(scale) ** 2))


def years(period_from: dt.datetime, period_to: dt.datetime, unit: str, time_zone: str = UTC) -> dict[int, int]:
    """Return how many units of a release one subscriber may be in, by calendar year of the release's time zone.

    A unit that is a whole release is charged to every year its period touches; a day is charged to the year it lies in.
    Years are local, as days are, so that a person's day is charged to one year. Datasets of two time zones add up by
    the number of the year.
    """
    first, last = (local_day(at, time_zone) for at in (period_from, period_to - dt.timedelta(microseconds=1)))
    count = dict.fromkeys(range(first.year, last.year + 1), 0)
    if unit == "release":
        return dict.fromkeys(count, 1)
    for year in count:
        start = max(first, dt.date(year, 1, 1))
        end = min(last, dt.date(year, 12, 31))
        count[year] = (end - start).days + 1
    return count


def year_epsilon_micro(rho: int, gaussian_rho: int, pure_micro: int) -> int:
    """Return what a year costs in millionths of epsilon at the year's delta: the smaller of two valid compositions.

    The first composes `rho`, the concentrated loss of all releases. The second composes `gaussian_rho`, the loss of
    those with Gaussian noise, and adds `pure_micro`, the epsilons of the others.
    """
    return min(epsilon_micro(rho, YEAR_DELTA_EXPONENT), epsilon_micro(gaussian_rho, YEAR_DELTA_EXPONENT) + pure_micro)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a release costs one subscriber: the loss of one unit, and the period in local days, both ends included."""

    first: dt.date
    last: dt.date
    is_by_day: bool
    """Whether each day is a unit; otherwise the release is one unit, charged whole to every year it touches."""
    rho_nano: int
    epsilon_micro: int
    is_pure: bool


def rolling_year_micro(losses: Sequence[Loss], first: dt.date, last: dt.date, days: int = YEAR_DAYS) -> int:
    """Return the most that any `days` consecutive days touching [first, last] cost, in millionths at the year's delta.

    losses: of every release that may have a day in such a year. A year may begin before New Year, so earlier losses
    count.
    """
    start = first.toordinal() - days + 1
    windows = last.toordinal() - start + 1
    sums = np.zeros((3, windows), np.int64)  # rho, rho of Gaussian noise, pure epsilon: by the year's first day
    for loss in losses:
        counted = np.array([loss.rho_nano, loss.rho_nano * (not loss.is_pure), loss.epsilon_micro * loss.is_pure])
        sums += counted[:, None] * _units(loss, start, windows, days)
    highest = {tuple(column) for column in sums.T.tolist()}
    return max(
        year_epsilon_micro(*one)
        for one in highest
        if not any(other != one and all(a <= b for a, b in zip(one, other, strict=True)) for other in highest)
    )


def _units(loss: Loss, start: int, windows: int, days: int) -> NDArray[np.int64]:
    """Return how many units of a release lie in each year of `days` days, beginning on each day from `start`."""
    begins = start + np.arange(windows, dtype=np.int64)
    inside = np.minimum(begins + days - 1, loss.last.toordinal()) - np.maximum(begins, loss.first.toordinal()) + 1
    return np.asarray(np.maximum(inside, 0) if loss.is_by_day else inside > 0, np.int64)
