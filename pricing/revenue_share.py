"""What each contributor of a licence earns: an exact split whose every share is known in O(1) from the manifest.

The rule this file keeps: the shares of a licence sum to its pool to the last unit, and four integers (`Split`) say what
anybody earns, so that no row per licence and person is ever stored.

The split is the largest remainder method of `pricing.money`, for tens of millions of weights: weights are counted by
value, the remainder that decides the last unit is found among the distinct values, and positions matter only to the
people whose remainder equals it.

Licences are divided by public denominators today (`pricing.public_shares`); those that were divided by this rule are
paid by it for good.

Public API beside what the marketplace uses: `split_pool`, `shares`, `shapley_once_per_cell`.

Source: Balinski and Young, Fair Representation, ch. 3 (the method); L. S. Shapley, A Value for n-_Person Games, 1953
(why dividing a cell's worth evenly among the people counted in it is fair: see `shapley_once_per_cell`).
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricing.money import amount, whole
from pricing.refusals import (
    Duplicate,
    Empty,
    Mismatched,
    Negative,
    NotWhole,
    OutOfRange,
    TooLarge,
    ZeroTotalWeight,
)

_Person = TypeVar("_Person", bound=Hashable)

WEIGHT_LIMIT: Final = 2**40
"""Each weight is below this, so that a float quotient is less than one unit from the true one (see `quotas_of`)."""

TOTAL_WEIGHT_LIMIT: Final = 2**61
"""The sum of weights is below this, so that a remainder that is off by one total still fits 64 signed bits."""

_TABLE_LIMIT: Final = 2**22  # Weights up to this are looked up in a table by value, which then stays near the caches.
_CHUNK: Final = 2**18


@dataclass(frozen=True, slots=True)
class Split:
    """How a pool is divided: all that is needed, beside a weight and its position, to know that person's share.

    pool and total_weight are whole, total_weight >= 1. A person whose remainder, pool * weight mod total_weight, is
    above cutoff_remainder gets one unit more than the rounded-down quota; so does one whose remainder equals it and
    whose position is in [0, cutoff_position). Where nothing is left over, cutoff_remainder is total_weight, which no
    remainder reaches, and cutoff_position is 0.
    """

    pool: int
    total_weight: int
    cutoff_remainder: int
    cutoff_position: int

    def __post_init__(self) -> None:
        """Refuse a pool, total or cut-off that no split could have: NotWhole, Negative, TooLarge, OutOfRange."""
        amount(self.pool, "the pool")
        if not 1 <= whole(self.total_weight, "the total weight") < TOTAL_WEIGHT_LIMIT:
            msg = f"the total weight must be in [1, {TOTAL_WEIGHT_LIMIT}), but is {self.total_weight}"
            raise OutOfRange(msg)
        if not 0 <= whole(self.cutoff_remainder, "the cut-off remainder") <= self.total_weight:
            msg = f"the cut-off remainder must be in [0, {self.total_weight}], but is {self.cutoff_remainder}"
            raise OutOfRange(msg)
        if whole(self.cutoff_position, "the cut-off position") < 0:
            msg = f"the cut-off position must not be negative, but is {self.cutoff_position}"
            raise Negative(msg)


def split_pool(pool: int, weights: NDArray[np.int64]) -> Split:
    """Find how `pool` is divided among `weights`: the four integers a licence stores.

    pool: whole units in [0, 10**18). weights: n >= 1 whole numbers in [0, 2**40), any integer dtype, one dimension,
    with sum in [1, 2**61). Time is linear in n for weights below 2**22 and that of one partition above.
    Refuses NotWhole, Negative, TooLarge, Empty and ZeroTotalWeight.
    """
    amount(pool, "the pool")
    checked, top, total = checked_weights(weights)
    if top <= _TABLE_LIMIT:
        counts = np.bincount(checked)
        values = np.flatnonzero(counts)
        quotas, remainders = quotas_of(pool, total, values)
        left_over = pool - int(np.dot(quotas, counts[values]))
        cutoff, above = _cutoff_counted(remainders, counts[values], left_over)
        tied = np.zeros(top + 1, dtype=np.bool_)
        tied[values] = remainders == cutoff
    else:
        remainders = np.empty_like(checked)
        left_over = pool
        for start, chunk in chunks(checked):
            quotas, remainders[start : start + len(chunk)] = quotas_of(pool, total, chunk)
            left_over -= int(quotas.sum())
        cutoff, above = _cutoff_listed(remainders, left_over)
        tied = None
    if left_over == 0:
        return Split(pool, total, cutoff_remainder=total, cutoff_position=0)
    needed = left_over - above
    for start, chunk in chunks(checked):
        ties = tied[chunk] if tied is not None else remainders[start : start + len(chunk)] == cutoff
        found = int(np.count_nonzero(ties))
        if found >= needed:
            last = int(np.flatnonzero(ties)[needed - 1])
            return Split(pool, total, cutoff, cutoff_position=start + last + 1)
        needed -= found
    raise AssertionError  # pragma: no cover - the cut-off was chosen among these very remainders.


def shares(split: Split, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return everybody's share: n whole units in the order of `weights`, summing exactly to `split.pool`.

    weights: those the split was made from. Refuses Mismatched when their total or the shares' total differs, and
    what `split_pool` refuses.
    """
    checked, top, total = checked_weights(weights)
    if total != split.total_weight:
        msg = f"the split was made from weights that sum to {split.total_weight}; these sum to {total}"
        raise Mismatched(msg)
    early = late = None
    if top <= _TABLE_LIMIT:
        early, late = _rounded(split, np.arange(top + 1, dtype=np.int64))
    earned = np.empty_like(checked)
    border = split.cutoff_position
    for start, chunk in chunks(checked):
        before = min(max(border - start, 0), len(chunk))
        here = earned[start : start + len(chunk)]
        if early is None or late is None:
            both = _rounded(split, chunk)
            here[:before], here[before:] = both[0][:before], both[1][before:]
        else:
            # The mode only spares a second bounds check: every weight is known to be in [0, top].
            np.take(early, chunk[:before], out=here[:before], mode="clip")
            np.take(late, chunk[before:], out=here[before:], mode="clip")
    paid = int(earned.sum())
    if paid != split.pool:
        msg = f"these are not the weights the split was made from: it would pay {paid} of a pool of {split.pool}"
        raise Mismatched(msg)
    return earned


