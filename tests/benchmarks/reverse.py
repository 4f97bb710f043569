"""A reverse auction over 30 million asks, against sorting them."""

import numpy as np

from pricing.auctions.reverse import proportional_share, uniform_asks, uniform_asks_within
from tests.benchmarks._peers import seconds

PEOPLE = 30_000_000


def main(peers: bool) -> None:  # noqa: FBT001 - the runner's contract.
    """Print each rule's time as a share of numpy's sort; it has no peers."""
    del peers
    asks = np.random.default_rng(0).lognormal(13, 1, PEOPLE).astype(np.int64)
    sort = seconds(lambda: np.sort(asks), 2)
    for what, work in (
        ("30M", lambda: uniform_asks(asks, 1_000_000)),
        ("30M-budget", lambda: uniform_asks_within(asks, 10**12)),
        ("30M-proportional", lambda: proportional_share(asks, 10**12)),
    ):
        ours = seconds(work)
        print(f"reverse {what} {ours / sort:.3f} × numpy sort of the same asks ({ours:.2f} s, {sort:.2f} s)")
