"""Noise: discrete Laplace or Gaussian, exact, from OpenDP or from the table sampler; its tail, spread and threshold.

Each count of a vector gets an independent draw. For Laplace noise the scale is the L1 sensitivity (one person's change,
summed over all counts) over epsilon; for Gaussian noise it is the L2 sensitivity over the root of twice rho. OpenDP's
measurement is asked to confirm the loss. Withholding counts below the threshold is post-processing and costs nothing.

Source: Ghosh, Roughgarden and Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009 (the
discrete Laplace); Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020 (its
concentrated loss, theorem 4; sampling both exactly, section 5, as OpenDP does).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from opendp.mod import Measurement

MICRO = 1_000_000
NANO = 1_000_000_000
CHUNK = 100_000
"""Counts drawn at once, so that progress can be shown."""
ROUNDING = 1 + 2**-40
"""The scale's margin over its exact value, which the measurement's conservative rounding needs."""
FAR = 40
"""Standard deviations beyond which Gaussian noise has a probability too small for a double."""


@dataclass(frozen=True, slots=True)
class Law:
    """One noise: `laplace` or `gaussian`, and its scale (Gaussian: sigma)."""

    kind: str
    scale: float

    @property
    def variance(self) -> float:
        """Return the noise's variance."""
        if self.kind == "laplace":
            return variance(self.scale)
        right = _gaussian(self.scale)
        return 2 * float(right @ np.arange(len(right), dtype=float) ** 2)

    @property
    def mean_error(self) -> float:
        """Return the mean absolute value of the noise."""
        if self.kind == "laplace":
            q = math.exp(-1 / self.scale)
            return 2 * q / (1 - q * q)
        right = _gaussian(self.scale)
        return 2 * float(right @ np.arange(len(right), dtype=float))

    def tail(self, at_least: int) -> float:
        """Return the probability that the noise is `at_least` (positive) or more."""
        if self.kind == "laplace":
            return tail(self.scale, at_least)
        return float(_gaussian(self.scale)[at_least:].sum())

    def tails(self, at_least: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return for each number the probability of as much noise or more; at_least: n whole numbers of either sign."""
        above = np.maximum(at_least, 1 - at_least)  # the noise is symmetric: P(>= k) = 1 - P(>= 1 - k)
        if self.kind == "laplace":
            q = math.exp(-1 / self.scale)
            tails = np.exp(-above / self.scale) / (1 + q)
        else:
            right = np.append(np.cumsum(_gaussian(self.scale)[::-1])[::-1], 0.0)
            tails = right[np.minimum(above, len(right) - 1)]
        return np.asarray(np.where(at_least > 0, tails, 1 - tails), np.float64)

    def threshold(self, keys: int, expected_false: float) -> int:
        """Return the least whole number that noise alone reaches at most `expected_false` times in `keys` empty cells."""
        if self.kind == "laplace":
            return threshold(self.scale, keys, expected_false)
        tails = np.cumsum(_gaussian(self.scale)[::-1])[::-1]
        return max(1, int(np.searchsorted(-tails * keys, -expected_false)))

    def half_width(self, outside: float) -> int:
        """Return the least h such that the noise lies beyond [-h, h] with a probability of at most `outside`."""
        if self.kind == "laplace":
            # 2 q^(h+1) / (1 + q) <= outside.
            q = math.exp(-1 / self.scale)
            return max(0, math.ceil(self.scale * (math.log(2 / outside) - math.log1p(q)) - 1 - 1e-9))
        tails = np.cumsum(_gaussian(self.scale)[::-1])[::-1]
        return max(0, int(np.searchsorted(-2 * tails, -outside)) - 1)


@functools.lru_cache(maxsize=64)
def _gaussian(sigma: float) -> NDArray[np.float64]:
    """Return the discrete Gaussian's probabilities of 0, 1, 2, … that a double can represent."""
    right = np.exp(-(np.arange(math.ceil(FAR * sigma) + 2, dtype=float) ** 2) / (2 * sigma * sigma))
    return np.asarray(right / (2 * right.sum() - 1), np.float64)


def scale(sensitivity: int, epsilon_micro: int) -> float:
    """Return the discrete Laplace's scale that spends at most `epsilon_micro` on counts of this L1 sensitivity."""
    return sensitivity * MICRO / epsilon_micro * ROUNDING


def sigma(sensitivity_squared: int, rho_nano: int) -> float:
    """Return the discrete Gaussian's sigma that spends at most `rho_nano` on counts of this squared L2 sensitivity."""
    return math.sqrt(sensitivity_squared * NANO / (2 * rho_nano)) * ROUNDING


def laplace(counts: NDArray[np.int64], *, sensitivity: int, epsilon_micro: int) -> Iterator[NDArray[np.int64]]:
    """Yield `counts` (n whole numbers) with noise, in order, a chunk at a time.

    Together the chunks are one mechanism of loss `epsilon_micro`: `sensitivity` bounds what one person changes of
    all counts, and the noise of each is independent.
    """
    measure = _laplace_measurement(sensitivity, epsilon_micro)
    for start in range(0, len(counts), CHUNK):
        yield np.asarray(measure(_narrow(counts[start : start + CHUNK])), dtype=np.int64)


@functools.lru_cache(maxsize=64)
def _laplace_measurement(sensitivity: int, epsilon_micro: int) -> Measurement:
    """Return OpenDP's measurement, which confirms its loss."""
    import opendp.prelude as dp  # noqa: PLC0415 (a third of a second that only builds need)

    dp.enable_features("contrib")
    measure = dp.m.make_laplace(
        dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int), scale=scale(sensitivity, epsilon_micro)
    )
    loss: float = measure.map(sensitivity)
    assert loss * MICRO <= epsilon_micro, "the measurement confirms the loss that is paid for"
    return measure


