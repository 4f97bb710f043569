"""Each contributor's share of a licence by a public denominator, from published figures and one's own weight alone.

The rule this file keeps: a share is floor(pool * own weight / denominator), and the denominator is a function of public
figures. So one more person in a release moves nobody else's share, and a person's share reveals nothing about others.
The shares then sum to almost the pool. Another party keeps or pays the difference, of either sign;
`expected_difference_micro` gives about how large it is.

The denominator is the people of the published cells, as noise left them. If noise could make all shares together more
than the pool and the spare money, `denominator_of` is larger by a stated margin, public as well.

Public API not used by the marketplace: `shapley_once_per_cell`.

Source: Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014, proposition 2.1 (a function of a
private answer is as private as the answer); Dwork, McSherry, Nissim and Smith, "Calibrating noise to sensitivity in
private data analysis", TCC 2006 (the noise whose tail MARGIN bounds); L. S. Shapley, A Value for n-Person Games, 1953
(why dividing a cell's worth evenly among the people counted in it is fair: see `shapley_once_per_cell`).
"""

import math
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricing.money import amount, whole
from pricing.refusals import Duplicate, Empty, Negative, NotWhole, OutOfRange, TooLarge, ZeroTotalWeight

_Person = TypeVar("_Person", bound=Hashable)

WEIGHT_LIMIT: Final = 2**40
"""Each weight is below this, so that a float quotient is less than one unit from the true one (see `quotas_of`)."""
TOTAL_WEIGHT_LIMIT: Final = 2**61
"""All weights together, and a denominator, are below this, so that a remainder that is off by one fits 64 signed
bits."""
MARGIN: Final = 15
"""Standard deviations by which the sum of all noises is below zero with a probability of at most 10**-9.

For one discrete Laplace noise of variance 2 or more P(X < -15 sd) < e**-21.2. For one of less variance, counted as 2,
the probability is smaller; for a sum of several, or of Gaussian noises, smaller again. Cells published for their large
count have larger noises than others on average, which helps.
"""
LEAST_VARIANCE_MICRO: Final = 2_000_000
"""A noise's variance counts as at least this in the margin, in millionths: tails of tiny noise are lattice tails."""
_MICRO: Final = 1_000_000
_TABLE_LIMIT: Final = 2**22  # Weights below this are looked up in a table by value, which then stays near the caches.
_CHUNK: Final = 2**18
_SUM_LIMIT: Final = 2**62


@dataclass(frozen=True, slots=True)
class WeightCounts:
    """How many people have each weight: the sum of their shares depends on nothing else.

    weights: ascending, distinct, each >= 1. people: how many have each, >= 1, in the same order.
    """

    weights: NDArray[np.int64]
    people: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Return the sum of everybody's weight."""
        return int(np.dot(self.weights, self.people))

    @property
    def count(self) -> int:
        """Return how many people have a weight above zero."""
        return int(self.people.sum())


def weigh(weights: NDArray[np.int64]) -> WeightCounts:
    """Count people by weight, in one pass for weights below 2**22.

    weights: n >= 1 whole numbers in [0, 2**40), any integer dtype, one dimension, sum >= 1. Refuses NotWhole, Empty,
    Negative, TooLarge and ZeroTotalWeight.
    """
    checked, top, _ = _checked_weights(weights)
    if top < _TABLE_LIMIT:
        counts = np.bincount(checked)
        counts[0] = 0
        values = np.flatnonzero(counts)
        return WeightCounts(values.astype(np.int64), counts[values].astype(np.int64))
    values, people = np.unique(checked[checked > 0], return_counts=True)
    return WeightCounts(values, people.astype(np.int64))


