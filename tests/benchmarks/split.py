"""Sharing a licence's pool among 30 million people, against sorting their weights; peers split a pool exactly, as we do a sale."""

from fractions import Fraction

import numpy as np

from pricing.money import largest_remainder
from pricing.public_shares import public_shares
from tests.benchmarks._bench import Run, least_seconds, run_peer_program

SIZE, SMALLEST = 30_000_000, 1_000
"""People."""
POOL = 10**15 - 7

_PEERS = {
    "largest-remainder": """
from largest_remainder import LargestRemainder
def split(pool, weights): return LargestRemainder.round(weights, total=pool)
""",
    "apportionment": """
from apportionment.methods import compute
def split(pool, weights): return compute("hamilton", weights, pool, tiesallowed=True, verbose=False)
""",
}
_RUN = """
import json, sys, time
pool, weights, cases = json.load(sys.stdin)
best = 1e9
for _ in range(5):
    start = time.perf_counter()
    split(pool, weights)
    best = min(best, time.perf_counter() - start)
answers = []
for some, each in cases:
    try:
        answers.append([int(share) for share in split(some, each)])
    except Exception as problem:
        answers.append(None)
print(json.dumps([best, answers]))
"""


def main(run: Run) -> None:
    """Print the shares of 30 M weights over numpy's sort, and with `peers` what exact splits take and each gets wrong."""
    rng = np.random.default_rng(1)
    for what, weights in (
        ("", np.minimum(rng.geometric(1 / 40, run.size), 720).astype(np.int64)),
        ("-wide", rng.integers(0, 10**6, run.size)),
    ):
        total = int(weights.sum())
        ours = least_seconds(lambda weights=weights, total=total: public_shares(POOL, total, weights))
        sort = least_seconds(lambda weights=weights: np.sort(weights))
        spent = f"({ours:.2f} s, {sort:.2f} s)"
        run.figure(f"{run.millions}{what}", f"{ours / sort:.2f}", f"× numpy sort of the same weights {spent}")
    if run.peers:
        # The first takes a list of any length; the second names its parties with letters and has 52 of them.
        _against(run, "largest-remainder", 200_000)
        _against(run, "apportionment", 50)


def _against(run: Run, package: str, people: int) -> None:
    """Print our time as a share of the peer's on one list, and how many of 2,000 small cases each gets wrong.

    Wrong: no answer, a sum other than the pool, or a share a whole unit or more from its exact quota.
    """
    rng = np.random.default_rng(3)
    weights = rng.integers(1, 720, people)
    pool = 10**6 + 1
    cases = [(int(rng.integers(1, 10**17)), rng.integers(1, 60, 6).tolist()) for _ in range(1_000)]
    cases += [(int(rng.integers(1, 60)), rng.integers(1, 60, 6).tolist()) for _ in range(1_000)]
    listed = weights.tolist()
    ours = least_seconds(lambda: largest_remainder(pool, listed))
    spent, answers = run_peer_program(package, _PEERS[package] + _RUN, [pool, listed, cases])
    wrong = sum(not _right(pool, each, answer) for (pool, each), answer in zip(cases, answers, strict=True))
    own = sum(not _right(pool, each, largest_remainder(pool, each)) for pool, each in cases)
    mistakes = f"wrong in {wrong} of 2,000 cases, ours in {own}"
    run.figure(package, f"{ours / spent:.3f}", f"× its time on {people:,} weights; {mistakes}")


def _right(pool: int, weights: list[int], answer: list[int] | None) -> bool:
    if answer is None or sum(answer) != pool:
        return False
    return all(
        abs(share - Fraction(pool * weight, sum(weights))) < 1 for share, weight in zip(answer, weights, strict=True)
    )
