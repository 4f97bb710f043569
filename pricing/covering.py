"""The cheapest cover of what one offer holds, by other offers: all of its parts, at each moment of its term.

The rule this file keeps: what `is_proven` or `Search` say costs no less, costs no less; floating point may leave a proof out,
and never makes one. A cover is of pieces: an offer, bought at one moment, for as long as it lasts.

Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pricing.refusals import TooHard

_MOST_STEPS: Final = 2_000
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


def ascent_proves(inside: Floats, covers: NDArray[np.bool_], prices: Floats, dear: float) -> bool:
    """Return whether a value for each part and moment, no piece's above its price, shows the same; False where they are too many.

    Parts that few pieces have are valued first, each as high as its pieces still allow. inside: pieces × parts. covers:
    pieces × moments. prices: of the pieces.
    """
    if dear >= _EXACT_BELOW or inside.size * covers.shape[1] > _MOST_CELLS:
        return False
    cells = (inside[:, :, None] * covers[:, None, :]).reshape(len(prices), -1)
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

    def count_one(self) -> None:
        """Count one step; refuses TooHard when none is left."""
        self.left -= 1
        if self.left < 0:
            msg = f"the audit of this menu takes more than {_MOST_STEPS} steps; list fewer offers together"
            raise TooHard(msg)


class Having(NamedTuple):
    """What an offer has of a target: how much of its precision on each part, at most one; and its family.

    may_repeat: each purchase adds to it. Of others only the best of a family counts on a part.
    """

    counted: Sequence[Fraction]
    family: str
    may_repeat: bool


Cell: TypeAlias = tuple[int, int]
"""A part, by number, and a moment."""
Lacking: TypeAlias = Mapping[Cell, tuple[Fraction, Mapping[str, Fraction]]]
"""Of each cell that is not covered yet: how much is lacking, and what each family has there."""


class Search:
    """The exhaustive search of the cheapest cover of one offer: branch on a cell it lacks, and bound."""

    def __init__(
        self, having: Sequence[Having], pieces: Sequence[Piece], worths: Sequence[float], times: Floats, steps: Steps
    ) -> None:
        """having: of each offer. worths: of the target's parts. times: of its moments. Refuses TooHard for too much."""
        self.having, self.steps, self.times = having, steps, times
        if len(pieces) * len(worths) * len(times) > _MOST_CELLS:
            msg = "too many offers could replace one together"
            raise TooHard(msg)
        alike: dict[tuple[Fraction, ...], list[int]] = {}
        for part, column in enumerate(zip(*(one.counted for one in having), strict=True)):
            alike.setdefault(column, []).append(part)
        self.parts = [parts[0] for parts in alike.values()]
        self.worths = {parts[0]: sum(worths[part] for part in parts) for parts in alike.values()}
        per_worth = {piece: piece.price_minor / self._worth(piece) for piece in pieces}
        self.pieces = sorted(pieces, key=lambda piece: (per_worth[piece], piece.price_minor, piece))
        cells = [(part, moment) for part in self.parts for moment in range(len(times))]
        self.holders: dict[Cell, list[Piece]] = {cell: [] for cell in cells}
        for piece in self.pieces:
            for part in self.parts:
                for moment in piece.covers if having[piece.offer].counted[part] else ():
                    self.holders[part, moment].append(piece)
        self.least = {
            (part, moment): per_worth[holders[0]] * self.worths[part] * times[moment] if holders else np.inf
            for (part, moment), holders in self.holders.items()
        }
        self.best: list[Piece] | None = None
        self.limit = 0

    def run(self, limit: int) -> None:
        """Look for the cheapest cover below `limit`: `best`, None when there is none. Refuses TooHard; what it found stays."""
        self.limit = limit
        self._cover_in_turn()
        self._search([], 0, dict.fromkeys(self.holders, (Fraction(1), {})), frozenset())

    def _worth(self, piece: Piece) -> float:
        counted = self.having[piece.offer].counted
        parts = sum(float(counted[part]) * worth for part, worth in self.worths.items())
        return parts * float(self.times[piece.covers.start : piece.covers.stop].sum())

    def _cover_in_turn(self) -> None:
        """Find the cheapest cover by pieces one after the other, of which each has all parts."""
        whole = [one for one in self.pieces if all(self.having[one.offer].counted[part] == 1 for part in self.parts)]
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
        self.steps.count_one()
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
                again = tried if self.having[piece.offer].may_repeat else tried | {piece}
                self._search([*basket, piece], cost + piece.price_minor, self._with(lacking, piece), again)
            tried |= {piece}

    def _with(self, lacking: Lacking, piece: Piece) -> Lacking:
        """Return what is lacking once a piece is bought, too."""
        left, having = dict(lacking), self.having[piece.offer]
        for part in self.parts:
            counted = having.counted[part]
            for moment in piece.covers if counted else ():
                if (part, moment) not in left:
                    continue
                _, known = left[part, moment]
                before = known.get(having.family, Fraction(0))
                families = {**known, having.family: before + counted if having.may_repeat else max(before, counted)}
                share = 1 - sum(families.values(), Fraction(0))
                if counted == 1 or share <= 0:
                    del left[part, moment]
                else:
                    left[part, moment] = share, families
        return left
