"""What the splits of one release earn a range of its contributors: whole numbers, one look-up by weight for all of them.

The rule this file keeps: it pays what `SplitFigures.share_of` and `added_to` say of each person, to the millionth. Weights
are small numbers, so what each earns of a split is a table, and the tables of several splits are one sum; only what
depends on a position or a promise is added person by person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pricing.revenue_share import quotas_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.contributions.manifests import Contributions
    from marketplace.earnings.rules import Amounts, SplitFigures

LARGEST_TABLE: Final = 2**20
"""Weights up to this are looked up; larger ones are first counted by value, chunk by chunk."""
WEIGHTS_TOGETHER: Final = 2**16 - 1
"""How many combinations of weights one look-up has at most: their table fits the cache."""
NOTHING: Final = np.zeros(1, np.int64)


class SharesOfRelease:
    """The splits of one release, ready to say what ranges of its contributors earn of all of them."""

    def __init__(self, splits: Sequence[SplitFigures], largest_weight: int) -> None:
        """Compute the tables, of weights from 0 to the largest."""
        self.splits = splits
        self.tables = None
        if largest_weight <= LARGEST_TABLE:
            self.tables = _Tables(splits, np.arange(largest_weight + 1, dtype=np.int64))

    def by_weight_alone(self) -> NDArray[np.int64]:
        """Return what each weight earns where nobody was promised anything; only weight 0 where more than that decides."""
        tables = self.tables
        if tables is None or any(tied is not None for tied in tables.tied) or len(tables.together) > WEIGHTS_TOGETHER:
            return NOTHING
        return tables.together

    def earned(self, some: Contributions, promises: Mapping[object, Amounts]) -> NDArray[np.int64]:
        """Return what these contributors earn of all splits, in micro-euros, in their order.

        promises: what people of this range were promised, by contributor term.
        """
        if self.tables is not None:
            tables, places = self.tables, some.weights
        else:
            weights, places = np.unique(some.weights, return_inverse=True)
            tables = _Tables(self.splits, weights.astype(np.int64))
        earned: NDArray[np.int64] = tables.together[places]
        for number, split in enumerate(self.splits):
            before = min(max(split.cutoff_position - some.position, 0), len(places))
            if before and (tied := tables.tied[number]) is not None:
                earned[:before] += tied[places[:before]]
            promised = promised_among([promises[term] for term in split.terms if term in promises], some.references)
            if promised is not None:
                self._keep(split, tables, number, promised, places, some.position, earned)
        return earned

    @staticmethod
    def _keep(  # noqa: PLR0917 (all that a promise is kept from)
        split: SplitFigures,
        tables: _Tables,
        number: int,
        promised: NDArray[np.int64],
        places: NDArray[np.int64],
        position: int,
        earned: NDArray[np.int64],
    ) -> None:
        """Add to what is earned what keeps promises under one split."""
        here = np.flatnonzero(promised)
        positions = here + position
        shares = tables.each[number][places[here]]
        tied = tables.tied[number]
        if tied is not None:
            shares = shares + tied[places[here]] * (positions < split.cutoff_position)
        short = promised[here] - shares
        if not split.is_public:
            short += (short > 0) * (split.top_up_each_micro + (positions < split.top_up_position))
        earned[here] += np.maximum(short, 0)


def looked_up_together(tables: Sequence[NDArray[np.int64]]) -> list[tuple[slice, NDArray[np.int64]]]:
    """Return which of some releases, each with a table of what its weights earn, are looked up at once, and their table.

    It is indexed by their weights as digits, the first release's first: a person's sum over four releases in one look-up.
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
    """What each of some weights earns, by split and together."""

    def __init__(self, splits: Sequence[SplitFigures], weights: NDArray[np.int64]) -> None:
        self.each: list[NDArray[np.int64]] = []
        self.tied: list[NDArray[np.int64] | None] = []
        """By the exact rule, 1 for weights of which the earlier positions get one millionth more."""
        self.together = np.zeros(len(weights), np.int64)
        for split in splits:
            divisor = split.denominator if split.is_public else split.total_weight
            quotas, remainders = quotas_of(split.pool_micro, divisor, weights)
            tied = None
            if not split.is_public:
                quotas = quotas + (remainders > split.cutoff_remainder)
                tied = (remainders == split.cutoff_remainder).astype(np.int64)
            self.each.append(quotas)
            self.tied.append(tied)
            self.together += quotas


def promised_among(promises: Sequence[Amounts], references: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the largest of the promises to each of these people, 0 where there is none; None where nobody has one.

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
    """Return whether lines, ascending and distinct, follow one another without a gap."""
    return len(lines) > 0 and int(lines[-1]) - int(lines[0]) + 1 == len(lines)


def places_in(lines: NDArray[np.int64], references: NDArray[np.int64] | range) -> NDArray[np.int64] | slice | None:
    """Return where references are among lines, both ascending and distinct; None where one of them is no line."""
    if not len(lines) or references[0] < lines[0] or references[-1] > lines[-1]:
        return None
    if is_gapless(lines):  # a line's place follows from its number
        first, last = int(references[0] - lines[0]), int(references[-1] - lines[0])
        is_slice = last - first + 1 == len(references)
        return slice(first, last + 1) if is_slice else np.asarray(references) - lines[0]
    places = np.searchsorted(lines, references)
    return places if np.array_equal(lines[places], references) else None
