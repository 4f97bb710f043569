"""Bids accepted a second on one auction, against bare transactions that lock and update one row, in the same run.

`python3 tests bench bids` prints `bids accepted RATIO …` (64 bidders, closed loop: bids over bare transactions), the same
over a bare UPDATE that is one statement as a bid is, and `bids p99 RATIO …` (open loop at half of the lower of both rates,
which either sustains: the bids' p99 over the bare transaction's). One PostgreSQL that syncs every commit, one pool, one driver for all of them; the
bare work is measured with as many connections as suit it better.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable

from marketplace.core import database
from marketplace.sales.auctions.actions import place_bid
from tests.benchmarks._bench import Run, p99
from tests.sales.builders.auctions import make_bidder, open_auction
from tests.support.reads import fetch_one

Work = Callable[[int], Awaitable[None]]

BIDDERS = 64
FEW, CONNECTIONS = 2, 10
SIZE, SMALLEST = 6_000, 128
"""Transactions of a closed loop; an open one lasts a second for each thousand."""
ROUNDS = 3


def main(run: Run) -> None:
    """Run it; the peer is PostgreSQL itself."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run))


async def _measure(run: Run) -> None:
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
        rates["bare"] += [await _closed_loop(bare(connections), run.size) for connections in limits]
        rates["update"] += [await _closed_loop(update(connections), run.size) for connections in limits]
        before = accepted[True]
        seconds = run.size / await _closed_loop(bid, run.size)
        rates["bid"].append((accepted[True] - before) / seconds)
    best, peer, least = (max(rates[name]) for name in ("bid", "bare", "update"))
    run.figure(
        "accepted",
        f"{best / peer:.2f}",
        f"× bare locked single-row transactions "
        f"({best:.0f} accepted/s of {accepted[True]} accepted and {accepted[False]} refused; bare {peer:.0f}/s)",
    )
    run.figure("bare-update", f"{best / least:.2f}", f"× bare one-statement updates of the row ({least:.0f}/s)")
    rate = min(best, peer) / 2
    slow, quick = [await _open_loop(work, rate, run.size / 1_000) for work in (bid, bare(CONNECTIONS))]
    run.figure(
        "p99",
        f"{slow / quick:.2f}",
        f"× bare p99 in an open loop at {rate:.0f}/s ({slow * 1e3:.1f} ms; bare {quick * 1e3:.1f} ms)",
    )


async def _closed_loop(work: Work, transactions: int) -> float:
    """Return how many a second 64 workers do, each beginning the next when the last is done."""
    numbers = iter(range(transactions))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    start = time.perf_counter()
    await asyncio.gather(*(asyncio.create_task(worker()) for _ in range(BIDDERS)))
    return transactions / (time.perf_counter() - start)


async def _open_loop(work: Work, rate: float, seconds: float) -> float:
    """Return the p99 in seconds when work comes at `rate`, whether or not earlier work is done; waiting counts."""
    start, durations = time.perf_counter(), []

    async def one(number: int) -> None:
        due = start + number / rate
        await work(number)
        durations.append(time.perf_counter() - due)

    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return p99(durations)
