"""Where bids of one auction wait in a process: one statement is under way, and the next takes all that came meanwhile.

So a bid costs a share of a lock and of a commit however many come at once, nobody overtakes here, and the pool's
connections are left to whoever reads. Every bid is still decided alone, in its turn, while the row is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from asyncpg.exceptions import PostgresError

from marketplace.database import fetch, is_in_transaction

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from marketplace.auctions.rules import Row

TAKEN_TOGETHER: Final = 32
SEALED_AT_ONCE: Final = 2
"""Sealed bids are a transaction each: one is taken, the next waits at the row."""


class Lane:
    """The queue of one auction's bids in this process; it lives as long as somebody waits in it."""

    def __init__(self, auction: uuid.UUID) -> None:
        """Begin with nobody waiting."""
        self.auction = auction
        self.places = asyncio.Semaphore(SEALED_AT_ONCE)
        self.waiting: deque[tuple[tuple[object, ...], asyncio.Future[Row | None]]] = deque()
        self.sender: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def sealing(self) -> AsyncIterator[None]:
        """Wait for a place among the sealed bids under way, and hold it, and with it this lane."""
        async with self.places:
            yield

    async def take(self, *bid: object) -> Row | None:
        """Return the answer to an open bid (its id, partner, pseudonym and maximum); None where the auction takes none.

        In the caller's transaction, where one is open, it goes alone.
        """
        if is_in_transaction():
            return (await self._taken([bid])).get(1)
        answer: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((bid, answer))
        if self.sender is None:
            self.sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        """Have the bids that wait taken, all that came meanwhile at a time, until none does; ended early, nobody waits on."""
        some: list[tuple[tuple[object, ...], asyncio.Future[Row | None]]] = []
        try:
            while self.waiting:
                some = [self.waiting.popleft() for _ in range(min(len(self.waiting), TAKEN_TOGETHER))]
                told = await self._told([bid for bid, _ in some])
                for (_, answer), one in zip(some, told, strict=True):
                    if answer.done():  # its bidder has left
                        continue
                    if isinstance(one, Exception):
                        answer.set_exception(one)
                    else:
                        answer.set_result(one)
        finally:
            self.sender = None
            for _, answer in (*some, *self.waiting):
                answer.cancel()  # which changes no answer that was given
            self.waiting.clear()

    async def _told(self, bids: list[tuple[object, ...]]) -> list[Row | Exception | None]:
        """Return what each bid is told. Where the database refuses them together each goes alone: one's fault is its own."""
        try:
            rows = await self._taken(bids)
        except Exception as problem:  # noqa: BLE001 (told to whoever waits)
            if len(bids) == 1 or not isinstance(problem, PostgresError):
                return [problem] * len(bids)
            return [one for bid in bids for one in await self._told([bid])]
        return [rows.get(number) for number in range(1, len(bids) + 1)]

    async def _taken(self, bids: list[tuple[object, ...]]) -> dict[int, Row]:
        rows = await fetch(
            "SELECT number, (answered).*, repeated, refusal FROM place_open_bids($1, $2, $3, $4, $5)",
            self.auction, *(list(column) for column in zip(*bids, strict=True)),
        )  # fmt: skip
        return {row["number"]: row for row in rows}


_lanes: weakref.WeakValueDictionary[uuid.UUID, Lane] = weakref.WeakValueDictionary()


def lane_of(auction: uuid.UUID) -> Lane:
    """Return the queue of an auction's bids in this process."""
    lane = _lanes.get(auction)
    if lane is None:
        lane = _lanes[auction] = Lane(auction)
    return lane
