"""An empirical audit of privacy: what reveals a canary's presence, against the loss that is stated.

A canary is the worst person the bounds allow. Many draws with and without it give two samples of the best statistic
there is, the likelihood ratio; a test that tells them apart better than the stated loss allows disproves it. What is
returned are lower bounds on the true loss, each wrong with a probability of at most the false alarm.

Every (epsilon, delta)-private release obeys P(with) <= e^epsilon P(without) + delta for any event; every mu-Gaussian
private one obeys Phi^-1(true positives) - Phi^-1(false positives) <= mu.

Source: Jagielski, Ullman and Oprea, "Auditing differentially private machine learning", NeurIPS 2020; Nasr et al.,
"Tight auditing of differentially private machine learning", USENIX Security 2023 (Gaussian privacy); Clopper and
Pearson 1934.
"""

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketplace.privacy.noise import Law

FALSE_ALARM: Final = 1e-6
TRIED: Final = 60
"""Thresholds tried on the first half; the second half alone gives the bound."""


def likelihood(law: Law, noisy: NDArray[np.int64], canary: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return log P(row | canary there) - log P(row | not), for rows of noisy counts over the cells the canary is in.

    noisy: draws × cells, less what is there without the canary; canary: what it adds to each cell.
    """
    if law.kind == "laplace":
        return np.asarray((np.abs(noisy) - np.abs(noisy - canary)).sum(axis=1) / law.scale, float)
    return np.asarray((noisy @ canary - (canary @ canary) / 2) / law.scale**2, float)


def hits(noisy: NDArray[np.int64], canary: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many cells hold exactly what the canary adds, less those that hold nothing: where noise is missing.

    noisy: draws × cells, less what is there without the canary; canary: what it adds to each cell.
    """
    return np.asarray((noisy == canary).sum(axis=1) - (noisy == 0).sum(axis=1), float)


def epsilon_lower_bound(
    there: NDArray[np.float64], absent: NDArray[np.float64], *, delta: float = 0.0, false_alarm: float = FALSE_ALARM
) -> float:
    """Return a lower bound on epsilon at `delta` from scores with and without a canary; 0 when nothing is revealed.

    there, absent: scores of n and m independent draws with the canary and without it.

    Either sample may be the likelier one, above a bound or below: all four are tried.
    """
    best = 0.0
    for one, other in ((there, absent), (-absent, -there), (absent, there), (-there, -absent)):
        first, last = (one[: len(one) // 2], other[: len(other) // 2]), (one[len(one) // 2 :], other[len(other) // 2 :])
        chosen, value = None, 0.0
        for bound in np.unique(np.quantile(np.concatenate(first), np.linspace(0.002, 0.998, TRIED))):
            found = _epsilon(first[0] >= bound, first[1] >= bound, delta, false_alarm / 8)
            if found > value:
                chosen, value = bound, found
        if chosen is not None:
            best = max(best, _epsilon(last[0] >= chosen, last[1] >= chosen, delta, false_alarm / 8))
    return best


def mu_lower_bound(
    there: NDArray[np.float64], absent: NDArray[np.float64], *, false_alarm: float = FALSE_ALARM
) -> float:
    """Return a lower bound on the mu of Gaussian privacy, at one bound halfway between the first halves' means.

    there, absent: scores of n and m independent draws with the canary and without it.
    """
    half = min(len(there), len(absent)) // 2
    bound = (there[:half].mean() + absent[:half].mean()) / 2
    low, _ = interval(int((there[half:] >= bound).sum()), len(there) - half, false_alarm / 2)
    _, high = interval(int((absent[half:] >= bound).sum()), len(absent) - half, false_alarm / 2)
    if not 0 < low < 1 or not 0 < high < 1:
        return 0.0
    normal = NormalDist()
    return max(0.0, normal.inv_cdf(low) - normal.inv_cdf(high))


def interval(successes: int, trials: int, outside: float) -> tuple[float, float]:
    """Return Clopper and Pearson's bounds of a probability, each wrong with a probability of at most `outside`."""
    from scipy.stats import beta  # type: ignore[attr-defined]  # noqa: PLC0415 (half a second that only audits need)

    low = 0.0 if not successes else float(beta.ppf(outside, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - outside, successes + 1, trials - successes))
    return low, high


def _epsilon(there: NDArray[np.bool_], absent: NDArray[np.bool_], delta: float, outside: float) -> float:
    low, _ = interval(int(there.sum()), len(there), outside)
    _, high = interval(int(absent.sum()), len(absent), outside)
    return math.log((low - delta) / high) if low > delta and high > 0 and low - delta > high else 0.0
