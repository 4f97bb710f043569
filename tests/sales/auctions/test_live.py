"""The live stream: everyone sees every price within a second, a browser that returns misses nothing, who leaves leaves nothing."""

import asyncio
import datetime as dt
import functools
import json
import time
import uuid
from typing import Any

import pytest

from marketplace.core.database import execute
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.actions import place_bid
from tests.sales.auctions.webs import Web, web_processes
from tests.sales.builders.auctions import make_bidder, open_auction
from tests.support.reads import fetch_value
from tests.support.waiting import until

POOLED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query NOT LIKE 'LISTEN%'"
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@functools.lru_cache(maxsize=1000)
def parsed(event: bytes) -> tuple[str | None, dict[str, Any] | None]:
    """Return an event's id and its data: read once, however many watchers are sent it."""
    number, data = None, None
    for line in event.decode().splitlines():
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            data = json.loads(line[6:])
    return number, data


class Watcher(asyncio.Protocol):
    """A browser's EventSource: keeps the last id, and when each position was seen. It costs little: hundreds share a process."""

    def __init__(self) -> None:
        self.last: str | None = None
        self.seen: dict[int, float] = {}
        self.twice = 0
        self.phases: list[str] = []
        self.beside: list[tuple[int, int]] = []
        """Where a price was shown beside the log: it, and the one of the log's last bid."""
        self.pending = b""
        self.lost = asyncio.Event()

    async def watch(self, web: Web, auction: uuid.UUID, since: int | None = 0) -> None:
        self.pending, self.lost = b"", asyncio.Event()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", web.port)
        try:
            asked = f"?since={since}" if self.last is None and since is not None else ""
            returning = f"Last-Event-ID: {self.last}\r\n" if self.last is not None else ""
            transport.write(
                f"GET /api/v1/auctions/{auction}/stream{asked} HTTP/1.0\r\nHost: partage\r\n{returning}Accept: text/event-stream\r\n\r\n".encode()
            )
            await self.lost.wait()
        finally:
            transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        *events, self.pending = (self.pending + data).split(b"\n\n")
        for number, content in map(parsed, events):
            self.last = number or self.last
            if content is None:
                continue
            self.phases.append(content["phase"])
            for entry in content["log"]:
                self.twice += entry["position"] in self.seen
                self.seen.setdefault(entry["position"], time.monotonic())
            if content["log"]:
                self.beside.append((content["price_minor"], content["log"][-1]["price_minor"]))


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "bids", "processes"), [(20, 12, 2), pytest.param(500, 60, 3, marks=[pytest.mark.deep, pytest.mark.alone])]
)
async def test_every_watcher_sees_every_price_and_leaves_nothing_behind(count: int, bids: int, processes: int) -> None:
    """The deep one holds everyone to a second; the other is also run on machines that are busy with something else."""

    async def story(webs: list[Web]) -> None:
        auction, ann, bob = await open_auction(), await make_bidder(), await make_bidder()
        before = [await asyncio.to_thread(web.inside) for web in webs]
        assert await fetch_value(LISTENING) == 0
        watchers = [Watcher() for _ in range(count)]
        tasks = [asyncio.create_task(watcher.watch(webs[n % processes], auction)) for n, watcher in enumerate(watchers)]
        await until(lambda: all(watcher.phases for watcher in watchers), 60)
        assert await fetch_value(LISTENING) == processes, "one connection a process"
        inside = [await asyncio.to_thread(web.inside) for web in webs]
        assert sum(one["watchers"] for one in inside) == count
        assert {(one["feeds"], one["listeners"]) for one in inside} == {(1, 1)}
        placed: dict[int, float] = {}
        for turn in range(bids):
            bidder = (ann, bob)[turn % 2]
            answer = await place_bid(bidder.actor, auction, bid=uuid.uuid4(), maximum_minor=2_000 + turn * 700)
            assert answer.position
            placed[answer.position] = time.monotonic()
            await until(lambda seen=watchers[0].seen, at=answer.position: at in seen)  # type: ignore[misc]
        await until(lambda: all(len(watcher.seen) == bids for watcher in watchers), 60)
        assert not any(watcher.twice for watcher in watchers)
        assert all(price == last for watcher in watchers for price, last in watcher.beside)
        slowest = max(watcher.seen[position] - at for watcher in watchers for position, at in placed.items())
        print(f"{count} watchers in {processes} processes saw every price within {slowest:.2f} s")
        assert count < 500 or slowest < 1.0, f"a price took {slowest:.2f} s"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        async def nothing_is_left() -> bool:
            after = [await asyncio.to_thread(web.inside) for web in webs]
            # The pool keeps connections to the database that it opened under way; nothing else may stay.
            pooled = await fetch_value(POOLED)
            return int(await fetch_value(LISTENING)) == 0 and all(
                now["tasks"] <= then["tasks"]
                and (now["feeds"], now["watchers"], now["listeners"]) == (0, 0, 0)
                and now["files"] <= then["files"] + pooled
                for then, now in zip(before, after, strict=True)
            )

        await until(nothing_is_left, 60)

    with web_processes(processes) as webs:
        await story(webs)


@pytest.mark.long
async def test_the_page_follows_the_clock_and_the_award() -> None:
    async def story(webs: list[Web]) -> None:
        seconds, watcher = 0.7, Watcher()
        while watcher.phases[:1] != ["announced"]:  # until the watcher was there before it opened
            seconds, watcher = 2 * seconds, Watcher()
            opens_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
            auction = await open_auction(seconds=2 * seconds, opens_at=opens_at, window_seconds=0)
            task = asyncio.create_task(watcher.watch(webs[0], auction))
            await until(lambda: "closing" in watcher.phases, 60)  # noqa: B023 (awaited at once)
            if watcher.phases[:1] != ["announced"]:
                task.cancel()
        await ending.close_auctions()
        await until(lambda: "awarded" in watcher.phases, 60)
        assert list(dict.fromkeys(watcher.phases)) in (
            ["announced", "open", "closing", "awarded"],
            ["announced", "open", "closing", "closed", "awarded"],
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with web_processes(1) as webs:
        await story(webs)


@pytest.mark.long
async def test_a_browser_that_returns_misses_nothing_even_from_another_process() -> None:
    async def story(webs: list[Web]) -> None:
        auction, ann, bob = await open_auction(), await make_bidder(), await make_bidder()
        watcher = Watcher()
        task = asyncio.create_task(watcher.watch(webs[0], auction))
        for turn in range(4):
            await place_bid((ann, bob)[turn % 2].actor, auction, bid=uuid.uuid4(), maximum_minor=2_000 + turn * 700)
        await until(lambda: len(watcher.seen) == 4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for turn in range(4, 9):
            await place_bid((ann, bob)[turn % 2].actor, auction, bid=uuid.uuid4(), maximum_minor=2_000 + turn * 700)
        task = asyncio.create_task(watcher.watch(webs[1], auction))
        await until(lambda: len(watcher.seen) == 9)
        # The database drops the LISTEN connection: it comes back, and nothing is missed.
        await execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=90_000)
        await until(lambda: len(watcher.seen) == 10, 60)
        assert watcher.twice == 0
        assert sorted(watcher.seen) == list(range(1, 11))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        strange = Watcher()
        strange.last = "'; DROP TABLE bid"
        task = asyncio.create_task(strange.watch(webs[0], auction))
        await until(lambda: bool(strange.phases))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with web_processes(2) as webs:
        await story(webs)
