"""VCG and core payments of a bundle auction, against a plain CP-SAT loop that solves again for each winner's absence.

Both search with one worker; what is compared is processor time, so that nothing else that a machine does counts.
"""

from collections.abc import Sequence
from time import process_time

import numpy as np
from ortools.sat.python import cp_model

from pricing.auctions.bundles import BundleBid, core_selecting, vcg
from pricing.money import Money
from tests.benchmarks._bench import Run

SIZE, SMALLEST = 450, 30
"""Bids."""
GOODS, COLUMNS = 128, 16
SEEDS = (2, 8)  # Of the first ten, those whose auctions end with about twenty winners; the others have up to 33.


def main(run: Run) -> None:
    """Print our times as shares of the plain loop's, over seeded auctions, VCG payments checked equal; it has no peers.

    The plain loop computes VCG payments alone: core payments begin with them, and ask for objections besides.
    """
    ours = core = plain = 0.0
    winners = []
    for seed in SEEDS:
        bids = generated_bids(seed, run.size)
        start = process_time()
        award = vcg(bids, "EUR")
        ours += process_time() - start
        start = process_time()
        fair = core_selecting(bids, "EUR")
        core += process_time() - start
        start = process_time()
        expected = _plain_vcg(bids)
        plain += process_time() - start
        paid = {one.bidder: one.pays.minor for one in award.award.outcomes if one.units}
        assert sum(paid.values()) == sum(expected.values())
        assert paid == expected
        assert fair.welfare == award.welfare
        assert all(one.pays.minor >= paid.get(one.bidder, 0) for one in fair.award.outcomes), "no less than VCG's"
        winners.append(len(paid))
        assert run.size != SIZE or 18 <= len(paid) <= 22
    spent = f"({ours:.1f} s, {plain:.1f} s; winners {winners})"
    run.figure("vcg", f"{ours / plain:.2f}", f"× a plain CP-SAT loop {spent}")
    spent = f"({core:.1f} s, {plain:.1f} s)"
    run.figure("core", f"{core / plain:.2f}", f"× the same loop, which computes VCG payments alone {spent}")


def generated_bids(seed: int, most: int) -> list[BundleBid]:
    """Return so many bids on neighbouring zones of a grid, in the manner of CATS's regions: common and private worth per zone.

    Source: K. Leyton-Brown, M. Pearson and Y. Shoham, Towards a universal test suite for combinatorial auction
    algorithms, EC 2000, section 3.2.
    """
    rng = np.random.default_rng(seed)
    common = rng.uniform(1, 100, GOODS)
    bids: dict[tuple[str, frozenset[str]], BundleBid] = {}
    bidder = 0
    while len(bids) < most:
        private = common + rng.uniform(-50, 50, GOODS)
        for _ in range(min(int(rng.integers(1, 6)), most - len(bids))):
            zones = {int(rng.integers(GOODS))}
            while rng.random() < 0.9 and (around := sorted({n for z in zones for n in _neighbours(z)} - zones)):
                zones.add(int(rng.choice(around)))
            worth = float(private[list(zones)].sum()) + 5 * len(zones) ** 1.2
            if worth > 0:
                one = BundleBid(f"p{bidder}", frozenset(map(str, zones)), Money(int(100 * worth), "EUR"))
                bids[one.bidder, one.goods] = one
        bidder += 1
    return list(bids.values())


def _neighbours(zone: int) -> list[int]:
    row, column = divmod(zone, COLUMNS)
    around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return [r * COLUMNS + c for r, c in around if 0 <= r < GOODS // COLUMNS and 0 <= c < COLUMNS]


def _plain_vcg(bids: Sequence[BundleBid]) -> dict[str, int]:
    """Return VCG payments as the textbook computes them, one solve after the other."""
    welfare, chosen = _plain(bids)
    return {
        bids[at].bidder: _plain([one for one in bids if one.bidder != bids[at].bidder])[0]
        - (welfare - bids[at].amount.minor)
        for at in chosen
    }


def _plain(bids: Sequence[BundleBid]) -> tuple[int, list[int]]:
    model = cp_model.CpModel()
    chosen_by = [model.new_bool_var("") for _ in bids]
    groups: dict[tuple[str, str], list[cp_model.IntVar]] = {}
    for one, literal in zip(bids, chosen_by, strict=True):
        for key in (("bidder", one.bidder), *(("good", good) for good in one.goods)):
            groups.setdefault(key, []).append(literal)
    for group in groups.values():
        model.add_at_most_one(group)
    model.maximize(sum(one.amount.minor * literal for one, literal in zip(bids, chosen_by, strict=True)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    chosen = [at for at, literal in enumerate(chosen_by) if solver.boolean_value(literal)]
    return sum(bids[at].amount.minor for at in chosen), chosen
