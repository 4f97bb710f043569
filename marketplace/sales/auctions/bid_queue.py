"""The bid queue: bids of one auction wait in a process during a transaction; the next transaction places all of them.

A bid thus costs only a share of a lock and of a commit when many come at once, no bid overtakes another here, and the
pool's connections are left to readers. Each bid is still decided separately, in order, while the row is locked.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from asyncpg.exceptions import PostgresError

from marketplace.core.database import is_in_transaction
from marketplace.sales.auctions.placing import PlacedBid, place_open_bids
from marketplace.sales.auctions.receipts import receipts_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.sales.auctions.placing import OpenBid

BATCH_SIZE: Final = 32
ANSWERED_AT_ONCE: Final = 2
"""Every answer causes work: only a few at a time, so that results of the next batch never wait for it."""
SEALED_AT_ONCE: Final = 2
"""Each sealed bid is its own transaction: one is placed while the next waits at the row."""


class BidQueue:
    """The queue of one auction's bids in this process; it exists as long as a bid waits in it."""

    def __init__(self, auction: uuid.UUID) -> None:
        """Start with an empty queue."""
        self.auction = auction
        self.terms_sha256 = ""
        """The hash of the terms that receipts name: each bid states it, since it is fixed at the announcement."""
        self.sealed_places = asyncio.Semaphore(SEALED_AT_ONCE)
        """Acquired by each sealed bid under way."""
        self.waiting: deque[tuple[OpenBid, asyncio.Future[PlacedBid | None]]] = deque()
        self.sender: asyncio.Task[None] | None = None
        self.answers: deque[tuple[list[asyncio.Future[PlacedBid | None]], list[PlacedBid | Exception | None]]] = deque()
        """Results of batches whose bidders are not notified yet."""
        self.answerer: asyncio.Task[None] | None = None

    async def submit(self, bid: OpenBid, terms_sha256: str) -> PlacedBid | None:
        """Return the result of an open bid; None if the auction was cancelled. Raises NotFound if it does not exist.

        terms_sha256: the hash that its receipt names, see `receipts.receipt_of`. In the caller's open transaction the
        bid is placed alone.
        """
        self.terms_sha256 = terms_sha256
        if is_in_transaction():
            placed = await place_open_bids(self.auction, [bid]) or []
            sign_together(placed, terms_sha256)
            return placed[0] if placed else None
        answer: asyncio.Future[PlacedBid | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((bid, answer))
        if self.sender is None:
            self.sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        """Place the waiting bids, all at a time, until none is left; if ended early, cancel the waiting ones."""
        batch: list[tuple[OpenBid, asyncio.Future[PlacedBid | None]]] = []
        try:
            while self.waiting:
                batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), BATCH_SIZE))]
                results = await self._place_batch([bid for bid, _ in batch])
                self.answers.append(([answer for _, answer in batch], results))
                batch = []
                if self.answerer is None:
                    self.answerer = asyncio.create_task(self._answer())
        finally:
            self.sender = None
            for _, answer in (*batch, *self.waiting):
                answer.cancel()  # this changes no answer already given
            self.waiting.clear()

    async def _answer(self) -> None:
        """Sign and answer the placed bids, a few bidders at a time while the next batch is under way."""
        while self.answers:
            answers, results = self.answers.popleft()
            sign_together(results, self.terms_sha256)
            for number, (answer, result) in enumerate(zip(answers, results, strict=True), start=1):
                if answer.done():  # its bidder has left
                    continue
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)
                if number % ANSWERED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self.answerer = None

    async def _place_batch(self, bids: list[OpenBid]) -> list[PlacedBid | Exception | None]:
        """Return the result of each bid.

        If the database refuses the batch, each bid is placed alone, so that a faulty one affects only itself.
        """
        try:
            placed = await place_open_bids(self.auction, bids)
        except Exception as problem:  # noqa: BLE001 (everyone who waits gets it)
            if len(bids) == 1 or not isinstance(problem, PostgresError):
                return [problem] * len(bids)
            return [one for bid in bids for one in await self._place_batch([bid])]
        return list(placed) if placed is not None else [None] * len(bids)


def sign_together(placed: Sequence[PlacedBid | Exception | None], terms_sha256: str) -> None:
    """Sign receipts for the new bids among bids that were decided together."""
    new = [(one, one.bid) for one in placed if isinstance(one, PlacedBid) and one.bid and not one.is_repeated]
    for (one, _), receipt in zip(new, receipts_of([bid for _, bid in new], terms_sha256), strict=True):
        one.receipt = receipt


_queues: weakref.WeakValueDictionary[uuid.UUID, BidQueue] = weakref.WeakValueDictionary()


def queue_of(auction: uuid.UUID) -> BidQueue:
    """Return the queue of an auction's bids in this process."""
    queue = _queues.get(auction)
    if queue is None:
        queue = _queues[auction] = BidQueue(auction)
    return queue
