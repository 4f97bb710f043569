"""Exact tests of noise against its promise: each test's error probabilities are known beforehand.

The null hypothesis is the promise: noise as large as the stated loss needs for what one person can change. Each test is
one-sided, rejects honest noise with a probability of at most FALSE_ALARM, and states with which probability it rejects
noise that loses twice as much.

**Size.** Against less noise of the same kind the likelihood ratio falls with the sum of |x| (Laplace) or of x² (Gaussian),
so the most powerful test convicts when that sum is too small. Discrete Laplace noise with q = exp(-1/scale) has

    E z^|x| = (1-q)/(1+q) × (1 + q z)/(1 - q z),

a coin of probability q/(1+q) plus a geometric number: the sum of n is binomial plus negative binomial, exactly. For the
discrete Gaussian the sum of squares is bounded by Chernoff's inequality, with moments that are quotients of its own
sums.

**Missing and shared noise.** Noise that is missing in a few cells, or drawn once for two of them, may have its size and
yet reveal a person. So counts that noise left unchanged are also counted, and neighbours that it moved alike. Both
numbers are binomial under the promise.

**Guesses.** The number of right guesses is binomial as well, with the probability that the promised noise allows.

Source: Lehmann and Romano, "Testing statistical hypotheses", section 3.4 (monotone likelihood ratios); Chernoff 1952.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import budget, noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

FALSE_ALARM: Final = 1e-7
"""For each test; a release undergoes fewer than ten."""
LEAST_POWER: Final = 0.9
"""The probability with which each audit rejects noise that loses twice the stated loss."""
FAR: Final = 12
"""Standard deviations beyond which a binomial probability is too small to change a sum in doubles."""
REACH: Final = 40
"""Standard deviations beyond which the probability of Gaussian noise is zero in a double."""
HALVINGS: Final = 60
LARGEST_TILT: Final = 2.0
"""The log of the largest scale tried, relative to the law's own."""


