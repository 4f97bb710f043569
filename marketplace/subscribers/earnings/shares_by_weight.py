"""What the splits of one release earn a range of its contributors: whole numbers, one look-up by weight for all splits.

It pays exactly what `SplitFigures.share_of` says for each person, or their promise where that is more, to the
millionth. Weights are small numbers, so the earnings of a split are a table by weight, and the tables of several splits
are summed into one; only what depends on a promise is added person by person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pricing.public_shares import quotas_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.subscribers.earnings.manifests import Contributions
    from marketplace.subscribers.earnings.rules import Amounts, SplitFigures

LARGEST_TABLE: Final = 2**20
"""Weights up to this are looked up; larger ones are first grouped by value, chunk by chunk."""
WEIGHTS_TOGETHER: Final = 2**16 - 1
"""The most combinations of weights in one look-up: their table fits the cache."""
NOTHING: Final = np.zeros(1, np.int64)


class SharesOfRelease:
    """The splits of one release, ready to compute what ranges of its contributors earn of all of them."""

    def __init__(self, splits: Sequence[SplitFigures], largest_weight: int) -> None:
        """Compute the tables, of weights from 0 to the largest."""
        self.splits = splits
        self.tables = None
        if largest_weight <= LARGEST_TABLE:
            self.tables = _Tables(splits, np.arange(largest_weight + 1, dtype=np.int64))

    def by_weight_alone(self) -> NDArray[np.int64]:
        """Return what each weight earns where weights alone decide; otherwise an array for weight 0 only."""
        tables = self.tables
        return NOTHING if tables is None or len(tables.together) > WEIGHTS_TOGETHER else tables.together

    def earned(self, some: Contributions, promises: Mapping[object, Amounts]) -> NDArray[np.int64]:
        """Return what these contributors earn of all splits, in micro-euros, in their order.

        promises: to people of this range, by contributor term.
        """
        if self.tables is not None:
            tables, places = self.tables, some.weights
        else:
            weights, places = np.unique(some.weights, return_inverse=True)
            tables = _Tables(self.splits, weights.astype(np.int64))
        earned: NDArray[np.int64] = tables.together[places]
        for split, shares in zip(self.splits, tables.each, strict=True):
            promised = promised_among([promises[term] for term in split.terms if term in promises], some.references)
            if promised is not None:
                here = np.flatnonzero(promised)
                earned[here] += np.maximum(promised[here] - shares[places[here]], 0)
        return earned


def looked_up_together(tables: Sequence[NDArray[np.int64]]) -> list[tuple[slice, NDArray[np.int64]]]:
    """Return which of some releases, each with a table of earnings by weight, are looked up at once, and their table.

    Its index has their weights as digits, the first release's first: one look-up gives a person's sum over four
    releases.
    """
    sets: list[tuple[slice, NDArray[np.int64]]] = []
    for number, table in enumerate(tables):
        if sets and len(sets[-1][1]) * len(table) <= WEIGHTS_TOGETHER:
            before, together = sets.pop()
            sets.append((slice(before.start, number + 1), np.add.outer(together, table).ravel()))
        else:
            sets.append((slice(number, number + 1), table))
    return sets


class _Tables:
    """What each of some weights earns, by split and in total."""

    def __init__(self, splits: Sequence[SplitFigures], weights: NDArray[np.int64]) -> None:
        self.each = [quotas_of(split.pool_micro, split.denominator, weights) for split in splits]
        self.together = np.zeros(len(weights), np.int64)
        for shares in self.each:
            self.together += shares


def promised_among(promises: Sequence[Amounts], references: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the largest promise to each of these people, 0 without a promise; None where no person has one.

    promises: per contributor term, distinct references and amounts. references: ascending and distinct.
    """
    if not promises or not len(references):
        return None
    minimums = np.zeros(len(references), dtype=np.int64)
    for people, amounts in promises:
        places = np.minimum(np.searchsorted(references, people), len(references) - 1)
        here = references[places] == people
        np.maximum.at(minimums, places[here], amounts[here])
    return minimums if minimums.any() else None


def is_gapless(lines: NDArray[np.int64]) -> bool:
    """Return whether lines, ascending and distinct, are consecutive."""
    return len(lines) > 0 and int(lines[-1]) - int(lines[0]) + 1 == len(lines)


def places_in(lines: NDArray[np.int64], references: NDArray[np.int64] | range) -> NDArray[np.int64] | slice | None:
    """Return the positions of references among lines, both ascending and distinct.

    None where a reference is not a line.
    """
    if not len(lines) or references[0] < lines[0] or references[-1] > lines[-1]:
        return None
    if is_gapless(lines):  # a line's place follows from its number
        first, last = int(references[0] - lines[0]), int(references[-1] - lines[0])
        is_slice = last - first + 1 == len(references)
        return slice(first, last + 1) if is_slice else np.asarray(references) - lines[0]
    places = np.searchsorted(lines, references)
    return places if np.array_equal(lines[places], references) else None
