"""The cheapest cover of what one offer holds, by other offers: all of its parts, at each moment of its term.

The rule this file keeps: what is proven by values costs no less, but for a cent's fraction of rounding; what is found is a
cover in exact arithmetic. A cover is of pieces: an offer, bought at one moment, for as long as it lasts.

Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pricing.refusals import TooHard

_MOST_NODES: Final = 2_000
"""Of the search of one cover; for most, one is enough."""
_MOST_TURNS: Final = 50_000
"""Of the solver, for a bound."""
_MOST_TIMES: Final = 1_000
"""That noise is drawn again in one cover."""
_MOST_CUTS: Final = 20
"""Baskets that lack a millionth, which the solver lets pass, until none is looked for any more."""
_INFEASIBLE: Final = 2
"""The solver's status for what has no solution."""
_MOST_CELLS: Final = 2_000_000
"""Pieces times parts times moments that are looked at one by one."""
_SMALLEST: Final = 1e-290
_LARGEST: Final = 1e250
"""Of a term's worth, and of a price by it: floating point has no room for more."""

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
        worths = np.maximum(worths / worths.sum(), _SMALLEST)
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
                by_worth = np.minimum(
                    prices[rows, number] / max(left[covered.start] - left[covered.stop], _SMALLEST), _LARGEST
                )
                by_worth = np.where(np.isfinite(prices[rows, number]), by_worth, np.inf)
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
    least = by_moment / (inside @ worths)[:, None]
    if reaches(worths.sum() * (least.min(axis=0) @ times), dear):
        return True
    by_part = np.array([least[having].min(axis=0) for having in inside.T > 0])
    return reaches(worths @ by_part @ times, dear)


def reaches(bound: float, dear: float) -> bool:
    """Return whether what costs as much as a bound, or more, costs no less than `dear`: costs are whole.

    What is above a price less one is not below it, but for what the bound may be off by.
    """
    return bool(bound >= dear - 1 + max(1e-4, dear * 1e-12))


class Piece(NamedTuple):
    """An offer, by its number, bought in so many months; covers: numbers of moments. price: in minor units, whole but in a bound."""

    offer: int
    start: int
    price: float
    covers: range


class Source(NamedTuple):
    """Where noise is from: of one family the best alone counts on a part. may_repeat: each purchase draws again, and adds to it."""

    family: str
    may_repeat: bool


class Cover:
    """The covers of one offer's parts at each of its moments, by pieces of m offers. Parts that are alike are one.

    bound: what any cover costs at least, but for what floating point has no room for.
    """

    def __init__(
        self,
        precisions: tuple[Floats, Floats, Floats],
        sources: Sequence[Source],
        pieces: Sequence[Piece],
        moments: int,
    ) -> None:
        """Bound the cost.

        precisions: the target's variances, as each offer compares them, the offers', and how much of the target's precision
        each has, m × parts.
        """
        self.sources, self.pieces, self.moments = sources, pieces, moments
        _, first = np.unique(np.vstack(precisions), axis=1, return_index=True)
        self.needed, self.variances, self.inside = (each[:, first] for each in precisions)
        self.prices = np.array([piece.price for piece in pieces], float)
        self.bound = self._bound()

    def cells(self) -> Any:  # noqa: ANN401 (scipy's array)
        """Return how much of the precision that is needed each piece has, pieces × (parts × moments)."""
        from scipy.sparse import csr_array  # noqa: PLC0415 (half a second that few audits need)

        then = np.array([[moment in piece.covers for moment in range(self.moments)] for piece in self.pieces], bool)
        having = self.inside[[piece.offer for piece in self.pieces]]
        return csr_array((having[:, :, None] * then[:, None, :]).reshape(len(self.pieces), -1))

    def _bound(self) -> float:
        """Return the sum of a value for each part and moment, such that no piece costs less than what it covers.

        They are the dual of the covering problem, in which pieces may be bought in fractions. Whatever the solver returns
        is lowered until it is such values. Zero where there are too many.
        """
        from scipy.optimize import linprog  # type: ignore[attr-defined]  # noqa: PLC0415

        if not self.pieces:
            return np.inf
        if self._is_large():
            return 0.0
        cells = self.cells()
        if not (cells.sum(axis=0) > 0).all():
            return np.inf
        scale = max(self.prices.max(), 1.0)
        solved = linprog(
            self.prices / scale,
            A_ub=-cells.T,
            b_ub=-np.ones(cells.shape[1]),
            method="highs-ds",
            options={"maxiter": _MOST_TURNS},
        )
        values = np.zeros(cells.shape[1]) if solved.status else np.maximum(-solved.ineqlin.marginals, 0) * scale
        covered = cells @ values
        lowered = np.min(self.prices[covered > 0] / covered[covered > 0], initial=1.0)
        return float(values.sum() * lowered)

    def cheapest(self, limit: float) -> list[Piece] | None:
        """Return the cheapest cover below `limit`; None when there is none. Refuses TooHard."""
        if not self.pieces or not np.isfinite(self.bound):
            return None
        if self._is_large():
            msg = "too many offers could replace one together; list fewer together"
            raise TooHard(msg)
        program = _Program(self)
        for _ in range(1 if any(source.may_repeat for source in self.sources) else _MOST_CUTS):
            found = program.solve(limit)
            if found is None or sum(piece.price for piece in found) >= limit:
                return None
            lacking = self.lacking(found)
            if lacking is None:
                return found
            program.cut(found, lacking)
        msg = "what would cover an offer does so but for what floating point has no room for"
        raise TooHard(msg)

    def may_cost_less(self, limit: float) -> bool:
        """Return whether a cover that cost less than the limit cannot be ruled out."""
        try:
            return self.cheapest(limit) is not None
        except TooHard:
            return True

    def _is_large(self) -> bool:
        return bool(len(self.pieces) * self.inside.shape[1] * self.moments > _MOST_CELLS)

    def lacking(self, basket: Sequence[Piece]) -> int | None:
        """Return the number of a cell that a basket does not cover, in exact arithmetic; None where there is none."""
        for part, at in product(range(self.inside.shape[1]), range(self.moments)):
            if self._reached([piece for piece in basket if at in piece.covers], part) < 1:
                return part * self.moments + at
        return None

    def share(self, piece: Piece, part: int) -> Fraction:
        """Return how much of the precision that is needed of a part a piece has, exactly."""
        inside = float(self.inside[piece.offer, part])
        if 0 < inside < 1:
            needed, has = (each[piece.offer, part].item() for each in (self.needed, self.variances))
            return Fraction(needed) / Fraction(has)
        return Fraction(inside)

    def _reached(self, basket: Sequence[Piece], part: int) -> Fraction:
        best: dict[str, Fraction] = {}
        for piece in basket:
            source, counted = self.sources[piece.offer], self.share(piece, part)
            before = best.get(source.family, Fraction(0))
            best[source.family] = before + counted if source.may_repeat else max(before, counted)
        return sum(best.values(), Fraction(0))


