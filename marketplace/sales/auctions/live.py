"""The live stream of auctions: one LISTEN connection a process, one reading of each change, any number of watchers.

A watcher is a cursor into the log of accepted bids: each message carries every bid since its last one and has the
latest position as its id, so a browser that returns with `Last-Event-ID` misses nothing and sees nothing twice. A
message is written once a process, and a watcher costs no query, timer or task while it keeps up. A lost LISTEN
connection is opened again and everything is read again; when the last watcher leaves, nothing remains.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import structlog

from marketplace.core.database import DB
from marketplace.core.errors import Busy
from marketplace.sales.auctions.actions import CHANNEL
from marketplace.sales.auctions.queries import ROWS_A_MESSAGE, get_auction, list_log, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from marketplace.sales.auctions.queries import Snapshot

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS: Final = 15.0
HEARTBEAT: Final = b": still here\n\n"
READ_AGAIN_SECONDS: Final = 5.0
"""While anybody watches, the auction is read at least this often, in case a notification is lost."""
PAUSE_SECONDS: Final = 0.2
"""The first change is sent at once, and further ones within this time share a message: a watcher needs no more than
five a second, and five hundred watchers can be sent that many.
"""
A_LITTLE_SECONDS: Final = 0.02
LOST: Final = (OSError, TimeoutError, Busy, asyncpg.PostgresError, asyncpg.InterfaceError)  # type: ignore[attr-defined]
MESSAGES_KEPT: Final = 64
RETRY_MILLISECONDS: Final = 1000
LONGEST_WAIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a process sends once: the bids from position `first` to `last`, none if last is before first."""

    number: int
    first: int
    last: int
    chunk: bytes


class Feed:
    """What one process knows of one auction: its latest messages, and the watchers that wait for the next."""

    def __init__(self, auction: uuid.UUID) -> None:
        """Start before anything is read."""
        self.auction = auction
        self.dirty = asyncio.Event()
        self.changed = asyncio.Event()
        self.messages: deque[Message] = deque(maxlen=MESSAGES_KEPT)
        self.number = 0
        self.position: int | None = None
        self.state: tuple[object, ...] | None = None
        self.watchers = 0
        self.again_in_seconds = READ_AGAIN_SECONDS
        self.task: asyncio.Task[None] | None = None

    def publish(self, chunk: bytes, first: int, last: int) -> None:
        """Store a message and wake every watcher that waits for one."""
        self.number += 1
        self.messages.append(Message(self.number, first, last, chunk))
        self.changed.set()
        self.changed = asyncio.Event()

    def beat(self) -> None:
        """Publish that the connection is still open."""
        if self.position is not None:
            self.publish(HEARTBEAT, self.position + 1, self.position)

    async def keep(self) -> None:
        """Read the auction whenever it may have changed, and publish the changes."""
        while True:
            self.dirty.clear()
            try:
                while await self._read():
                    pass
            except LOST as problem:
                log.warning("live page waits for the database", why=str(problem))
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.dirty.wait(), self.again_in_seconds)

    async def _read(self) -> bool:
        """Publish one message if anything changed; return whether more is waiting."""
        auction = await get_auction(self.auction)
        # It opens and ends by the clock, which sends no notification.
        until = [(instant - auction.now).total_seconds() for instant in (auction.opens_at, auction.closes_at)]
        ahead = [seconds + A_LITTLE_SECONDS for seconds in until if seconds >= 0]
        self.again_in_seconds = min([READ_AGAIN_SECONDS, *ahead])
        if self.position is None:
            self.position = auction.bid_count
        rows = await list_log(self.auction, after=self.position, upto=auction.bid_count)
        state = (auction.phase, auction.closes_at, auction.root)
        if not rows and state == self.state:
            return False
        first = self.position + 1
        if rows:
            self.position = rows[-1].position
        self.state = state
        self.publish(message(snapshot(auction, rows), self.position), first, self.position)
        return len(rows) == ROWS_A_MESSAGE