def denominator_of(people: int, *, cells: int, variance_micro: int, pool: int, spare: int) -> int:
    """Return the divisor of pool times weight: `people`, or more if the margin requires it.

    people: the published cells' people, as noise left them, >= 1. cells: the number of noises in that sum, >= 0;
    variance_micro: of each, in millionths. pool, spare: whole units >= 0; spare is what can be paid in addition to the
    pool. All shares together exceed pool + spare with a probability of at most 10**-9. The result is the larger of
    people and (people + MARGIN standard deviations) * pool / (pool + spare), rounded up. Refuses NotWhole, Negative,
    TooLarge, and OutOfRange for no people or too many.
    """
    for value, name in ((cells, "cells"), (variance_micro, "a variance")):
        if whole(value, name) < 0:
            msg = f"{name} must not be negative, but is {value}"
            raise Negative(msg)
    if not 1 <= whole(people, "the published people") < TOTAL_WEIGHT_LIMIT // 4:
        msg = f"the published people must be in [1, {TOTAL_WEIGHT_LIMIT // 4}), but are {people}"
        raise OutOfRange(msg)
    if amount(pool, "the pool") == 0:
        return people
    squared = MARGIN * MARGIN * cells * max(variance_micro, LEAST_VARIANCE_MICRO) if variance_micro else 0
    deviations = math.isqrt(max(squared - 1, 0) // _MICRO) + 1 if squared else 0  # rounded up
    least = -(-(people + deviations) * pool // (pool + amount(spare, "the spare money")))
    return max(people, least)


def public_share(pool: int, denominator: int, weight: int) -> int:
    """Return the share of a person with this weight: floor(pool * weight / denominator), in O(1).

    Refuses NotWhole, Negative, TooLarge, and OutOfRange for a denominator below 1.
    """
    _check(pool, denominator)
    if whole(weight, "a weight") < 0:
        msg = f"a weight must not be negative, but is {weight}"
        raise Negative(msg)
    return pool * weight // denominator


def public_shares(pool: int, denominator: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return everybody's share: n whole units in the order of `weights`, each equal to `public_share`.

    weights: as for `weigh`. Refuses what `weigh` and `public_share` refuse, and TooLarge if a share, or all of them,
    may exceed 2**62.
    """
    checked, top, total = _checked_weights(weights)
    _check(pool, denominator, total)
    earned = np.empty_like(checked)
    if top < _TABLE_LIMIT:
        table = quotas_of(pool, denominator, np.arange(top + 1, dtype=np.int64))
        for start, chunk in _chunks(checked):
            # The mode only avoids a second bounds check: every weight is known to be in [0, top].
            np.take(table, chunk, out=earned[start : start + len(chunk)], mode="clip")
        return earned
    for start, chunk in _chunks(checked):
        earned[start : start + len(chunk)] = quotas_of(pool, denominator, chunk)
    return earned


def sum_of_shares(pool: int, denominator: int, weighed: WeightCounts) -> int:
    """Return the sum of `public_shares` for these people. Refuses as it does."""
    _check(pool, denominator, weighed.total)
    return int(np.dot(quotas_of(pool, denominator, weighed.weights), weighed.people))


def expected_difference_micro(people: int, *, cells: int, variance_micro: int) -> int:
    """Return about how far all shares together are from the pool: one standard deviation, in millionths of the pool.

    people, cells, variance_micro: as for `denominator_of`. It is a function of published figures, so it may be
    published. Refuses NotWhole, and OutOfRange for no people.
    """
    if whole(people, "the published people") < 1:
        msg = f"the published people must be at least one, but are {people}"
        raise OutOfRange(msg)
    return math.isqrt(whole(cells, "cells") * whole(variance_micro, "a variance") * _MICRO) // people


def quotas_of(pool: int, denominator: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return floor(pool * weight / denominator), exactly, though the product may exceed 64 bits.

    With pool = whole_part * denominator + rest, only rest * weight / denominator (< weight < 2**40) is hard. A float
    quotient has a relative error under 2**-50, so it is off by at most one. The remainder it implies is then in
    [-denominator, 2 * denominator), fits 64 bits, and is right although the products it is computed from wrap around.
    weights: n whole numbers in [0, 2**40), int64; denominator in [1, 2**61), and no quota exceeds 2**62.
    """
    whole_part, rest = divmod(pool, denominator)
    quotient = (weights.astype(np.float64) * float(rest) / float(denominator)).astype(np.int64)
    wrapped = weights.view(np.uint64) * np.uint64(rest) - quotient.view(np.uint64) * np.uint64(denominator)
    remainder = wrapped.view(np.int64)
    correction = (remainder >= denominator).astype(np.int64) - (remainder < 0)
    return weights * whole_part + quotient + correction


def shapley_once_per_cell(
    cells: Sequence[Collection[_Person]], worth: Callable[[int, int], Fraction | int]
) -> dict[_Person, Fraction]:
    """Return each person's exact Shapley value, if a release is worth the sum of its cells.

    cells: the people counted in each cell, each once. worth(cell, people): the worth of cell number `cell` with that
    many people in it, 0 for none; any such function is allowed, including one with a privacy threshold. As everybody in
    a cell is alike, symmetry and efficiency give each of m people worth(cell, m) / m, and additivity sums the cells.
    Refuses Duplicate if a cell counts a person twice. Source: Shapley 1953, axioms 1-3.
    """
    value: dict[_Person, Fraction] = {}
    for number, people in enumerate(cells):
        if len(set(people)) != len(people):
            msg = f"cell {number} counts somebody twice"
            raise Duplicate(msg)
        for person in people:
            value[person] = value.get(person, Fraction(0)) + Fraction(worth(number, len(people))) / len(people)
    return value


def _check(pool: int, denominator: int, total_weight: int = 0) -> None:
    amount(pool, "the pool")
    if not 1 <= whole(denominator, "the denominator") < TOTAL_WEIGHT_LIMIT:
        msg = f"the denominator must be in [1, {TOTAL_WEIGHT_LIMIT}), but is {denominator}"
        raise OutOfRange(msg)
    if pool * total_weight // denominator >= _SUM_LIMIT:
        msg = "all shares together are beyond what is summed exactly"
        raise TooLarge(msg)


def _checked_weights(weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
    """Return the weights as int64, the largest and the sum.

    weights: n >= 1 whole numbers in [0, 2**40), any integer dtype, one dimension, with sum in [1, 2**61). Refuses
    NotWhole, Empty, Negative, TooLarge and ZeroTotalWeight.
    """
    given = np.asarray(weights)
    if given.dtype.kind not in "iu" or given.ndim != 1:
        msg = f"weights are one row of whole numbers, not {given.ndim} dimensions of {given.dtype}"
        raise NotWhole(msg)
    if given.size == 0:
        msg = "there is nobody to divide the pool among"
        raise Empty(msg)
    if int(given.min()) < 0:
        msg = "weights must not be negative"
        raise Negative(msg)
    top = int(given.max())
    if top >= WEIGHT_LIMIT or top * given.size >= TOTAL_WEIGHT_LIMIT:
        # Only the product is available without a sum that could overflow; a finer bound would gain nothing.
        msg = f"{given.size} weights of up to {top} are beyond what is split exactly"
        raise TooLarge(msg)
    total = int(given.sum(dtype=np.int64))
    if total == 0:
        msg = "all weights are zero, so the pool would go to nobody"
        raise ZeroTotalWeight(msg)
    return given.astype(np.int64, copy=False), top, total


def _chunks(weights: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (first position, weights) in pieces that fit a processor's cache; weights: n whole numbers."""
    for start in range(0, len(weights), _CHUNK):
        yield start, weights[start : start + _CHUNK]