@dataclass(frozen=True, slots=True)
class SizeTest:
    """Tests whether noise is as large as promised: `draws` independent draws against the promise's smallest law."""

    promised: noise.Law
    draws: int

    def size(self, noises: NDArray[np.int64]) -> int:
        """Return the test statistic, the sum of |x| or of x²; noises: n whole numbers."""
        if self.promised.kind == "laplace":
            return int(np.abs(noises).sum())
        return int(np.square(noises).sum())

    def is_too_small(self, size: int) -> bool:
        """Return whether the promised noise has a sum this small with a probability of at most FALSE_ALARM."""
        return at_most(self.promised, self.draws, size) <= FALSE_ALARM

    def loss_shown(self, size: int) -> float:
        """Return the least loss that explains the size, as a share of the promised one (Gaussian: of its root).

        It is above the true one with a probability of at most FALSE_ALARM.
        """
        low, high = -LARGEST_TILT, 12.0
        for _ in range(HALVINGS // 2):
            middle = (low + high) / 2
            law = noise.Law(self.promised.kind, self.promised.scale * math.exp(-middle))
            low, high = (middle, high) if at_most(law, self.draws, size) <= FALSE_ALARM else (low, middle)
        # A larger scale is rejected; the least loss not rejected lies at the largest scale that is not.
        return math.exp(high)

    def power(self, other: noise.Law) -> float:
        """Return a lower bound on the probability that noise of the `other` law, of the same kind, is rejected."""
        low, high = 0, self._mean(self.promised)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_too_small(middle) else (low, middle)
        return max(0.0, 1 - more_than(other, self.draws, low)) if self.is_too_small(low) else 0.0

    def _mean(self, law: noise.Law) -> int:
        return math.ceil(self.draws * (law.mean_error if law.kind == "laplace" else law.variance)) + 1


def at_most(law: noise.Law, draws: int, size: int) -> float:
    """Return the probability of a sum of `size` or less: exact for Laplace, an upper bound for Gaussian."""
    if law.kind == "laplace":
        return _laplace_sum(law.scale, draws, size, above=False)
    return _chernoff(law.scale, draws, size, above=False)


def more_than(law: noise.Law, draws: int, size: int) -> float:
    """Return the probability of a sum above `size`: exact for Laplace, an upper bound for Gaussian."""
    if law.kind == "laplace":
        return _laplace_sum(law.scale, draws, size, above=True)
    return _chernoff(law.scale, draws, size + 1, above=True)


def _laplace_sum(scale: float, draws: int, size: int, *, above: bool) -> float:
    """Return the tail of a binomial number plus a negative binomial one."""
    from scipy.stats import binom, nbinom  # type: ignore[attr-defined]  # noqa: PLC0415 (half a second that audits need)

    q = math.exp(-1 / scale)
    coin = q / (1 + q)
    spread = FAR * math.sqrt(draws * coin * (1 - coin)) + FAR
    coins = np.arange(max(0, int(draws * coin - spread)), min(draws, int(draws * coin + spread)) + 1)
    rest = (nbinom.sf if above else nbinom.cdf)(size - coins, draws, 1 - q)
    return float(min(1.0, binom.pmf(coins, draws, coin) @ rest))


def _chernoff(sigma: float, draws: int, size: int, *, above: bool) -> float:
    """Return a bound on P(sum of squares at most, or at least, `size`): the least of e^(λ size) × E[e^(-λ x²)]^draws.

    Tilting a discrete Gaussian by e^(-λ x²) gives another, with 1/s² = 1/sigma² + 2 λ; the best has the observed mean.
    """
    wanted = size / draws
    if (_sums(sigma)[1] >= wanted) == above:
        return 1.0
    low, high = (
        (math.log(sigma), math.log(sigma) + LARGEST_TILT) if above else (min(-3.0, math.log(sigma)), math.log(sigma))
    )
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _sums(math.exp(middle))[1] < wanted else (low, middle)
    tilted = math.exp(low)
    slope = 1 / (2 * tilted**2) - 1 / (2 * sigma**2)
    exponent = slope * size + draws * (_sums(tilted)[0] - _sums(sigma)[0])
    return math.exp(min(0.0, exponent))


@functools.lru_cache(maxsize=4096)
def _sums(sigma: float) -> tuple[float, float]:
    """Return the log of the sum of a discrete Gaussian's weights, and its variance."""
    squares = np.arange(1, math.ceil(REACH * sigma) + 2, dtype=float) ** 2
    weights = np.exp(-squares / (2 * sigma * sigma))
    whole = 1 + 2 * float(weights.sum())
    return math.log(whole), 2 * float(weights @ squares) / whole


@dataclass(frozen=True, slots=True)
class CountTest:
    """Does an event happen too often? In `trials` independent trials, each with a probability of at most `allowed`."""

    allowed: float
    trials: int

    def is_too_often(self, times: int) -> bool:
        """Return whether the event happens so often with a probability of at most FALSE_ALARM."""
        from scipy.stats import binom  # type: ignore[attr-defined]  # noqa: PLC0415

        return bool(times and binom.sf(times - 1, self.trials, self.allowed) <= FALSE_ALARM)

    @property
    def most(self) -> int:
        """Return the largest number of events that is not too many."""
        from scipy.stats import binom  # type: ignore[attr-defined]  # noqa: PLC0415

        return int(binom.isf(FALSE_ALARM, self.trials, self.allowed))

    def power(self, other: float) -> float:
        """Return the probability that the test rejects events of probability `other`."""
        from scipy.stats import binom  # type: ignore[attr-defined]  # noqa: PLC0415

        return float(binom.sf(self.most, self.trials, other))


def least_noise(specification: Specification, part: str, changed: tuple[int, int]) -> noise.Law:
    """Return the least noise on a part (people or events) that its share of the stated loss allows.

    changed: the most that one person was seen to change, summed and squared; the declared bound counts if it is larger.
    Computed from the promise, independently of the code that computes the release's own scale.
    """
    s = specification
    total, squares = (max(pair) for pair in zip(changed, s.sensitivities(part), strict=True))
    if s.mechanism == "laplace":
        return noise.Law("laplace", total * noise.MICRO / (s.epsilon_micro * s.percent_of(part) // 100))
    return noise.Law("gaussian", math.sqrt(squares * noise.NANO / (2 * (s.rho_nano * s.percent_of(part) // 100))))


def at_twice_the_loss(specification: Specification, law: noise.Law) -> noise.Law:
    """Return the noise of the same kind that loses twice the stated epsilon, if `law` loses the stated one."""
    s = specification
    if s.mechanism == "laplace":
        return noise.Law("laplace", law.scale / 2)
    more = budget.rho_nano(2 * s.epsilon_micro, s.delta_exponent) / s.rho_nano
    return noise.Law("gaussian", law.scale / math.sqrt(more))


def masses(law: noise.Law, reach: int = 0) -> NDArray[np.float64]:
    """Return the law's probabilities of -reach, …, reach; without `reach`, of all that a double can represent."""
    reach = reach or math.ceil(REACH * law.scale) + 2
    at = np.abs(np.arange(-reach, reach + 1, dtype=float))
    weights = np.exp(-at / law.scale) if law.kind == "laplace" else np.exp(-(at**2) / (2 * law.scale**2))
    return np.asarray(weights / weights.sum(), float)


def unchanged(law: noise.Law) -> float:
    """Return the probability that noise is zero."""
    found = masses(law)
    return float(found[len(found) // 2])


def alike(law: noise.Law) -> float:
    """Return the probability that two independent noises are equal."""
    found = masses(law)
    return float(found @ found)


def guessed(law: noise.Law, places: int, together: int) -> float:
    """Return the probability that the largest of `places` noisy differences is the one with `together` people added.

    Every difference has noise of the law; ties are broken by lot. Sum over the value y of the right difference: each of
    the others is below it, or equal and then as likely to be chosen: (F(y)^n - F(y-1)^n) / (n f(y)) of the time.
    """
    found = masses(law)
    upto = np.minimum(np.cumsum(found), 1.0)
    below = np.concatenate([[0.0], upto[:-1]])
    # The quotient without a division: the mean of products of both powers whose exponents add up to places - 1.
    right = sum(upto ** (places - 1 - power) * below**power for power in range(places)) / places
    # Beyond the law's reach no other difference is as high, so the guess is right.
    raised = np.concatenate([right, np.ones(together)])[together : together + len(found)]
    return float(min(1.0, found @ raised))