class Hub:
    """The LISTEN connection and the heartbeat of one event loop, and the feeds they wake."""

    def __init__(self) -> None:
        """Start without a connection; the first watcher opens it."""
        self.feeds: dict[uuid.UUID, Feed] = {}
        self.listener: asyncio.Task[None] | None = None
        self.heart: asyncio.Task[None] | None = None

    def enter(self, auction: uuid.UUID) -> Feed:
        """Count one more watcher of an auction."""
        feed = self.feeds.get(auction)
        if feed is None:
            feed = self.feeds[auction] = Feed(auction)
            feed.task = asyncio.create_task(feed.keep())
        if self.listener is None:
            self.listener = asyncio.create_task(self._listen())
            self.heart = asyncio.create_task(self._beat())
        feed.watchers += 1
        return feed

    def leave(self, feed: Feed) -> None:
        """Count one watcher less; the last one closes the connection."""
        feed.watchers -= 1
        if not feed.watchers:
            del self.feeds[feed.auction]
            assert feed.task
            feed.task.cancel()
        if not self.feeds and self.listener and self.heart:
            self.listener.cancel()
            self.heart.cancel()
            self.listener = self.heart = None

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for feed in self.feeds.values():
                feed.beat()

    async def _listen(self) -> None:
        """Hold a LISTEN connection of its own, and open it again whenever it is lost."""
        wait = 0.1
        while True:
            connection = None
            try:
                connection = await DB.get_new_connection()
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, self._notified)
                wait = 0.1
                # Notifications sent while nobody listened are lost: read every auction.
                for feed in self.feeds.values():
                    feed.dirty.set()
                await lost.wait()
                log.warning("LISTEN connection lost")
            except LOST as problem:
                log.warning("LISTEN connection fails", why=str(problem), again_in_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            finally:
                if connection is not None and not connection.is_closed():
                    connection.terminate()

    def _notified(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        feed = self.feeds.get(uuid.UUID(str(payload)))
        if feed is not None:
            feed.dirty.set()


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """Return this event loop's hub."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def message(content: Snapshot, position: int) -> bytes:
    """Write one server-sent event whose id is the latest position it has."""
    return f"id: {position}\nevent: auction\ndata: {msgspec.json.encode(content).decode()}\n\n".encode()


async def watch(auction: uuid.UUID, since: int | None) -> AsyncIterator[bytes]:
    """Yield the stream of one watcher: the auction as it is, every bid after position `since`, and each change to come.

    since: the browser's Last-Event-ID; None for a page that has just been drawn.
    """
    feed = hub().enter(auction)
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        seen, cursor = feed.number, -1
        async for chunk, cursor in _catch_up(auction, since):  # noqa: B007 (the cursor moves on)
            yield chunk
        while True:
            if feed.number == seen:
                await feed.changed.wait()
            fresh = [kept for kept in feed.messages if kept.number > seen and kept.last >= cursor]
            seen = feed.number
            if not fresh:
                continue
            if _in_line(fresh, cursor):
                cursor = fresh[-1].last
                yield b"".join(kept.chunk for kept in fresh)
            else:
                # A watcher that is slow, or that came between two readings, reads up to the present by itself.
                async for chunk, cursor in _catch_up(auction, cursor):  # noqa: B007, B020
                    yield chunk
    finally:
        hub().leave(feed)


def _in_line(messages: Sequence[Message], cursor: int) -> bool:
    """Return whether each message begins where the previous one ended, the first after position `cursor`."""
    for one in messages:
        if one.first != cursor + 1:
            return False
        cursor = one.last
    return True


async def _catch_up(auction: uuid.UUID, since: int | None) -> AsyncIterator[tuple[bytes, int]]:
    """Yield (message, position) for everything after position `since`; at least one message, with the auction's state.

    since: None for the auction's state alone.
    """
    cursor = since
    while True:
        row = await get_auction(auction)
        count = row.bid_count
        cursor = count if cursor is None else min(cursor, count)
        rows = await list_log(auction, after=cursor, upto=count)
        if rows:
            cursor = rows[-1].position
        yield message(snapshot(row, rows), cursor), cursor
        if len(rows) < ROWS_A_MESSAGE:
            return
