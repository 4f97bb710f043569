"""Bundle auctions: bids on combinations, the best allocation, and what its winners owe (VCG or a core price).

The rule this file keeps: allocation and payments are exact integers. A solver may use floats to search, but bounds
computed in whole numbers decide what is pruned, and CP-SAT decides the rest, in integers.

A bidder may bid on several bundles and wins at most one (XOR); a bundle is a set of goods, one copy each. Of equally
good allocations, any may be returned. VCG payments are truthful. Core payments are not (a bidder may gain by bidding
low, at the others' expense); they are charged if VCG's are so low that losers could rightly complain.

Finding the allocation: bids that share a good or a bidder exclude each other. Multipliers on cliques of mutually
exclusive bids, from a linear relaxation, bound the value of any allocation with a given bid. Bids that cannot reach a
threshold are left out, and a solution at or above the threshold proves itself best. The same cliques are used for every
question "what if this winner had not come".

Public API not used by the marketplace: `best_allocation`.

Source: P. Cramton, Y. Shoham and R. Steinberg (eds.), Combinatorial Auctions, 2006, chapters 1 (VCG) and 12 (winner
determination); R. Day and S. Raghavan, Fair payments for efficient allocations in public sector combinatorial auctions,
Management Science 53(9), 2007 (core); M. Padberg, On the facial structure of set packing polyhedra, Mathematical
Programming 5, 1973 (cliques).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver.python import model_builder
from ortools.sat.python import cp_model

from pricing.auctions.award import Award, Outcome, Reason, check_amounts
from pricing.money import Money
from pricing.refusals import Duplicate, Empty, TooLarge

_SCALE: Final = 1 << 10  # Multipliers are whole thousandths or so of a minor unit.
_ROUNDS: Final = 6
_SLACK: Final = 1e-6
_LARGEST: Final = 10**12  # Per bid, so that sums of scaled values stay within the solver's 64 bits.


@dataclass(frozen=True, slots=True)
class BundleBid:
    """What `bidder` would pay for all of `goods` together, at least one; of several sets it wins at most one."""

    bidder: str
    goods: frozenset[str]
    amount: Money


@dataclass(frozen=True, slots=True)
class Allocation:
    """The positions of the winning bids, ascending, and their total value, in minor units."""

    chosen: tuple[int, ...]
    welfare: int


@dataclass(frozen=True, slots=True)
class BundleAward:
    """An award, the goods of each winner (`goods[bidder]`), and the total value of the bids in minor units."""

    award: Award
    goods: dict[str, frozenset[str]]
    welfare: int


def best_allocation(bids: Sequence[BundleBid]) -> Allocation:
    """Return a most valuable allocation: no good twice, no bidder twice. Refuses as `vcg` does."""
    _check(bids, bids[0].amount.currency if bids else "XXX")
    return _Search(bids).best(range(len(bids)))


def vcg(bids: Sequence[BundleBid], currency: str) -> BundleAward:
    """Award the best allocation, each winner paying what the others lose by its presence.

    bids: in order of arrival, possibly none; amounts whole, below 10**12. A winner pays W(-i) - (W - v_i), the best
    welfare without it less what the others have with it; at most its bid, at least 0. Truthful.
    Refuses Negative, MixedCurrencies, Empty for a bundle without goods, Duplicate for a set bid on twice by one bidder,
    TooLarge for larger amounts. Source: Ausubel and Milgrom in Combinatorial Auctions, chapter 1.
    """
    _, best, paid = _solved(bids, currency)
    return _awarded(bids, best, paid, currency)


def core_selecting(bids: Sequence[BundleBid], currency: str) -> BundleAward:
    """Award the best allocation at core payments: no group of losers and winners could offer the seller more.

    Of the core's payments those of least total are chosen, and of them those whose increments over VCG, sorted from the
    largest, are lexicographically least, in whole minor units; an odd unit falls on the later bid. They are found by
    adding, one by one, the coalitions that would object. Not truthful. Refuses as `vcg` does.
    Source: Day and Raghavan 2007, sections 3 (separation) and 4 (minimal total, then minimal largest increment).
    """
    search, best, floor = _solved(bids, currency)
    value = {bids[at].bidder: bids[at].amount.minor for at in best.chosen}
    names = [bids[at].bidder for at in best.chosen]
    paid = dict(floor)
    objections: list[tuple[frozenset[str], int]] = []
    while names:
        # Everybody's bids less the surplus they already have: what a coalition could offer instead.
        surplus = {name: value[name] - paid[name] for name in names}
        offer = search.best(range(len(bids)), [surplus.get(bid.bidder, 0) for bid in bids])
        if offer.welfare <= sum(paid.values()):
            break
        members = {bids[at].bidder for at in offer.chosen}
        outside = frozenset(name for name in names if name not in members)
        owed = offer.welfare - sum(paid[name] for name in names if name in members)
        objections.append((outside, owed))
        paid = _Core(floor, value, objections).least_payments()
    return _awarded(bids, best, paid, currency)


class _Search:
    """The bids of one auction as a set-packing problem, and the cliques found so far."""

    def __init__(self, bids: Sequence[BundleBid]) -> None:
        self.bids = bids
        self.values = np.array([bid.amount.minor for bid in bids], dtype=np.int64)
        groups: dict[tuple[str, str], list[int]] = {}
        for at, bid in enumerate(bids):
            groups.setdefault(("bidder", bid.bidder), []).append(at)
            for good in bid.goods:
                groups.setdefault(("good", good), []).append(at)
        self.groups = [tuple(group) for group in groups.values()]
        self.excludes = np.zeros((len(bids), len(bids)), dtype=np.bool_)
        for group in self.groups:
            self.excludes[np.ix_(group, group)] = True
        np.fill_diagonal(self.excludes, val=False)
        self.cliques: set[tuple[int, ...]] = {self._grown(group) for group in self.groups}
        self.known: dict[bytes, tuple[int, NDArray[np.int64]]] = {}
        """Bounds by bids and worths, since the same questions repeat."""

    def best(
        self,
        among: Collection[int],
        discounts: Sequence[int] | None = None,
        absent: Collection[str] = (),
        at_most: int | None = None,
    ) -> Allocation:
        """Return the best allocation of these bids, each worth its amount less its discount (and left out below 1).

        absent: if given, at least one of these bidders wins nothing. at_most: if known, an upper bound of the answer.
        """
        off = discounts or [0] * len(self.bids)
        net = {at: worth for at in among if (worth := int(self.values[at]) - off[at]) > 0}
        if not net:
            return Allocation((), 0)
        places = np.array(list(net), dtype=np.intp)
        worths = np.array(list(net.values()), dtype=np.int64)
        bound, reach = self._bounds(places, worths)
        # A first guess of the gap between bound and truth, widened until a solution confirms it.
        gap = max(bound // 400, 1) + (0 if at_most is None else max(bound - at_most, 0))
        while True:
            threshold = max(bound - gap, 0)
            kept = np.flatnonzero(reach >= threshold * _SCALE)
            found = self._decided(places[kept], worths[kept], absent)
            if found.welfare >= threshold or len(kept) == len(places):
                return found
            gap = bound - found.welfare

    def _bounds(self, places: NDArray[np.intp], worths: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
        """Return a bound on all allocations and, times _SCALE, on those that contain each bid; exact integers.

        For any multipliers y >= 0 on cliques, no allocation exceeds sum(y) + sum(max(0, worth - its cliques' y)).
        """
        asked = places.tobytes() + worths.tobytes()
        if asked in self.known:
            return self.known[asked]
        inside = {int(at): place for place, at in enumerate(places)}
        rounds = 0
        while True:
            cliques = list(
                {members for clique in self.cliques if (members := tuple(inside[at] for at in clique if at in inside))}
            )
            fractions, prices = _relaxed(worths, cliques)
            new = self._violated(places, fractions) - self.cliques
            rounds += 1
            if not new or rounds == _ROUNDS:
                break
            self.cliques |= new
        scaled = np.maximum(np.round(prices * _SCALE), 0).astype(np.int64)
        slack = worths * _SCALE
        for clique, price in zip(cliques, scaled.tolist(), strict=True):
            slack[list(clique)] -= price
        total = int(scaled.sum()) + int(np.maximum(slack, 0).sum())
        self.known[asked] = total // _SCALE, total + np.minimum(slack, 0)
        return self.known[asked]

    def _violated(self, places: NDArray[np.intp], fractions: NDArray[np.float64]) -> set[tuple[int, ...]]:
        """Return cliques, over all bids, whose fractions add up to more than one."""
        level = np.zeros(len(self.bids))
        level[places] = fractions
        found = set()
        for seed in np.flatnonzero((level > _SLACK) & (level < 1 - _SLACK)).tolist():
            clique, open_to = [seed], self.excludes[seed].copy()
            while open_to.any():
                pick = int(np.argmax(np.where(open_to, level, -1.0)))
                if level[pick] <= _SLACK:
                    break
                clique.append(pick)
                open_to &= self.excludes[pick]
            if level[clique].sum() > 1 + 1e-4:
                found.add(self._grown(clique))
        return found

    def _grown(self, clique: Sequence[int]) -> tuple[int, ...]:
        """Return a clique that contains this one and excludes no bid that could join it."""
        members = list(clique)
        open_to = self.excludes[members].all(axis=0)
        while open_to.any():
            candidates = np.flatnonzero(open_to)
            pick = int(candidates[np.argmax(self.excludes[candidates][:, candidates].sum(axis=1))])
            members.append(pick)
            open_to &= self.excludes[pick]
        return tuple(sorted(members))

    def _decided(self, places: NDArray[np.intp], worths: NDArray[np.int64], absent: Collection[str]) -> Allocation:
        """Return the best allocation of these bids, proven so by CP-SAT in integers; absent as in `best`."""
        model = cp_model.CpModel()
        wins = {int(at): model.new_bool_var("") for at in places}
        # Every group is inside the clique grown from it; a clique inside another adds nothing.
        rivals = {frozenset(at for at in clique if at in wins) for clique in self.cliques}
        for some in sorted(map(sorted, rivals)):
            if len(some) > 1 and not any(others.issuperset(some) for others in rivals if len(others) > len(some)):
                model.add_at_most_one(wins[at] for at in some)
        if absent:
            model.add(sum(literal for at, literal in wins.items() if self.bids[at].bidder in absent) < len(absent))
        model.maximize(sum(worth * wins[int(at)] for at, worth in zip(places, worths.tolist(), strict=True)))
        solver = _solve(model)
        chosen = tuple(sorted(at for at, literal in wins.items() if solver.boolean_value(literal)))
        worth_of = dict(zip(places.tolist(), worths.tolist(), strict=True))
        return Allocation(chosen, sum(worth_of[at] for at in chosen))


def _solved(bids: Sequence[BundleBid], currency: str) -> tuple[_Search, Allocation, dict[str, int]]:
    """Return the search, the best allocation, and the VCG payments of its winners in minor units.

    The best allocation that lacks at least one of several winners gives the highest welfare without any of them, so it
    is the best without each winner that it lacks. One search thus answers for all of these, and the search is repeated
    for the rest.
    """
    _check(bids, currency)
    search = _Search(bids)
    best = search.best(range(len(bids)))
    value = {bids[at].bidder: bids[at].amount.minor for at in best.chosen}
    without: dict[str, int] = {}
    found = best
    while left := value.keys() - without.keys():
        found = search.best(range(len(bids)), absent=left, at_most=found.welfare)
        present = {bids[at].bidder for at in found.chosen}
        without |= dict.fromkeys(left - present, found.welfare)
    paid = {bidder: without[bidder] - (best.welfare - worth) for bidder, worth in value.items()}
    return search, best, paid


def _relaxed(
    worths: NDArray[np.int64], cliques: Sequence[tuple[int, ...]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractions and the clique prices of the linear relaxation; floats, used only to guide."""
    model = model_builder.Model()
    fractions = [model.new_num_var(0, 1, "") for _ in worths]
    limits = [model.add(sum(fractions[at] for at in clique) <= 1) for clique in cliques]
    model.maximize(sum(worth * fraction for worth, fraction in zip(worths.tolist(), fractions, strict=True)))
    solver = model_builder.Solver("GLOP")
    solver.solve(model)
    return (
        np.array([solver.value(fraction) for fraction in fractions]),
        np.array([solver.dual_value(limit) for limit in limits]),
    )


@dataclass(frozen=True, slots=True)
class _Core:
    """The payments to which nobody objects: `floor` plus increments, at most `value`."""

    floor: dict[str, int]
    value: dict[str, int]
    objections: Sequence[tuple[frozenset[str], int]]

    def model(self) -> tuple[cp_model.CpModel, dict[str, cp_model.IntVar]]:
        """Return the increments as variables of a model that satisfies every objection."""
        model = cp_model.CpModel()
        raised = {name: model.new_int_var(0, self.value[name] - low, name) for name, low in self.floor.items()}
        for outside, owed in self.objections:
            model.add(sum(raised[name] + self.floor[name] for name in outside) >= owed)
        return model, raised

    def least_payments(self) -> dict[str, int]:
        """Return the payments of least total, and of these those of least sorted increments."""
        model, raised = self.model()
        model.minimize(sum(raised.values()))
        solver = _solve(model)
        budget = sum(solver.value(each) for each in raised.values())
        fixed: dict[str, int] = {}
        while len(fixed) < len(self.floor):
            fixed.update(self._at_the_top(budget, fixed))
        return {name: low + fixed[name] for name, low in self.floor.items()}

    def _at_the_top(self, budget: int, fixed: dict[str, int]) -> dict[str, int]:
        """Return the fewest others whose increment is the least possible largest one, with that increment."""
        model, raised = self.model()
        model.add(sum(raised.values()) == budget)
        for name, increment in fixed.items():
            model.add(raised[name] == increment)
        free = [name for name in self.floor if name not in fixed]
        top = model.new_int_var(0, max(self.value.values()), "top")
        for name in free:
            model.add(raised[name] <= top)
        model.minimize(top)
        least = _solve(model).value(top)
        model.add(top == least)
        # Among equally few, the later bidders, so that an odd unit falls on the later bid.
        is_at_top = {name: model.new_bool_var(name) for name in free}
        for name in free:
            model.add(raised[name] <= least - 1 + is_at_top[name])
        model.minimize(sum((len(free) ** 2 + len(free) - place) * is_at_top[name] for place, name in enumerate(free)))
        solver = _solve(model)
        return {name: least for name in free if solver.boolean_value(is_at_top[name])}


def _solve(model: cp_model.CpModel) -> cp_model.CpSolver:
    """Return the solver at a proven optimum: one worker, so that the same model gives the same answer."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2
    # Allocations have no symmetry and little to probe, and the cliques are the useful cuts: searching for others costs
    # half of the time. Branch next on what the relaxation leaves fractional.
    solver.parameters.cut_level = 0
    solver.parameters.search_branching = cp_model.LP_SEARCH
    solver.parameters.symmetry_level = 0
    solver.parameters.cp_model_probing_level = 0
    status = solver.solve(model)
    if status != cp_model.OPTIMAL:
        msg = f"the solver ended {solver.status_name(status)} instead of proving an optimum"
        raise AssertionError(msg)
    return solver


def _awarded(bids: Sequence[BundleBid], best: Allocation, paid: dict[str, int], currency: str) -> BundleAward:
    """Return the award in the order in which bidders first bid."""
    won = {bids[at].bidder: bids[at].goods for at in best.chosen}
    outcomes = tuple(
        Outcome(bidder, 1, Money(paid[bidder], currency), Reason.WON)
        if bidder in won
        else Outcome(bidder, 0, Money(0, currency), Reason.OUTBID)
        for bidder in dict.fromkeys(bid.bidder for bid in bids)
    )
    return BundleAward(Award(None, outcomes), won, best.welfare)


def _check(bids: Sequence[BundleBid], currency: str) -> None:
    check_amounts((bid.amount for bid in bids), currency)
    seen: set[tuple[str, frozenset[str]]] = set()
    for bid in bids:
        if not bid.goods:
            msg = f"{bid.bidder} bids on no goods"
            raise Empty(msg)
        if (bid.bidder, bid.goods) in seen:
            msg = f"{bid.bidder} bids twice on {sorted(bid.goods)}"
            raise Duplicate(msg)
        if bid.amount.minor >= _LARGEST:
            msg = f"a bundle bid must be below {_LARGEST}, but is {bid.amount.minor}"
            raise TooLarge(msg)
        seen.add((bid.bidder, bid.goods))
