"""A month's close: shares whose hold is over become the subscribers', once, as one row per person with money.

One transaction begins it and fixes which licences it releases; later refunds of these are a loss. A pass over their
manifests follows, line by line in the order of references; each part is a transaction with one COPY, while the next
chunks are computed and the previous part gets its key. A killed process continues with its part. One transaction ends
it, with state and books together; until then the written rows do not count. The keys of its tables make each step
happen once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import (
    copy_pieces,
    execute,
    execute_long,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    transaction,
)
from marketplace.core.errors import Conflict
from marketplace.core.locks import exclusive
from marketplace.money.ledger.actions import Entry
from marketplace.money.ledger.chart import OPERATOR_PAYABLE, SUBSCRIBERS_HELD, SUBSCRIBERS_PAYABLE
from marketplace.money.ledger.periods import bounds, month_of, next_month
from marketplace.subscribers.earnings.actions import HeldSplit, begin_run, entry_of, record_moving
from marketplace.subscribers.earnings.closing_chunks import Chunks
from marketplace.subscribers.earnings.queries import SQL
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np
    from numpy.typing import NDArray

LOCK: Final = "close month"
LINES_A_CHUNK: Final = 262_144
CHUNKS_A_PART: Final = 12
"""The most chunks in a part, which gets its key while the next part is written."""
FIRST_HOLD: Final = """
    SELECT min(hold_until) FROM licence_split JOIN licence ON licence.id = licence_split.licence
    WHERE licence_split.state = 'held'"""
ADD_KEYS: Final = "SELECT add_closing_keys(also_of_the_last => false)"
LAST_CARRY: Final = "SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1"
TEXT: Final = "Rounding of subscribers' shares to whole cents, back to the operator"


class CloseRow(Struct, frozen=True):
    """A close under way, and where its next part begins: None once it has passed all lines."""

    id: int
    month: dt.date
    next_reference: int | None


class PassedClose(Struct, frozen=True):
    """A close that has passed all lines: how many people have earned something, and how much in micro-euros."""

    month: dt.date
    people: int
    shares_micro: int


async def close_months(*, lines_a_chunk: int = LINES_A_CHUNK, chunks_a_part: int = CHUNKS_A_PART) -> int:
    """Close every month that is over, the earliest first; return how many licences' shares became the subscribers'.

    One worker does it; the others wait and then find nothing to do. A close that a killed worker began is finished
    first.
    """
    closed = 0
    async with exclusive(LOCK):
        while (close := await _begin_next()) is not None:
            await _pass(close, lines_a_chunk, chunks_a_part)
            await execute_long("SELECT add_closing_key()")
            closed += await _finish(close.id)
    return closed


async def _begin_next() -> CloseRow | None:
    """Return the close that is under way, or begin that of the next month that is over.

    Return None without such a month.
    """
    async with transaction():
        under_way = await fetch_row(CloseRow, "SELECT id, month, next_reference FROM share_close WHERE run IS NULL")
        if under_way is not None:
            return under_way
        now = clock.now()
        month = await _month_to_close(now)
        if month is None:
            return None
        begun = await fetch_row(
            CloseRow,
            "INSERT INTO share_close (month, begun_at) VALUES ($1, $2) RETURNING id, month, next_reference",
            month,
            now,
        )
        assert begun
        await execute(SQL["begin_close"], begun.id, bounds(month)[1])
    return begun


async def _month_to_close(now: dt.datetime) -> dt.date | None:
    """Return the month after the last closed one, or the month in which the first hold ends.

    None while it is not over.
    """
    last = await fetch_scalar(dt.date, "SELECT max(month) FROM share_close")
    if last is not None:
        month = next_month(last)
    else:
        first = await fetch_scalar(dt.datetime, FIRST_HOLD)
        if first is None:
            return None
        month = month_of(first)
    return month if bounds(month)[1] <= now else None


async def _pass(close: CloseRow, lines_a_chunk: int, chunks_a_part: int) -> None:
    """Write what each line earns, part by part from where the close is; compute the next chunks at the same time."""
    if close.next_reference is None:
        return
    splits = await fetch_rows(HeldSplit, SQL["list_splits_of_close"], close.id)
    first: int | None = close.next_reference
    chunks = await Chunks.begin(close.id, close.next_reference, splits, lines_a_chunk)
    keys = None
    try:
        while first is not None:
            # Thirds of the rest towards the end, so that the last key, which no other work overlaps, has few lines.
            left = -(-(chunks.all_lines.last + 1 - first) // lines_a_chunk)
            most = max(1, min(chunks_a_part, left // 3))
            until = chunks.all_lines.after(first, most * lines_a_chunk)
            first = await _write_part(close.id, first, until, chunks, most)
            keys = asyncio.create_task(_add_keys(after=keys))
        if keys is not None:
            await keys
    finally:
        await chunks.cancel()
        if keys is not None:
            keys.cancel()


async def _add_keys(after: asyncio.Task[None] | None) -> None:
    """Add keys to full parts, once the earlier parts have theirs."""
    if after is not None:
        await after
    await execute_long(ADD_KEYS)


async def _write_part(close: int, first: int, until: int | None, chunks: Chunks, most: int) -> int | None:
    """Write the next chunks, at most so many, and the place where the following ones begin, in one transaction.

    Return that place, None after the last.

    until: the reference that they end before, where it is known. Raises Conflict where another worker is further.
    """
    async with transaction():
        # A crash of the server loses rows that are written again; the end of the close waits for the disk.
        await execute("SET LOCAL synchronous_commit = off")
        reached = await fetch_row(
            CloseRow,
            "SELECT id, month, next_reference FROM share_close WHERE id = $1 AND run IS NULL FOR NO KEY UPDATE",
            close,
        )
        if reached is None or reached.next_reference != first:
            raise Conflict("Another worker is closing this month.")
        people, shares_micro = 0, 0
        following: int | None = first

        async def rows() -> AsyncIterator[NDArray[np.void]]:
            nonlocal people, shares_micro, following
            for _ in range(most):
                chunk = await chunks.next_chunk()
                if chunk is None:
                    return
                people, shares_micro, following = people + chunk.people, shares_micro + chunk.shares_micro, chunk.next
                yield chunk.rows
                chunks.release(chunk)

        await execute("SELECT begin_closing_part($1, $2, $3)", close, first, until)
        await copy_pieces("closing_share", ("close", "subscriber", "payable_micro"), rows())
        await execute("SELECT end_closing_part()")
        await execute(
            """UPDATE share_close
               SET next_reference = $2, people = people + $3, shares_micro = shares_micro + $4 WHERE id = $1""",
            close,
            following,
            people,
            shares_micro,
        )
    return following


async def _finish(close: int) -> int:
    """Release the close's licences and enter it in the books, once; return the number of licences."""
    async with transaction():
        passed = await fetch_row(
            PassedClose,
            """SELECT month, people, shares_micro FROM share_close
               WHERE id = $1 AND run IS NULL AND next_reference IS NULL FOR NO KEY UPDATE""",
            close,
        )
        if passed is None:
            return 0
        now = clock.now()
        splits = await fetch_rows(HeldSplit, SQL["list_splits_of_close"], close)
        owed = sum(split.owed_minor for split in splits)
        rounding = sum(split.rounding_micro for split in splits)
        assert passed.shares_micro == owed * MICRO_PER_MINOR - rounding, (
            "shares sum to what was settled, or nothing ends"
        )
        carried = await fetch_scalar(int, LAST_CARRY) or 0
        returned, carry = divmod(carried + rounding, MICRO_PER_MINOR)
        run = await begin_run("release", now, owed, passed.people)
        await execute("SELECT attach_closing($1)", close)
        await execute("UPDATE licence_split SET state = 'released', ended_by = $2 WHERE close = $1", close, run)
        await execute(
            "UPDATE share_close SET run = $2, returned_minor = $3, carry_micro = $4 WHERE id = $1",
            close,
            run,
            returned,
            carry,
        )
        released = [
            entry_of("shares_released", split, now, [(SUBSCRIBERS_HELD, SUBSCRIBERS_PAYABLE, split.owed_minor)])
            for split in splits
        ]
        rounding_returned = [(SUBSCRIBERS_PAYABLE, OPERATOR_PAYABLE, returned)]
        await record_moving(
            [*released, Entry("rounding_returned", f"{passed.month:%Y-%m}", now, TEXT, rounding_returned)]
        )
    return len(splits)