def share_of(split: Split, weight: int, position: int) -> int:
    """Return what the person with this `weight` at this `position` (from 0) of the manifest earns, in O(1).

    Equals `shares(split, weights)[position]`. Refuses NotWhole, Negative, and OutOfRange for a weight above the total.
    """
    if whole(weight, "a weight") < 0 or whole(position, "a position") < 0:
        msg = f"a weight and a position must not be negative, but are {weight} and {position}"
        raise Negative(msg)
    if weight > split.total_weight:
        msg = f"a weight of {weight} is more than the total weight, {split.total_weight}"
        raise OutOfRange(msg)
    quota, remainder = divmod(split.pool * weight, split.total_weight)
    ties_in = remainder == split.cutoff_remainder and position < split.cutoff_position
    return quota + (remainder > split.cutoff_remainder or ties_in)


def shapley_once_per_cell(
    cells: Sequence[Collection[_Person]], worth: Callable[[int, int], Fraction | int]
) -> dict[_Person, Fraction]:
    """Return each person's exact Shapley value where a release is worth the sum of its cells.

    cells: the people counted in each cell, each once. worth(cell, people): what cell number `cell` is worth with that
    many people in it, 0 for none; any such function will do, one with a privacy threshold included. As everybody in a
    cell is alike, symmetry and efficiency give each of m people worth(cell, m) / m, and additivity sums the cells.
    Refuses Duplicate where a cell counts a person twice. Source: Shapley 1953, axioms 1-3.
    """
    value: dict[_Person, Fraction] = {}
    for number, people in enumerate(cells):
        if len(set(people)) != len(people):
            msg = f"cell {number} counts somebody twice"
            raise Duplicate(msg)
        for person in people:
            value[person] = value.get(person, Fraction(0)) + Fraction(worth(number, len(people))) / len(people)
    return value


def checked_weights(weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
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
        # Only the product is at hand without a sum that could itself overflow; a finer bound would buy nobody anything.
        msg = f"{given.size} weights of up to {top} are beyond what is split exactly"
        raise TooLarge(msg)
    total = int(given.sum(dtype=np.int64))
    if total == 0:
        msg = "all weights are zero, so the pool would go to nobody"
        raise ZeroTotalWeight(msg)
    return given.astype(np.int64, copy=False), top, total


def chunks(weights: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (first position, weights) in pieces that fit a processor's cache; weights: n whole numbers."""
    for start in range(0, len(weights), _CHUNK):
        yield start, weights[start : start + _CHUNK]


def quotas_of(pool: int, total: int, weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return floor(pool * weight / total) and the remainder, exactly, though the product may exceed 64 bits.

    With pool = whole_part * total + rest, only rest * weight / total (< weight < 2**40) is hard. A float quotient has a
    relative error under 2**-50, so it is off by one at most; the remainder it implies is then in [-total, 2 * total),
    fits 64 bits, and is right although the products it is computed from wrap around.
    weights: n whole numbers in [0, 2**40), int64; total in [1, 2**61), and no quota passes 2**62.
    """
    whole_part, rest = divmod(pool, total)
    quotient = (weights.astype(np.float64) * float(rest) / float(total)).astype(np.int64)
    wrapped = weights.view(np.uint64) * np.uint64(rest) - quotient.view(np.uint64) * np.uint64(total)
    remainder = wrapped.view(np.int64)
    correction = (remainder >= total).astype(np.int64) - (remainder < 0)
    return weights * whole_part + quotient + correction, remainder - correction * total


def _rounded(split: Split, weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the shares these weights earn before the cut-off position, and from it on."""
    quotas, remainders = quotas_of(split.pool, split.total_weight, weights)
    return quotas + (remainders >= split.cutoff_remainder), quotas + (remainders > split.cutoff_remainder)


def _cutoff_counted(remainders: NDArray[np.int64], counts: NDArray[np.intp], left_over: int) -> tuple[int, int]:
    """Return the remainder of the person who gets the last unit left over, and how many people are above it.

    counts: how many people have each of these remainders. With nothing left over the answer means nothing.
    """
    order = np.argsort(-remainders)
    reached = np.cumsum(counts[order])
    last = int(np.searchsorted(reached, left_over))
    cutoff = int(remainders[order[last]])
    return cutoff, int(counts[remainders > cutoff].sum())


def _cutoff_listed(remainders: NDArray[np.int64], left_over: int) -> tuple[int, int]:
    """Return the same for one person per remainder, by selection rather than sorting."""
    if left_over == 0:
        return 0, 0
    place = len(remainders) - left_over
    cutoff = int(np.partition(remainders, place)[place])
    return cutoff, int(np.count_nonzero(remainders > cutoff))