class _Program:
    """The covering problem as an integer program: which pieces are bought, and which of a family's counts on a cell."""

    def __init__(self, cover: Cover) -> None:
        self.cover = cover
        self.cells = cover.cells().tocoo()
        self.sources = [cover.sources[piece.offer] for piece in cover.pieces]
        piece, cell, share = self.cells.row, self.cells.col, self.cells.data
        is_chosen = (share < 1) & np.array([not self.sources[each].may_repeat for each in piece], bool)
        self.direct = piece[~is_chosen], cell[~is_chosen], share[~is_chosen]
        self.chosen = piece[is_chosen], cell[is_chosen], share[is_chosen]
        self.cuts: list[tuple[Floats, float]] = []

    def cut(self, basket: Sequence[Piece], cell: int) -> None:
        """Rule out a basket that lacks something of a cell: another piece is needed there, or one of these less.

        Where these are of a family each, what has no more there is ruled out too: one more is needed, or a better piece.
        """
        pieces, part = self.cover.pieces, cell // self.cover.moments
        here = self.cells.row[self.cells.col == cell].tolist()
        bought = [at for at in here if pieces[at] in basket]
        row = np.zeros(len(pieces))
        if len({self.sources[at].family for at in bought}) < len(bought):
            row[here], row[bought] = 1, -1
            self.cuts.append((row, 1.0 - len(bought)))
            return
        shares = {at: self.cover.share(pieces[at], part) for at in here}
        least = min((shares[at] for at in bought), default=Fraction(0))
        for at, share in shares.items():
            row[at] = 1 if at in bought or share <= least else len(bought) + 1
        self.cuts.append((row, len(bought) + 1.0))

    def solve(self, limit: float) -> list[Piece] | None:
        """Return the cheapest pieces that cost less than the limit; None where none do. Refuses TooHard."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[attr-defined]  # noqa: PLC0415
        from scipy.sparse import coo_array  # noqa: PLC0415

        pieces, (piece, cell, share) = len(self.sources), self.chosen
        number, wide = np.arange(len(piece)), pieces + len(piece)
        rows = np.append(self.direct[1], cell), np.append(self.direct[0], pieces + number)
        covered = coo_array((np.append(self.direct[2], share), rows), shape=(self.cells.shape[1], wide))
        bought = coo_array(
            (np.repeat([1.0, -1.0], len(piece)), (np.tile(number, 2), np.append(pieces + number, piece))),
            shape=(len(piece), wide),
        )
        families = {name: at for at, name in enumerate({source.family: None for source in self.sources})}
        of_family = np.array([families[self.sources[each].family] for each in piece], int)
        once, alone = np.unique(of_family * self.cells.shape[1] + cell, return_inverse=True)
        best = coo_array((np.ones(len(piece)), (alone, pieces + number)), shape=(len(once), wide))
        cost = np.append(self.cover.prices, np.zeros(len(piece)))
        rules = [
            LinearConstraint(covered.tocsr(), 1, np.inf),
            LinearConstraint(cost[None, :], -np.inf, limit - 1),
            *(
                [LinearConstraint(bought.tocsr(), -np.inf, 0), LinearConstraint(best.tocsr(), -np.inf, 1)]
                if len(piece)
                else []
            ),
        ]
        for row, least in self.cuts:
            rules.append(LinearConstraint(np.append(row, np.zeros(len(piece)))[None, :], least, np.inf))
        most = [_MOST_TIMES if source.may_repeat else 1 for source in self.sources]
        for presolve in (True, False):  # which now and then leaves no solution where there is one
            solved = milp(
                cost,
                constraints=rules,
                integrality=np.append(np.ones(pieces), np.zeros(len(piece))),
                bounds=Bounds(0, np.append(most, np.ones(len(piece)))),
                options={"mip_rel_gap": 0, "node_limit": _MOST_NODES, "presolve": presolve},
            )
            if solved.status != _INFEASIBLE:
                break
        if solved.status == _INFEASIBLE:
            return None
        if solved.status or solved.x is None:
            msg = "the audit of this menu takes too many steps; list fewer offers together"
            raise TooHard(msg)
        times = np.rint(solved.x[:pieces]).astype(int).tolist()
        return [one for one, number in zip(self.cover.pieces, times, strict=True) for _ in range(number)]
