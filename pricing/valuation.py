"""How good a release's figures are: consent coverage and accuracy, as one effective sample size.

The rule this file keeps: everything in a price is exact. The functions for prices take whole numbers and fractions and
return fractions, so the same inputs give the same worth on any machine. Numbers estimated once from data and then
published (a half-life, an R-indicator) may use floats.

A release informs its buyer about a quantity of variance sigma2 per person. Its inexactness is a loss, 1 / n_eff: the
variance of the estimate in units of sigma2. Sampling (not everybody is in the data) and noise (added for privacy) are
each cell's own; selection (those who consent differ) distorts every cell alike. Data are worth the share of the buyer's
uncertainty that they remove (`removed`).

Public API not used by the marketplace: `coverage`, `sampling_loss`, `selection_loss`, `noise_loss`, `bias_bound`, `fit_half_life`.

Source: X.-L. Meng, Statistical paradises and paradoxes in big data (I), Annals of Applied Statistics 12(2), 2018,
section 3 (selection, effective sample size); W. G. Cochran, Sampling Techniques, 3rd ed. 1977, section 2.6 (finite
population); B. Schouten, F. Cobben and J. Bethlehem, Indicators for the representativeness of survey response, Survey
Methodology 35(1), 2009 (R-indicator).
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import isfinite, log, sqrt

from pricing.money import whole
from pricing.refusals import Empty, Negative, NotFinite, NotFitted, OutOfRange


def coverage(people: int, population: int) -> Fraction:
    """Return the share of a cell's population that is in it by consent, in (0, 1].

    people, population: whole, 1 <= people <= population. Refuses NotWhole, OutOfRange.
    """
    if not 1 <= whole(people, "the people counted") <= whole(population, "the population"):
        msg = f"the people counted must be in [1, {population}], but are {people}"
        raise OutOfRange(msg)
    return Fraction(people, population)


def sampling_loss(people: int, population: int) -> Fraction:
    """Return (1 - f) / n: the variance of a mean of n out of N people, zero if all are in (Cochran 2.6)."""
    return (1 - coverage(people, population)) / people


def selection_loss(people: int, population: int, defect_squared: Fraction) -> Fraction:
    """Return rho**2 * (1 - f) / f: the squared bias if consent and the quantity have correlation rho (Meng, eq. 2.4).

    defect_squared: rho**2, the squared data defect correlation, in [0, 1]. Refuses OutOfRange.
    """
    if not 0 <= defect_squared <= 1:
        msg = f"a squared correlation must be in [0, 1], but is {defect_squared}"
        raise OutOfRange(msg)
    covered = coverage(people, population)
    return defect_squared * (1 - covered) / covered


@lru_cache(maxsize=1024)
def least_bias(bands: tuple[tuple[int, int], ...], association_squared: Fraction, unseen_squared: Fraction) -> Fraction:
    """Return the least squared bias of any subset of those who consent, as a loss: weighting reaches it.

    bands: n >= 1 of (people who consent, population >= 1). association_squared: that of the counted quantity with the
    bands' propensities; unseen_squared: with differences of consent within bands; both in [0, 1].

    A subset with a share q of each band, f of all on average and with variance S**2, has unseen * (1 - f) / f +
    association * S**2 / f**2: two selection losses, by Schouten et al. 2009, section 3, and Meng 2018, eq. 2.3. Of all
    subsets with one f, the least variance has the one that caps each band's share p at one level, min(p, t). Between
    two bands' shares it is (a + b t) for f and (c + b t**2) for f**2 + S**2, so the best level is a root of a linear
    equation, or one of the shares. A subset of fewer people is also a subset of more, so less consent never lowers the
    loss.

    No people at all count as the worst case of one person. Refuses Empty, OutOfRange.
    """
    if not bands or any(not 0 <= people <= population or population < 1 for people, population in bands):
        msg = "there must be a band, and in each no more people than its population of at least one"
        raise (OutOfRange if bands else Empty)(msg)
    everyone = sum(population for _, population in bands)
    if not any(people for people, _ in bands):
        return (association_squared + unseen_squared) * (everyone - 1)
    shares = sorted({Fraction(people, population) for people, population in bands})
    best: Fraction | None = None
    for low, high in pairwise([Fraction(0), *shares]):
        below = [(people, population) for people, population in bands if people <= low * population]
        a = Fraction(sum(people for people, _ in below), everyone)
        c = sum((Fraction(people * people, population) for people, population in below), Fraction(0)) / everyone
        b = 1 - Fraction(sum(population for _, population in below), everyone)
        slope = 2 * association_squared * a - unseen_squared * b
        levels = {low, high}
        if slope > 0:
            levels.add(min(max((unseen_squared * a + 2 * association_squared * c) / slope, low), high))
        for level in levels - {0}:
            mean, square = a + b * level, c + b * level * level
            bias = unseen_squared * (1 / mean - 1) + association_squared * (square / mean**2 - 1)
            best = bias if best is None else min(best, bias)
    assert best is not None, "somebody consents, so that the highest share is above zero"
    return best


def noise_loss(people: int, variance: Fraction, noise_variance: Fraction) -> Fraction:
    """Return v / (sigma2 * n**2): noise of variance v on a count of n, relative to one person's variance sigma2.

    variance: sigma2 > 0. noise_variance: v >= 0, in squared people. Refuses OutOfRange, Negative.
    """
    if variance <= 0 or whole(people, "the people counted") < 1:
        msg = f"a variance must be positive and people at least 1, but they are {variance} and {people}"
        raise OutOfRange(msg)
    if noise_variance < 0:
        msg = f"a noise variance must not be negative, but is {noise_variance}"
        raise Negative(msg)
    return noise_variance / (variance * people**2)


def removed(loss: Fraction, prior_observations: int) -> Fraction:
    """Return 1 / (1 + n0 * loss), the share of a buyer's uncertainty that data of this loss remove, in (0, 1].

    loss: 1 / n_eff >= 0. prior_observations: n0 >= 1, the weight of the buyer's own knowledge. Two independent sets of
    data never remove more together than the sum of both, as it is concave in n_eff. Refuses NotWhole, OutOfRange.
    """
    if whole(prior_observations, "prior observations") < 1:
        msg = f"a prior must be worth at least one observation, but is worth {prior_observations}"
        raise OutOfRange(msg)
    if loss < 0:
        msg = f"a loss must be at least 0, but is {loss}"
        raise OutOfRange(msg)
    return 1 / (1 + prior_observations * loss)


def r_indicator(propensities: Sequence[float], sizes: Sequence[int] | None = None, noise: float | None = None) -> float:
    """Return R = 1 - 2 S, S the standard deviation of consent propensities over strata: 1 if all are alike.

    propensities: n >= 1, the share of each stratum that consents, in [0, 1]; with noise any finite numbers. sizes: n,
    people in each stratum, sum > 0; equal by default. noise: None if the shares have none, otherwise the expected
    amount that it adds to S squared, >= 0 (0 for a single stratum); it is subtracted, and a negative result counts as
    no difference between strata. The answer is in [0, 1]. Refuses Empty, NotFinite, OutOfRange.
    """
    _, variance = _weighted(propensities, sizes, is_noisy=noise is not None)
    return max(0.0, 1 - 2 * sqrt(max(0.0, variance - (noise or 0.0))))


def bias_bound(propensities: Sequence[float], sizes: Sequence[int] | None = None) -> float:
    """Return the largest bias of a mean, in standard deviations of the quantity: (1 - R) / (2 * mean propensity).

    Refuses what `r_indicator` refuses, and OutOfRange if nobody consents. Source: Schouten et al. 2009, section 3.2.
    """
    mean, variance = _weighted(propensities, sizes)
    if mean == 0:
        msg = "nobody consents, so there is no mean to be biased"
        raise OutOfRange(msg)
    return sqrt(variance) / mean


def fit_half_life(series: Sequence[float], step_seconds: int) -> int:
    """Return the half-life, in whole seconds >= 1, of the freshness of a quantity observed every `step_seconds`.

    series: at least 8 finite values, oldest first, not all equal. In a mean-reverting process the squared
    autocorrelation halves every half-life, so its logarithm falls in a straight line. The line is fitted by least
    squares, weighted by the squared autocorrelation, over the first lags that are clearly above sampling error. It may
    start below 1: noise in the observations lowers every lag alike and does not age.
    Refuses NotFinite, OutOfRange, and NotFitted if nothing is remembered or nothing is forgotten.
    Source: G. Box, G. Jenkins and G. Reinsel, Time Series Analysis, 3rd ed. 1994, sections 2.1 and 3.2.
    """
    if whole(step_seconds, "a step") < 1:
        msg = f"a step must be at least one second, but is {step_seconds}"
        raise OutOfRange(msg)
    points = _remembered(series)
    if len(points) == 1:
        lag, memory = points[0]
        slope = 2 * log(memory) / lag
    else:
        weights = [memory**2 for _, memory in points]
        total = sum(weights)
        mean_lag = sum(w * lag for w, (lag, _) in zip(weights, points, strict=True)) / total
        mean_log = sum(w * 2 * log(m) for w, (_, m) in zip(weights, points, strict=True)) / total
        across = sum(w * (lag - mean_lag) ** 2 for w, (lag, _) in zip(weights, points, strict=True))
        along = sum(w * (lag - mean_lag) * (2 * log(m) - mean_log) for w, (lag, m) in zip(weights, points, strict=True))
        slope = along / across
    if slope >= 0:
        msg = "the series does not forget over the lags it shows, so it has no half-life to fit"
        raise NotFitted(msg)
    return max(1, round(-log(2) / slope * step_seconds))


def _remembered(series: Sequence[float]) -> list[tuple[int, float]]:
    """Return (lag, autocorrelation) for lags 1, 2, … while above two standard errors, at most n / 4 of them."""
    count = len(series)
    least = 8
    if count < least:
        msg = f"a half-life needs at least {least} observations, not {count}"
        raise NotFitted(msg)
    if not all(isfinite(value) for value in series):
        msg = "a series must be finite"
        raise NotFinite(msg)
    mean = sum(series) / count
    centred = [value - mean for value in series]
    power = sum(value * value for value in centred)
    if power == 0:
        msg = "a constant series has no half-life"
        raise NotFitted(msg)
    points: list[tuple[int, float]] = []
    for lag in range(1, count // 4 + 1):
        memory = sum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / power
        if memory <= 2 / sqrt(count):
            break
        points.append((lag, memory))
    if not points:
        msg = "the series remembers nothing from one step to the next, so it has no half-life to fit"
        raise NotFitted(msg)
    return points


def _weighted(
    propensities: Sequence[float], sizes: Sequence[int] | None, *, is_noisy: bool = False
) -> tuple[float, float]:
    """Return the mean and variance of propensities over strata; refuses as `r_indicator` says."""
    counts = [1] * len(propensities) if sizes is None else list(sizes)
    if not propensities or len(counts) != len(propensities) or sum(counts) <= 0:
        msg = "propensities and sizes must be as many, at least one, and of at least one person"
        raise Empty(msg)
    if not all(isfinite(share) for share in propensities):
        msg = "propensities must be finite"
        raise NotFinite(msg)
    if not (is_noisy or all(0 <= share <= 1 for share in propensities)) or min(counts) < 0:
        msg = "propensities must be in [0, 1] and sizes not negative"
        raise OutOfRange(msg)
    total = sum(counts)
    mean = sum(size * share for size, share in zip(counts, propensities, strict=True)) / total
    variance = sum(size * (share - mean) ** 2 for size, share in zip(counts, propensities, strict=True)) / total
    return mean, variance
