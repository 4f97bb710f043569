"""The cheapest cover of what one offer holds, by other offers: all of its parts, at each moment of its term.

The rule this file keeps: what `is_proven` or `Search` say costs no less, costs no less; floating point may leave a proof out,
and never makes one. A cover is of pieces: an offer, bought at one moment, for as long as it lasts.

Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pricing.refusals import TooHard

_MOST_STEPS: Final = 2_000
_CELLS: Final = 250
"""That are looked at in one step."""
_MOST_CELLS: Final = 5_000_000
"""Pieces times parts times moments that are looked at one by one."""
_EXACT_BELOW: Final = 2**36
"""Prices, of ten thousand parts, that floating-point bounds are exact for to a tenth of a minor unit."""

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """When the pieces of a term may begin and end, in months from its first day, ascending from 0; k of them.

    worths: how much of the term's worth falls from each to the next, > 0; they add up to one.
    """

    at: Floats
    worths: Floats

    @classmethod
    def of(cls, bounds: Floats, months: float, fading: float) -> "Moments":
        """Return the moments of a term in [0, months). fading: what a month is worth beside the one before, in (0, 1]."""
        at = np.unique(bounds[bounds < months])
        ends = np.append(at[1:], months)
        even = ends - at if np.isfinite(months) else np.ones(len(at))
        worths = fading**at - fading**ends if fading < 1 else even
        worths = np.maximum(worths / worths.sum(), np.finfo(float).tiny)
        return cls(at, worths)

    def within(self, start: float, months: float) -> range:
        """Return the numbers of those that a piece covers from its start on."""
        return range(*np.searchsorted(self.at, (start, start + months)).tolist())


def least_by_moment(moments: Moments, starts: Floats, months: Floats, prices: Floats) -> Floats:
    """Return the least price, by worth of the time that it covers, of n offers' pieces at k moments, n × k; infinite for none.

    starts: s moments at which pieces begin. months: how long each of n lasts. prices: n × s, infinite where it is not sold.
    """
    left = np.append(np.cumsum(moments.worths[::-1])[::-1], 0)
    least = np.full((len(months), len(moments.at)), np.inf)
    for length in np.unique(months):
        rows = np.flatnonzero(months == length)
        for number, start in enumerate(starts):
            if covered := moments.within(start, length):
                by_worth = prices[rows, number] / (left[covered.start] - left[covered.stop])
                columns = slice(covered.start, covered.stop)
                least[rows, columns] = np.minimum(least[rows, columns], by_worth[:, None])
    return least


def is_proven(inside: Floats, worths: Floats, by_moment: Floats, times: Floats, dear: float) -> bool:
    """Return whether no cover of a target's n parts at k moments by m offers costs less than `dear`.

    inside: m × n, how much of the target's precision each has, something at least. worths: n. by_moment: m × k, as
    `least_by_moment` has it. times: k, what the moments are worth.
    """
    if not inside.any(axis=0).all() or not np.isfinite(by_moment).any(axis=0).all():
        return True
    if dear >= _EXACT_BELOW:
        return False
    least = by_moment / (inside @ worths)[:, None]
    if _reaches(worths.sum() * (least.min(axis=0) @ times), dear):
        return True
    by_part = np.array([least[having].min(axis=0) for having in inside.T > 0])
    return _reaches(worths @ by_part @ times, dear)


def ascent_proves(inside: Floats, covers: Sequence[range], prices: Floats, dear: float) -> bool:
    """Return whether a value for each part and moment, no piece's above its price, shows the same; False where they are too many.

    Parts that few pieces have are valued first, each as high as its pieces still allow. inside: pieces × parts. covers:
    numbers of the moments of each piece. prices: of each.
    """
    moments = max(each.stop for each in covers)
    if dear >= _EXACT_BELOW or inside.size * moments > _MOST_CELLS:
        return False
    is_then = np.array([[moment in each for moment in range(moments)] for each in covers])
    cells = (inside[:, :, None] * is_then[:, None, :]).reshape(len(prices), -1)
    left, total = prices.copy(), 0.0
    for cell in np.argsort((cells > 0).sum(axis=0), kind="stable"):
        having = cells[:, cell]
        if not having.any():
            return True
        rise = (left[having > 0] / having[having > 0]).min()
        left -= rise * having
        total += rise
    return _reaches(total, dear)


def _reaches(bound: float, dear: float) -> bool:
    """Return whether what costs as much as a bound, or more, costs no less than `dear`: costs are whole.

    What is above a price less one is not below it, but for what the bound may be off by.
    """
    return bool(bound >= dear - 1 + max(1e-4, dear * 1e-12))


class Piece(NamedTuple):
    """An offer, by its number, bought in so many months for a price in minor units; covers: numbers of moments."""

    offer: int
    start: int
    price_minor: int
    covers: range


class Steps:
    """The work limit of one audit."""

    left: int = _MOST_STEPS

    def count(self, cells: int) -> None:
        """Count as many steps as so many cells are, one at least; refuses TooHard when none is left."""
        self.left -= 1 + cells // _CELLS
        if self.left < 0:
            msg = f"the audit of this menu takes more than {_MOST_STEPS} steps; list fewer offers together"
            raise TooHard(msg)


class Source(NamedTuple):
    """Where noise is from: of one family the best alone counts on a part. may_repeat: each purchase draws anew, and adds to it."""

    family: str
    may_repeat: bool


class Cover(NamedTuple):
    """What is looked for: n parts at k moments, by pieces of m offers.

    needed, variances: the target's, as each offer compares them, and the offers', m × n. worths: of the parts; times: of the
    moments.
    """

    needed: Floats
    variances: Floats
    sources: Sequence[Source]
    pieces: Sequence[Piece]
    worths: Floats
    times: Floats

    def cheapest(self, limit: int, steps: Steps) -> list[Piece] | None:
        """Return the cheapest cover below `limit`; None when there is none. Refuses TooHard, where none is found before."""
        search = _Search(self, limit, steps)
        try:
            search.run()
        except TooHard:
            if search.best is None:
                raise
        return search.best


Cell: TypeAlias = tuple[int, int]
"""A part, by number, and a moment."""
Lacking: TypeAlias = Mapping[Cell, tuple[Fraction, Mapping[str, Fraction]]]
"""Of each cell that is not covered yet: how much is lacking, and what each family has there."""


class _Search:
    """The exhaustive search of the cheapest cover: branch on a cell it lacks, and bound. Parts that are alike are one."""

    def __init__(self, cover: Cover, limit: int, steps: Steps) -> None:
        self.sources, self.times, self.limit, self.steps = cover.sources, cover.times, limit, steps
        pieces = [piece for piece in cover.pieces if piece.price_minor < limit]
        _, first, alike = np.unique(
            np.vstack([cover.needed, cover.variances]), axis=1, return_index=True, return_inverse=True
        )
        if len(pieces) * len(first) * len(self.times) > _MOST_CELLS:
            msg = "too many offers could replace one together"
            raise TooHard(msg)
        self.worths: list[float] = np.bincount(alike.ravel(), cover.worths).tolist()
        self.counted = [
            [_counted(needed, has) for needed, has in zip(*rows, strict=True)]
            for rows in zip(cover.needed[:, first].tolist(), cover.variances[:, first].tolist(), strict=True)
        ]
        per_worth = {piece: piece.price_minor / self._worth(piece) for piece in pieces}
        self.pieces = sorted(pieces, key=lambda piece: (per_worth[piece], piece.price_minor, piece))
        cells = [(part, moment) for part in range(len(first)) for moment in range(len(self.times))]
        self.holders: dict[Cell, list[Piece]] = {cell: [] for cell in cells}
        for piece in self.pieces:
            for part, counted in enumerate(self.counted[piece.offer]):
                for moment in piece.covers if counted else ():
                    self.holders[part, moment].append(piece)
        self.least = {
            (part, moment): per_worth[holders[0]] * self.worths[part] * self.times[moment] if holders else np.inf
            for (part, moment), holders in self.holders.items()
        }
        self.best: list[Piece] | None = None

    def run(self) -> None:
        """Look for `best`. Refuses TooHard; what is found before stays."""
        self._cover_in_turn()
        self._search([], 0, dict.fromkeys(self.holders, (Fraction(1), {})), frozenset())

    def _worth(self, piece: Piece) -> float:
        parts = sum(
            float(counted) * worth for counted, worth in zip(self.counted[piece.offer], self.worths, strict=True)
        )
        return parts * float(np.sum(self.times[piece.covers.start : piece.covers.stop]))

    def _cover_in_turn(self) -> None:
        """Find the cheapest cover by pieces one after the other, of which each has all parts."""
        whole = [piece for piece in self.pieces if all(counted == 1 for counted in self.counted[piece.offer])]
        cheapest: dict[int, tuple[int, list[Piece]]] = {0: (0, [])}
        for moment in range(len(self.times)):
            cost, before = cheapest.get(moment, (self.limit, []))
            for piece in whole if cost < self.limit else ():
                end = piece.covers.stop
                if moment in piece.covers and cost + piece.price_minor < cheapest.get(end, (self.limit, []))[0]:
                    cheapest[end] = cost + piece.price_minor, [*before, piece]
        if len(self.times) in cheapest:
            self.limit, self.best = cheapest[len(self.times)]

    def _search(self, basket: list[Piece], cost: int, lacking: Lacking, without: frozenset[Piece]) -> None:
        self.steps.count(len(lacking))
        if not lacking:
            self.best, self.limit = basket, cost
            return
        # To complete the basket costs at least this much more; costs are whole, and the bound may be a shade too high.
        more = sum(self.least[cell] * float(share) for cell, (share, _) in lacking.items()) * (1 - 1e-9)
        if more >= self.limit or cost + ceil(more) >= self.limit:
            return
        choices = {cell: [piece for piece in self.holders[cell] if piece not in without] for cell in lacking}
        cell = min(choices, key=lambda each: (len(choices[each]), each))
        tried = without
        for piece in choices[cell]:
            if cost + piece.price_minor < self.limit:
                again = tried if self.sources[piece.offer].may_repeat else tried | {piece}
                self._search([*basket, piece], cost + piece.price_minor, self._with(lacking, piece), again)
            tried |= {piece}

    def _with(self, lacking: Lacking, piece: Piece) -> Lacking:
        """Return what is lacking once a piece is bought, too."""
        left, source = dict(lacking), self.sources[piece.offer]
        for part, counted in enumerate(self.counted[piece.offer]):
            for moment in piece.covers if counted else ():
                if (part, moment) not in left:
                    continue
                _, known = left[part, moment]
                before = known.get(source.family, Fraction(0))
                families = {**known, source.family: before + counted if source.may_repeat else max(before, counted)}
                share = 1 - sum(families.values(), Fraction(0))
                if counted == 1 or share <= 0:
                    del left[part, moment]
                else:
                    left[part, moment] = share, families
        return left


def _counted(needed: float, has: float) -> Fraction:
    """Return how much of the precision that is needed there is, at most one."""
    if has <= needed:
        return Fraction(1)
    return Fraction(needed) / Fraction(has) if isfinite(has) else Fraction(0)
