"""The bid queue: bids of one auction wait in a process while one transaction is under way; the next places all that came.

So a bid costs a share of a lock and of a commit however many come at once, nobody overtakes here, and the pool's
connections are left to those who read. Every bid is still decided alone, in its turn, while the row is locked.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from asyncpg.exceptions import PostgresError

from marketplace.auctions.placing import place_open_bids
from marketplace.database import is_in_transaction

if TYPE_CHECKING:
    import uuid

    from marketplace.auctions.placing import OpenBid, PlacedBid

BATCH_SIZE: Final = 32
ANSWERED_AT_ONCE: Final = 4
"""Everyone answered signs a receipt: a few at a time, so that the database's answers to the next batch never wait for all."""
SEALED_AT_ONCE: Final = 2
"""Sealed bids are a transaction each: one is placed, the next waits at the row."""


class BidQueue:
    """The queue of one auction's bids in this process; it lives as long as somebody waits in it."""

    def __init__(self, auction: uuid.UUID) -> None:
        """Begin with nobody waiting."""
        self.auction = auction
        self.sealed_places = asyncio.Semaphore(SEALED_AT_ONCE)
        """Acquired by each sealed bid that is under way."""
        self.waiting: deque[tuple[OpenBid, asyncio.Future[PlacedBid | None]]] = deque()
        self.sender: asyncio.Task[None] | None = None
        self.answers: deque[tuple[asyncio.Future[PlacedBid | None], PlacedBid | Exception | None]] = deque()
        """What became of bids whose bidders are not notified yet."""
        self.answerer: asyncio.Task[None] | None = None

    async def submit(self, bid: OpenBid) -> PlacedBid | None:
        """Return what became of an open bid; None where the auction was cancelled, NotFound where it does not exist.

        In the caller's transaction, where one is open, it goes alone.
        """
        if is_in_transaction():
            placed = await place_open_bids(self.auction, [bid])
            return placed[0] if placed else None
        answer: asyncio.Future[PlacedBid | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((bid, answer))
        if self.sender is None:
            self.sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        """Place the bids that wait, all that came meanwhile at a time, until none does; ended early, nobody waits on."""
        batch: list[tuple[OpenBid, asyncio.Future[PlacedBid | None]]] = []
        try:
            while self.waiting:
                batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), BATCH_SIZE))]
                results = await self._place_batch([bid for bid, _ in batch])
                self.answers.extend((answer, result) for (_, answer), result in zip(batch, results, strict=True))
                batch = []
                if self.answerer is None:
                    self.answerer = asyncio.create_task(self._answer())
        finally:
            self.sender = None
            for _, answer in (*batch, *self.waiting):
                answer.cancel()  # which changes no answer that was given
            self.waiting.clear()

    async def _answer(self) -> None:
        """Answer a few bidders at a time while the next batch is under way, until everybody is."""
        while self.answers:
            for _ in range(min(len(self.answers), ANSWERED_AT_ONCE)):
                answer, result = self.answers.popleft()
                if answer.done():  # its bidder has left
                    continue
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)
            await asyncio.sleep(0)
        self.answerer = None

    async def _place_batch(self, bids: list[OpenBid]) -> list[PlacedBid | Exception | None]:
        """Return what became of each bid. Where the database refuses them together each goes alone: one's fault is its own."""
        try:
            placed = await place_open_bids(self.auction, bids)
        except Exception as problem:  # noqa: BLE001 (everyone who waits gets it)
            if len(bids) == 1 or not isinstance(problem, PostgresError):
                return [problem] * len(bids)
            return [one for bid in bids for one in await self._place_batch([bid])]
        return list(placed) if placed is not None else [None] * len(bids)


_queues: weakref.WeakValueDictionary[uuid.UUID, BidQueue] = weakref.WeakValueDictionary()


def queue_of(auction: uuid.UUID) -> BidQueue:
    """Return the queue of an auction's bids in this process."""
    queue = _queues.get(auction)
    if queue is None:
        queue = _queues[auction] = BidQueue(auction)
    return queue
