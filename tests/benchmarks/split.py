"""Splitting a licence's pool among 30 million people, against sorting their weights; peers split what they can."""

import random
from fractions import Fraction
from time import perf_counter

import numpy as np

from pricing.money import largest_remainder
from pricing.revenue_share import shares, split_pool
from tests.benchmarks._peers import run_peer, seconds

PEOPLE = 30_000_000
POOL = 10**15 - 7

_LARGEST_REMAINDER = """
import json, sys, time
import largest_remainder as peer
weights = json.load(sys.stdin)
numbers = [100 * weight / sum(weights) for weight in weights]
start = time.perf_counter()
shares = peer.round(numbers, 0) if hasattr(peer, "round") else peer.largest_remainder(numbers)
print(json.dumps([time.perf_counter() - start, [int(share) for share in shares]]))
"""

_APPORTIONMENT = """
import json, sys, time
import apportionment.methods as peer
pool, weights, pairs = json.load(sys.stdin)
start = time.perf_counter()
peer.compute("hamilton", weights, pool, verbose=False, tiesallowed=True)
took = time.perf_counter() - start
answers = []
for some, each in pairs:
    try:
        answers.append([int(share) for share in peer.compute("hamilton", each, some, verbose=False, tiesallowed=True)])
    except Exception as problem:
        answers.append(repr(problem))
print(json.dumps([took, answers]))
"""


def main(peers: bool) -> None:  # noqa: FBT001 - the runner's contract.
    """Print the split of 30 M weights as a share of numpy's sort, and with `peers` what each takes and gets wrong."""
    rng = np.random.default_rng(1)
    for what, weights in (
        ("30M", np.minimum(rng.geometric(1 / 40, PEOPLE), 720).astype(np.int64)),
        ("30M-wide", rng.integers(0, 10**6, PEOPLE)),
    ):
        ours = seconds(lambda weights=weights: shares(split_pool(POOL, weights), weights))
        sort = seconds(lambda weights=weights: np.sort(weights))
        print(f"split {what} {ours / sort:.2f} × numpy sort of the same weights ({ours:.2f} s, {sort:.2f} s)")
    if peers:
        _apportionment()


def _apportionment() -> None:
    """Compare on one long list, then count wrong answers over small random cases against exact fractions."""
    random.seed(3)
    weights = [random.randint(1, 720) for _ in range(20_000)]
    pairs = [(random.randint(1, 60), [random.randint(1, 60) for _ in range(6)]) for _ in range(2_000)]
    start = perf_counter()
    largest_remainder(10**6, weights)
    ours = perf_counter() - start
    took, answers = run_peer("apportionment", _APPORTIONMENT, [10**6, weights, pairs])
    wrong = 0
    for (pool, each), answer in zip(pairs, answers, strict=True):
        quotas = [Fraction(pool * weight, sum(each)) for weight in each]
        right = isinstance(answer, list) and sum(answer) == pool
        wrong += not (right and all(abs(share - quota) < 1 for share, quota in zip(answer, quotas, strict=True)))
        assert sum(largest_remainder(pool, each)) == pool
    print(f"split apportionment {ours / took:.3f} × apportionment on 20,000 weights; it breaks quota or sum in {wrong} of 2,000")
    huge = [333_286, 493_006]
    _, [answer] = run_peer("apportionment", _APPORTIONMENT, [10, [1, 2], [[59_555_351_390_612_711, huge]]])
    off = sum(answer) - 59_555_351_390_612_711 if isinstance(answer, list) else answer
    print(f"split huge-error 0 units; apportionment: {off}")
