"""The reserve below which it is better not to sell, from known or estimated values of bidders.

The rule this file keeps: a reserve is computed once, before bidding, from a distribution stated or fitted to past
truthful bids, and is then a whole number of minor units. Estimation may use floats; the auction never sees them.

Source: R. Myerson, Optimal auction design, Mathematics of Operations Research 6(1), 1981, sections 4 and 5; J. Hartline
and A. Karlin, Profit maximization in mechanism design, in Algorithmic Game Theory, 2007, chapter 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, erfc, exp, inf, isfinite, log, pi, sqrt
from typing import Protocol, Self

from pricing.money import Money
from pricing.refusals import Negative, NotFinite, NotFitted, OutOfRange

_HALVINGS = 200  # More than the bits between any two floats, so a bisection ends when it cannot be narrower.


class Values(Protocol):
    """A distribution of bidders' values, in minor units, that falls off fast enough to have one best reserve.

    In every family here v * hazard(v) rises, so the virtual value also rises wherever it is positive.
    """

    @property
    def low(self) -> float:
        """The lowest value."""

    def survival(self, value: float) -> float:
        """Return the probability of a value above `value`."""

    def density(self, value: float) -> float:
        """Return the density at `value`."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Values spread evenly over [low, high], 0 <= low < high; refuses OutOfRange."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse NotFinite and OutOfRange."""
        _finite(self.low, self.high)
        if not 0 <= self.low < self.high:
            msg = f"an even spread needs 0 <= low < high, not {self.low} and {self.high}"
            raise OutOfRange(msg)

    def survival(self, value: float) -> float:
        """Return the probability of a value above `value`."""
        return min(1.0, max(0.0, (self.high - value) / (self.high - self.low)))

    def density(self, value: float) -> float:
        """Return the density at `value`: the same anywhere in [low, high]."""
        return 1 / (self.high - self.low) if self.low <= value <= self.high else 0.0

    @classmethod
    def fit(cls, values: Sequence[float]) -> Self:
        """Return the spread from 0 to the unbiased estimate of the top, max * (n + 1) / n; refuses NotFitted."""
        _check_sample(values)
        return cls(0.0, max(values) * (len(values) + 1) / len(values))


@dataclass(frozen=True, slots=True)
class Exponential:
    """Values of mean `mean` > 0 without memory; refuses NotFinite, OutOfRange."""

    mean: float

    def __post_init__(self) -> None:
        """Refuse NotFinite and OutOfRange."""
        _finite(self.mean)
        if self.mean <= 0:
            msg = f"a mean must be positive, but is {self.mean}"
            raise OutOfRange(msg)

    @property
    def low(self) -> float:
        """The lowest value."""
        return 0.0

    def survival(self, value: float) -> float:
        """Return the probability of a value above `value`."""
        return exp(-max(value, 0.0) / self.mean)

    def density(self, value: float) -> float:
        """Return the density at `value`."""
        return exp(-value / self.mean) / self.mean if value >= 0 else 0.0

    @classmethod
    def fit(cls, values: Sequence[float]) -> Self:
        """Return the maximum-likelihood fit, the mean; refuses NotFitted."""
        _check_sample(values)
        return cls(sum(values) / len(values))


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Values whose logarithm is normal with mean `mu` and standard deviation `sigma` > 0."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        """Refuse NotFinite and OutOfRange."""
        _finite(self.mu, self.sigma)
        if self.sigma <= 0:
            msg = f"a standard deviation must be positive, but is {self.sigma}"
            raise OutOfRange(msg)

    @property
    def low(self) -> float:
        """The lowest value."""
        return 0.0

    def survival(self, value: float) -> float:
        """Return the probability of a value above `value`."""
        return 1.0 if value <= 0 else erfc((log(value) - self.mu) / (self.sigma * sqrt(2))) / 2

    def density(self, value: float) -> float:
        """Return the density at `value`."""
        if value <= 0:
            return 0.0
        return exp(-(((log(value) - self.mu) / self.sigma) ** 2) / 2) / (value * self.sigma * sqrt(2 * pi))

    @classmethod
    def fit(cls, values: Sequence[float]) -> Self:
        """Return the maximum-likelihood fit; refuses NotFitted if all values are equal."""
        _check_sample(values)
        logs = [log(value) for value in values]
        mean = sum(logs) / len(logs)
        spread = sqrt(sum((each - mean) ** 2 for each in logs) / len(logs))
        if spread == 0:
            msg = "equal values have no spread to fit"
            raise NotFitted(msg)
        return cls(mean, spread)


def likeliest(values: Sequence[float]) -> Uniform | Exponential | Lognormal:
    """Return the family and fit with the least Akaike information criterion for these past values, all positive.

    Refuses NotFitted for fewer than two values, NotFinite and OutOfRange for values that are not positive.
    """
    families: list[tuple[int, Uniform | Exponential | Lognormal]] = [
        (1, Uniform.fit(values)),
        (1, Exponential.fit(values)),
    ]
    if min(values) != max(values):
        families.append((2, Lognormal.fit(values)))

    def criterion(entry: tuple[int, Uniform | Exponential | Lognormal]) -> float:
        parameters, family = entry
        return 2 * parameters - 2 * sum(log(density) if (density := family.density(v)) else -inf for v in values)

    return min(families, key=criterion)[1]


def virtual_value(values: Values, value: float) -> float:
    """Return v - (1 - F(v)) / f(v), the marginal revenue of selling to this value (Myerson 1981, section 5)."""
    density = values.density(value)
    return value - values.survival(value) / density if density else (value if value > values.low else -inf)


def myerson_reserve(values: Values, kept: float = 0.0) -> float:
    """Return the price whose virtual value is `kept` >= 0, the seller's value of not selling.

    At least `kept`, and at least the lowest value. The same for any number of bidders. In minor units.
    Refuses Negative, NotFinite. Source: Myerson 1981, section 5 (the regular case).
    """
    _finite(kept)
    if kept < 0:
        msg = f"what is kept must not be negative, but is {kept}"
        raise Negative(msg)
    low = max(values.low, kept)
    if virtual_value(values, low) >= kept:
        return low
    high = max(2 * low, 1.0)
    while virtual_value(values, high) < kept:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if virtual_value(values, middle) < kept:
            low = middle
        else:
            high = middle
    return high


def exclusive_reserve(values: Values, forgone: Money) -> Money:
    """Return the reserve of an exclusive window: Myerson's, with the forgone revenue as the value of not selling.

    Never under `forgone`. Rounded up to a whole minor unit. Refuses Negative.
    """
    best = myerson_reserve(values, float(forgone.minor))
    return Money(max(forgone.minor, ceil(best - 1e-9 * best)), forgone.currency)


def _finite(*numbers: float) -> None:
    if not all(isfinite(number) for number in numbers):
        msg = "a distribution needs finite numbers"
        raise NotFinite(msg)


def _check_sample(values: Sequence[float]) -> None:
    least = 2
    if len(values) < least:
        msg = f"a distribution needs at least {least} past values, not {len(values)}"
        raise NotFitted(msg)
    _finite(*values)
    if min(values) <= 0:
        msg = "past values must be positive"
        raise OutOfRange(msg)
