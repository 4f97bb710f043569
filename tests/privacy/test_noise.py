"""Noise: OpenDP's draws follow the exact law, and threshold, tail and variance are that law's. False alarm ≤ 1e-6."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.privacy import noise

DRAWS = 50_000
"""Enough to convict a scale that is a twentieth off."""


def statistic(draws: np.ndarray, scale: float) -> tuple[float, int]:
    """Return Pearson's chi-squared of draws against the discrete Laplace, tails pooled, and its degrees of freedom."""
    q = math.exp(-1 / scale)
    reach = int(scale * math.log(len(draws) / 50))
    exact = np.array([(1 - q) / (1 + q) * q ** abs(k) for k in range(-reach, reach + 1)])
    exact = np.concatenate([[noise.tail(scale, reach + 1)], exact, [noise.tail(scale, reach + 1)]]) * len(draws)
    seen = np.bincount(draws.clip(-reach - 1, reach + 1) + reach + 1, minlength=2 * reach + 3)
    return float(((seen - exact) ** 2 / exact).sum()), len(exact) - 1


def beyond(chi_squared: float, freedom: int) -> bool:
    """Return whether Laurent and Massart's bound puts the statistic beyond its 1 - 1e-7 quantile (false alarm ≤ 1e-7)."""
    x = math.log(1e7)
    return chi_squared > freedom + 2 * math.sqrt(freedom * x) + 2 * x


@pytest.mark.parametrize(
    ("sensitivity", "epsilon_micro"),
    [(1, 1_000_000), *(pytest.param(*each, marks=pytest.mark.deep) for each in ((3, 1_600_000), (12, 500_000)))],
)
def test_draws_follow_the_discrete_laplace(sensitivity: int, epsilon_micro: int) -> None:
    scale = noise.scale(sensitivity, epsilon_micro)
    zeros = np.zeros(DRAWS, np.int64)
    draws = np.concatenate(list(noise.laplace(zeros, sensitivity=sensitivity, epsilon_micro=epsilon_micro)))
    assert not beyond(*statistic(draws, scale))
    # The mean of squares has a standard error of variance × sqrt(5 / n); six of them are passed once in 5e8 runs.
    assert abs(np.mean(draws.astype(float) ** 2) / noise.variance(scale) - 1) < 6 * math.sqrt(5 / DRAWS)


def test_the_test_bites_on_half_the_noise() -> None:
    scale = noise.scale(3, 1_600_000)
    draws = np.concatenate(list(noise.laplace(np.zeros(DRAWS, np.int64), sensitivity=3, epsilon_micro=3_200_000)))
    assert beyond(*statistic(draws, scale))


@given(st.floats(0.2, 200), st.integers(1, 10**8), st.floats(0.001, 1))
def test_the_threshold_is_the_least_that_keeps_its_promise(scale: float, keys: int, false_cells: float) -> None:
    threshold = noise.threshold(scale, keys, false_cells)
    assert noise.tail(scale, threshold) * keys <= false_cells * (1 + 1e-6)
    assert threshold == 1 or noise.tail(scale, threshold - 1) * keys > false_cells * (1 - 1e-6)
    assert noise.threshold(scale, keys * 2, false_cells) >= threshold
