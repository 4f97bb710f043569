"""Noise: OpenDP's discrete Laplace, exact and from the operating system's entropy; its tail and its variance.

A vector of counts gets independent draws. What one person can change of it, summed over all counts, is the sensitivity;
the scale is sensitivity / epsilon, and the measurement's own map is asked to confirm the loss. Withholding what falls
below the threshold is post-processing and costs nothing.

Source: Ghosh, Roughgarden and Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009 (the
discrete Laplace); Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020,
section 5 (sampling it exactly, as OpenDP does).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MICRO = 1_000_000
CHUNK = 100_000
"""Counts drawn at once, so that progress can be told."""
ROUNDING = 1 + 2**-40
"""The scale's margin over its exact value, which the measurement's conservative rounding needs."""


def scale(sensitivity: int, epsilon_micro: int) -> float:
    """Return the discrete Laplace's scale that spends at most `epsilon_micro` on counts of this L1 sensitivity."""
    return sensitivity * MICRO / epsilon_micro * ROUNDING


def laplace(counts: NDArray[np.int64], *, sensitivity: int, epsilon_micro: int) -> Iterator[NDArray[np.int64]]:
    """Yield `counts` (n whole numbers) with noise, in order, a chunk at a time.

    Together the chunks are one mechanism of loss `epsilon_micro`: `sensitivity` bounds what one person changes of
    all counts, and the noise of each is independent.
    """
    import opendp.prelude as dp  # noqa: PLC0415 (a third of a second that only builds need)

    dp.enable_features("contrib")
    measure = dp.m.make_laplace(
        dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int), scale=scale(sensitivity, epsilon_micro)
    )
    loss: float = measure.map(sensitivity)
    assert loss * MICRO <= epsilon_micro, "the measurement confirms the loss that is paid for"
    for start in range(0, len(counts), CHUNK):
        yield np.asarray(measure(counts[start : start + CHUNK].tolist()), dtype=np.int64)


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
