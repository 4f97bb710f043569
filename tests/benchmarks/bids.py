"""Bids accepted a second on one auction, against bare transactions that lock and update one row, in the same run.

`python3 tests bench bids` prints `bids accepted RATIO …` (64 bidders, closed loop: bids over bare transactions), the same
over a bare UPDATE that is one statement as a bid is, and `bids p99 RATIO …` (open loop at half of the lower of both rates,
which either sustains: the bids' p99 over the bare transaction's). One PostgreSQL that syncs every commit, one pool, one driver for all of them; the
bare work is measured with as many connections as suit it better.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.reads import fetch_one

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[int], Awaitable[None]]

BIDDERS = 64
FEW, CONNECTIONS = 2, 10
TRANSACTIONS = 6_000
ROUNDS = 3
OPEN_LOOP_SECONDS = 6


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is PostgreSQL itself."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-bids-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server.url()))


async def _measure(url: str) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.auctions.actions import place_bid  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.marketplace.auctions.builders import make_bidder, open_auction  # noqa: PLC0415

    await database.open_pool(url)
    await migrate()
    await database.execute("CREATE TABLE bare (id int PRIMARY KEY, amount bigint NOT NULL, count bigint NOT NULL)")
    await database.execute("INSERT INTO bare VALUES (1, 0, 0)")
    people = [await make_bidder() for _ in range(BIDDERS)]
    auction = await open_auction(seconds=86_400, steps=((0, 1),), reserve_minor=1_000_000)
    amounts = itertools.count(100_000)  # from the reserve on, and below where a bid needs a deposit
    limits = {connections: asyncio.Semaphore(connections) for connections in (FEW, CONNECTIONS)}

    def bare(connections: int) -> Work:
        async def work(number: int) -> None:
            async with limits[connections], database.transaction():
                row = await fetch_one("SELECT * FROM bare WHERE id = 1 FOR UPDATE")
                assert row
                await database.execute("UPDATE bare SET amount = $1, count = count + 1 WHERE id = 1", number)

        return work

    def update(connections: int) -> Work:
        async def work(number: int) -> None:
            async with limits[connections]:
                await database.execute("UPDATE bare SET amount = $1, count = count + 1 WHERE id = 1", number)

        return work

    async def bid(number: int) -> None:
        # The next amount on everybody's lips: a bidder overtaken on the way to the row by more than one bid is refused.
        answer = await place_bid(
            people[number % BIDDERS].actor, auction, bid=uuid.uuid4(), maximum_minor=10 * next(amounts)
        )
        accepted[answer.accepted] += 1

    accepted = {True: 0, False: 0}
    rates: dict[str, list[float]] = {"bare": [], "update": [], "bid": []}
    for _ in range(ROUNDS):
        rates["bare"] += [await _closed_loop(bare(connections)) for connections in limits]
        rates["update"] += [await _closed_loop(update(connections)) for connections in limits]
        before = accepted[True]
        seconds = TRANSACTIONS / await _closed_loop(bid)
        rates["bid"].append((accepted[True] - before) / seconds)
    best, peer, least = (max(rates[name]) for name in ("bid", "bare", "update"))
    print(
        f"bids accepted {best / peer:.2f} × bare locked single-row transactions "
        f"({best:.0f} accepted/s of {accepted[True]} accepted and {accepted[False]} refused; bare {peer:.0f}/s)"
    )
    print(f"bids bare-update {best / least:.2f} × bare one-statement updates of the row ({least:.0f}/s)")
    rate = min(best, peer) / 2
    slow, quick = await _open_loop(bid, rate), await _open_loop(bare(CONNECTIONS), rate)
    print(
        f"bids p99 {slow / quick:.2f} × bare p99 in an open loop at {rate:.0f}/s ({slow * 1e3:.1f} ms; bare {quick * 1e3:.1f} ms)"
    )
    await database.close_pool()


async def _closed_loop(work: Work) -> float:
    """Return how many a second 64 workers do, each beginning the next when the last is done."""
    numbers = iter(range(TRANSACTIONS))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    start = time.perf_counter()
    await asyncio.gather(*(asyncio.create_task(worker()) for _ in range(BIDDERS)))
    return TRANSACTIONS / (time.perf_counter() - start)


async def _open_loop(work: Work, rate: float) -> float:
    """Return the p99 in seconds when work comes at `rate`, whether or not earlier work is done; waiting counts."""
    start, durations = time.perf_counter(), []

    async def one(number: int) -> None:
        due = start + number / rate
        await work(number)
        durations.append(time.perf_counter() - due)

    tasks = []
    for number in range(int(rate * OPEN_LOOP_SECONDS)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return sorted(durations)[int(len(durations) * 0.99)]


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench bids")