def gaussian(counts: NDArray[np.int64], *, sensitivity_squared: int, rho_nano: int) -> Iterator[NDArray[np.int64]]:
    """Yield `counts` with Gaussian noise, as `laplace` does; the chunks together are one mechanism of loss `rho_nano`."""
    measure = _gaussian_measurement(sensitivity_squared, rho_nano)
    for start in range(0, len(counts), CHUNK):
        yield np.asarray(measure(_narrow(counts[start : start + CHUNK])), dtype=np.int64)


@functools.lru_cache(maxsize=64)
def _gaussian_measurement(sensitivity_squared: int, rho_nano: int) -> Measurement:
    """Return OpenDP's measurement, which confirms its loss."""
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    measure = dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float), scale=sigma(sensitivity_squared, rho_nano)
    )
    loss: float = measure.map(math.nextafter(math.sqrt(sensitivity_squared), math.inf))
    assert loss * NANO <= rho_nano, "the measurement confirms the loss that is paid for"
    return measure


def _narrow(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return counts in a type that OpenDP accepts as an array; it would check each number of another type."""
    assert len(counts) == 0 or np.abs(counts).max() <= np.iinfo(np.int32).max, "a count is of people or their events"
    return counts.astype(np.int32)


def variance(noise_scale: float) -> float:
    """Return the variance of discrete Laplace noise: 2 q / (1 - q)² with q = exp(-1 / scale)."""
    q = math.exp(-1 / noise_scale)
    return 2 * q / (1 - q) ** 2


def tail(noise_scale: float, at_least: int) -> float:
    """Return the probability that the noise is `at_least` (positive) or more: q^t / (1 + q)."""
    q = math.exp(-1 / noise_scale)
    return q**at_least / (1 + q)


def threshold(noise_scale: float, keys: int, expected_false: float) -> int:
    """Return the least whole number that noise alone reaches at most `expected_false` times in `keys` empty cells."""
    q = math.exp(-1 / noise_scale)
    return max(1, math.ceil(noise_scale * (math.log(keys / expected_false) - math.log1p(q)) - 1e-9))
