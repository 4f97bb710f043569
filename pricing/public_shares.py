"""What each contributor of a licence earns by a public denominator: published figures and one's own weight, nothing else.

The rule this file keeps: a share is floor(pool * own weight / denominator), and the denominator is a function of what
everybody may read. So one more person in a release moves nobody else's share, and a person's share says nothing of
anybody else. The shares then sum to almost the pool; what differs, of either sign, is another party's to keep or to pay,
and `expected_difference_micro` says about how much that is.

The denominator is the people of the published cells, as noise left them. Where noise could make all shares together more
than the pool and the spare money beside it, `denominator_of` is larger by a stated margin, public as well.

Source: Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014, proposition 2.1 (what is computed from
a private answer is as private as the answer); Dwork, McSherry, Nissim and Smith, "Calibrating noise to sensitivity in
private data analysis", TCC 2006 (the noise whose tail MARGIN bounds).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pricing.money import amount, whole
from pricing.refusals import Negative, OutOfRange, TooLarge
from pricing.revenue_share import TOTAL_WEIGHT_LIMIT, checked_weights, chunks, quotas_of

MARGIN: Final = 15
"""Standard deviations that all noises together fall short of zero by with a probability of at most 10**-9.

For one discrete Laplace noise of variance 2 or more P(X < -15 sd) < e**-21.2; of one of less variance, taken as 2,
still less; of a sum of several, or of Gaussian noises, less again. Cells that are published because their count is large
have, given that, larger noises than others: what selects them helps.
"""
LEAST_VARIANCE_MICRO: Final = 2_000_000
"""A noise's variance counts as at least this in the margin, in millionths: tails of nearly no noise are lattice tails."""
_MICRO: Final = 1_000_000
_TABLE_LIMIT: Final = 2**22
_SUM_LIMIT: Final = 2**62


@dataclass(frozen=True, slots=True)
class Weighed:
    """How many people have each weight: all that the sum of their shares depends on.

    weights: ascending, distinct, each >= 1. people: how many have it, each >= 1, in the same order.
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


def weigh(weights: NDArray[np.int64]) -> Weighed:
    """Count people by weight, in one pass for weights below 2**22.

    weights: n >= 1 whole numbers in [0, 2**40), any integer dtype, one dimension, sum >= 1. Refuses NotWhole, Empty,
    Negative, TooLarge and ZeroTotalWeight.
    """
    checked, top, _ = checked_weights(weights)
    if top < _TABLE_LIMIT:
        counts = np.bincount(checked)
        counts[0] = 0
        values = np.flatnonzero(counts)
        return Weighed(values.astype(np.int64), counts[values].astype(np.int64))
    values, people = np.unique(checked[checked > 0], return_counts=True)
    return Weighed(values, people.astype(np.int64))


def denominator_of(people: int, *, cells: int, variance_micro: int, pool: int, spare: int) -> int:
    """Return what a pool times a weight is divided by: `people`, or more where the margin asks for it.

    people: the published cells' people, as noise left them, >= 1. cells: how many noises that sum has, >= 0;
    variance_micro: of each, in millionths. pool, spare: whole units >= 0; spare is what there is to pay with beside the
    pool. All shares together exceed pool + spare with a probability of at most 10**-9: it is the larger of people and
    of (people + MARGIN standard deviations) * pool / (pool + spare), rounded up. Refuses NotWhole, Negative, TooLarge,
    and OutOfRange for no people or too many.
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
    """Return what the person with this weight earns: floor(pool * weight / denominator), in O(1).

    Refuses NotWhole, Negative, TooLarge, and OutOfRange for a denominator below 1.
    """
    _check(pool, denominator)
    if whole(weight, "a weight") < 0:
        msg = f"a weight must not be negative, but is {weight}"
        raise Negative(msg)
    return pool * weight // denominator


def public_shares(pool: int, denominator: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return everybody's share: n whole units in the order of `weights`, each as `public_share` says.

    weights: as `weigh` takes them. Refuses what `weigh` and `public_share` refuse, and TooLarge where a share, or all of
    them, may pass 2**62.
    """
    checked, top, total = checked_weights(weights)
    _check(pool, denominator, total)
    earned = np.empty_like(checked)
    if top < _TABLE_LIMIT:
        table = quotas_of(pool, denominator, np.arange(top + 1, dtype=np.int64))[0]
        for start, chunk in chunks(checked):
            # The mode only spares a second bounds check: every weight is known to be in [0, top].
            np.take(table, chunk, out=earned[start : start + len(chunk)], mode="clip")
        return earned
    for start, chunk in chunks(checked):
        earned[start : start + len(chunk)] = quotas_of(pool, denominator, chunk)[0]
    return earned


def sum_of_shares(pool: int, denominator: int, weighed: Weighed) -> int:
    """Return what `public_shares` would pay these people in all. Refuses as it does."""
    _check(pool, denominator, weighed.total)
    return int(np.dot(quotas_of(pool, denominator, weighed.weights)[0], weighed.people))


def expected_difference_micro(people: int, *, cells: int, variance_micro: int) -> int:
    """Return about how far all shares together are from the pool: one standard deviation, in millionths of the pool.

    people, cells, variance_micro: as `denominator_of` takes them. It is a function of published figures, so it may be
    published. Refuses NotWhole, and OutOfRange for no people.
    """
    if whole(people, "the published people") < 1:
        msg = f"the published people must be at least one, but are {people}"
        raise OutOfRange(msg)
    return math.isqrt(whole(cells, "cells") * whole(variance_micro, "a variance") * _MICRO) // people


def _check(pool: int, denominator: int, total_weight: int = 0) -> None:
    amount(pool, "the pool")
    if not 1 <= whole(denominator, "the denominator") < TOTAL_WEIGHT_LIMIT:
        msg = f"the denominator must be in [1, {TOTAL_WEIGHT_LIMIT}), but is {denominator}"
        raise OutOfRange(msg)
    if pool * total_weight // denominator >= _SUM_LIMIT:
        msg = "all shares together are beyond what is summed exactly"
        raise TooLarge(msg)
