"""A reverse auction over 30 million asks, against sorting them."""

import numpy as np

from pricing.auctions.reverse import proportional_share, uniform_asks, uniform_asks_within
from tests.benchmarks._bench import Run, least_seconds

SIZE, SMALLEST = 30_000_000, 1_000
"""Asks."""


def main(run: Run) -> None:
    """Print each rule's time as a share of numpy's sort; it has no peers."""
    asks = np.random.default_rng(0).lognormal(13, 1, run.size).astype(np.int64)
    sort = least_seconds(lambda: np.sort(asks), 2)
    for what, work in (
        ("", lambda: uniform_asks(asks, run.size // 30)),
        ("-budget", lambda: uniform_asks_within(asks, 10**12)),
        ("-proportional", lambda: proportional_share(asks, 10**12)),
    ):
        ours = least_seconds(work)
        spent = f"({ours:.2f} s, {sort:.2f} s)"
        run.figure(f"{run.millions}{what}", f"{ours / sort:.3f}", f"× numpy sort of the same asks {spent}")
