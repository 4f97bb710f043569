"""A month's close: shares whose hold is over become the subscribers', once, as one row a person with money.

One transaction begins it: it says which licences it releases, and from then on what is paid back of them is a loss. A
pass over their manifests follows, line by line in the order of references, a part a transaction and one COPY, while the
chunks that come next are computed and the part before gets its key; a process killed on its way goes on with its part. One transaction ends it, with state and books together; until then what was
written counts for nobody. The keys of its tables make each step happen once.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import uuid
from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.contributions.manifests import LAST_REFERENCE, ManifestReader, open_manifests
from marketplace.database import (
    copy_pieces,
    execute,
    execute_long,
    fetch_columns,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    rows_in_binary,
    transaction,
)
from marketplace.earnings.actions import HeldSplit, begin_run, entry_of, record_moving
from marketplace.earnings.queries import SQL
from marketplace.earnings.rules import MICRO_PER_MINOR, SplitFigures
from marketplace.earnings.shares_by_weight import SharesOfRelease, looked_up_together, places_in
from marketplace.errors import Conflict
from marketplace.ledger.actions import Entry
from marketplace.ledger.chart import OPERATOR_PAYABLE, SUBSCRIBERS_HELD, SUBSCRIBERS_PAYABLE
from marketplace.ledger.periods import bounds, month_of, next_month
from marketplace.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from marketplace.earnings.rules import Amounts

LOCK: Final = "close month"
LINES_A_CHUNK: Final = 262_144
CHUNKS_A_PART: Final = 12
"""How many chunks make a part at most, which gets its key while the next ones are written."""
CHUNKS_AHEAD: Final = 2
"""How many chunks are computed before they can be written."""
FIRST_HOLD: Final = """
    SELECT min(hold_until) FROM licence_split JOIN licence ON licence.id = licence_split.licence
    WHERE licence_split.state = 'held'"""
PROMISES_IN_RANGE: Final = """
    SELECT subscriber, minimum_micro FROM contributor_promise
    WHERE term = $1 AND subscriber BETWEEN $2 AND $3 ORDER BY subscriber"""
ALL_LINES: Final = """
    WITH ends AS (
        SELECT (SELECT min(reference) FROM subscriber WHERE reference >= $1) AS first,
               (SELECT max(reference) FROM subscriber WHERE reference >= $1) AS last
    )
    SELECT coalesce(first, $1) AS first, coalesce(last, $1) AS last,
           coalesce(last - first + 1 = (SELECT count(*) FROM subscriber WHERE reference >= $1), false) AS is_dense
    FROM ends"""
ADD_KEYS: Final = "SELECT add_closing_keys(also_of_the_last => false)"
NEXT_LINES: Final = "SELECT reference FROM subscriber WHERE reference >= $1 ORDER BY reference LIMIT $2"
LAST_CARRY: Final = "SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1"
THREADS: Final = 2
"""How many threads share a chunk's manifests."""
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


class AllLines(Struct, frozen=True):
    """The first and last of the lines that are left, and whether no number between is missing: then none need be fetched."""

    first: int
    last: int
    is_dense: bool


class ReleaseToClose(NamedTuple):
    """A release with its splits to close."""

    release: uuid.UUID
    reader: ManifestReader
    shares: SharesOfRelease
    digits: NDArray[np.int64]
    """What each weight earns, as far as the weight alone decides."""
    terms: set[uuid.UUID]


class ReleasesTogether(NamedTuple):
    """Releases whose weights are looked up at once: a number that has them as digits is a row of the table."""

    releases: Sequence[ReleaseToClose]
    table: NDArray[np.int64]


class Chunk(NamedTuple):
    """What the lines of a range of references have earned, all above zero, and where the next chunk begins."""

    next: int | None
    people: int
    shares_micro: int
    rows: bytes
    """Of `closing_share`, as COPY reads them."""


async def close_months(*, lines_a_chunk: int = LINES_A_CHUNK, chunks_a_part: int = CHUNKS_A_PART) -> int:
    """Close every month that is over, the earliest first; return how many licences' shares became the subscribers'.

    Of several workers one does it and the others find nothing to do. What a killed one began is finished first.
    """
    closed = 0
    async with exclusive(LOCK, wait=False) as is_ours:
        while is_ours and (close := await _begin_next()) is not None:
            await _pass(close, lines_a_chunk, chunks_a_part)
            await execute_long("SELECT add_closing_key()")
            closed += await _finish(close.id)
    return closed


async def _begin_next() -> CloseRow | None:
    """Return the close that is under way, or begin that of the next month that is over; None when there is none."""
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
    """Return the month after the last closed one, or that of the first hold to end; None while it is not over."""
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
    """Write what each line earns, part by part from where the close has come to; the next chunks are computed meanwhile."""
    if close.next_reference is None:
        return
    splits = await fetch_rows(HeldSplit, SQL["list_splits_of_close"], close.id)
    of_release = {release: list(group) for release, group in groupby(splits, lambda split: split.release)}
    manifests, all_lines = await asyncio.gather(
        open_manifests(list(of_release)), fetch_row(AllLines, ALL_LINES, close.next_reference)
    )
    assert all_lines, "an aggregate has a row"
    releases = [
        _ready(ManifestReader(manifest, close.next_reference), manifest.largest_weight, group)
        for manifest, group in zip(manifests, of_release.values(), strict=True)
    ]
    together = [
        ReleasesTogether(releases[these], table)
        for these, table in looked_up_together([release.digits for release in releases])
    ]
    first: int | None = close.next_reference
    chunks = _ChunksAhead(
        close.next_reference, lambda begin: _compute(close.id, together, begin, lines_a_chunk, all_lines)
    )
    keys = None
    try:
        while first is not None:
            # Thirds of what is left towards the end, so that the last key, which nothing hides, is of a few lines.
            left = -(-(all_lines.last + 1 - first) // lines_a_chunk)
            first = await _write_part(close.id, first, chunks, max(1, min(chunks_a_part, left // 3)))
            keys = asyncio.create_task(_add_keys(after=keys))
        if keys is not None:
            await keys
    finally:
        await chunks.cancel()
        if keys is not None:
            keys.cancel()


async def _add_keys(after: asyncio.Task[None] | None) -> None:
    """Give full parts their keys, once those before them have theirs."""
    if after is not None:
        await after
    await execute_long(ADD_KEYS)


def _ready(reader: ManifestReader, largest_weight: int, splits: Sequence[HeldSplit]) -> ReleaseToClose:
    shares = SharesOfRelease(splits, largest_weight)
    terms = {term for split in splits for term in split.terms}
    return ReleaseToClose(splits[0].release, reader, shares, shares.by_weight_alone(), terms)


class _ChunksAhead:
    """The chunks of a pass, one after the other, of which the next few are computed before they are asked for."""

    def __init__(self, first: int, compute: Callable[[int], Awaitable[Chunk]]) -> None:
        """Begin to compute; outside any transaction, which those tasks must not join."""
        self._compute, self._context = compute, contextvars.copy_context()
        self._tasks: deque[asyncio.Task[Chunk | None]] = deque([asyncio.ensure_future(self._from(first))])
        while len(self._tasks) < CHUNKS_AHEAD:
            self._begin_next()

    async def next_chunk(self) -> Chunk | None:
        """Return the next chunk, or None after the last."""
        self._begin_next()
        return await self._tasks.popleft()

    async def cancel(self) -> None:
        """End what is being computed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_next(self) -> None:
        task = asyncio.get_running_loop().create_task(self._after(self._tasks[-1]), context=self._context)
        self._tasks.append(task)

    async def _after(self, before: asyncio.Task[Chunk | None]) -> Chunk | None:
        chunk = await before
        return None if chunk is None else await self._from(chunk.next)

    async def _from(self, first: int | None) -> Chunk | None:
        return None if first is None else await self._compute(first)


async def _compute(
    close: int, together: Sequence[ReleasesTogether], first: int, lines_a_chunk: int, all_lines: AllLines
) -> Chunk:
    """Return what the next lines from this reference on have earned."""
    lines, following = await _lines_from(first, lines_a_chunk, all_lines)
    last = LAST_REFERENCE if following is None else following - 1
    promises: dict[object, Amounts] = {}
    for term in set[uuid.UUID]().union(*(release.terms for these in together for release in these.releases)):
        columns = await fetch_columns(PROMISES_IN_RANGE, term, first, last)
        if columns:
            promises[term] = columns[0], columns[1]
    parts = [together[number::THREADS] for number in range(THREADS)]
    earned = await asyncio.gather(*(asyncio.to_thread(_earned, part, lines, last, promises) for part in parts))
    return await asyncio.to_thread(_chunk, close, following, lines, earned)


def _chunk(close: int, following: int | None, lines: NDArray[np.int64], earned: Sequence[NDArray[np.int64]]) -> Chunk:
    """Return what lines have earned of all parts together, as rows."""
    amounts = earned[0]
    for part in earned[1:]:  # in place: a sum over them all would first put them together
        amounts += part
    has_some = amounts > 0
    if not has_some.all():
        lines, amounts = lines[has_some], amounts[has_some]
    rows = rows_in_binary([np.broadcast_to(np.int64(close), len(lines)), lines, amounts])
    return Chunk(following, len(lines), int(amounts.sum()), rows)


async def _lines_from(first: int, most: int, all_lines: AllLines) -> tuple[NDArray[np.int64], int | None]:
    """Return the next lines from a reference on, ascending, and where those after them begin: None after the last."""
    if all_lines.is_dense:
        begin = max(first, all_lines.first)
        end = min(begin + most, all_lines.last + 1)
        return np.arange(begin, end, dtype=np.int64), end if end <= all_lines.last else None
    columns = await fetch_columns(NEXT_LINES, first, most)
    if not columns:
        return np.zeros(0, np.int64), None
    (lines,) = columns
    return lines, int(lines[-1]) + 1 if len(lines) == most else None


def _earned(
    parts: Sequence[ReleasesTogether], lines: NDArray[np.int64], last: int, promises: dict[object, Amounts]
) -> NDArray[np.int64]:
    """Return what these lines earn of all releases; refuses a manifest that names a line that there is not."""
    amounts = np.zeros(len(lines), np.int64)
    for part in parts:
        numbers = np.zeros(len(lines), np.uint16)
        for release in part.releases:
            numbers *= len(release.digits)
            numbers += _weights(release, lines, last, promises, amounts)
        amounts += np.take(part.table, numbers)
    return amounts


def _weights(
    release: ReleaseToClose,
    lines: NDArray[np.int64],
    last: int,
    promises: dict[object, Amounts],
    amounts: NDArray[np.int64],
) -> NDArray[np.uint16]:
    """Return what weights these lines have where they alone decide; what is earned otherwise is added to the amounts."""
    weights = np.zeros(len(lines), np.uint16)
    is_looked_up = len(release.digits) > 1 and promises.keys().isdisjoint(release.terms)
    for some in release.reader.read_to(last):
        places = places_in(lines, some.references)
        if places is None:
            raise Conflict(
                "The manifest of the release {release} names a line that there is not.", release=release.release
            )
        if is_looked_up:
            weights[places] = some.weights.astype(np.uint16)
        else:
            amounts[places] += release.shares.earned(some, promises)
    return weights


async def _write_part(close: int, first: int, chunks: _ChunksAhead, most: int) -> int | None:
    """Write the next chunks, so many at most, and where those after them begin, as one; return that: None after the last.

    Refuses where another worker has come further.
    """
    async with transaction():
        # What a crash of the server takes with it is written again; the end, which counts, waits for the disk.
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

        async def rows() -> AsyncIterator[bytes]:
            nonlocal people, shares_micro, following
            for _ in range(most):
                chunk = await chunks.next_chunk()
                if chunk is None:
                    return
                people, shares_micro, following = people + chunk.people, shares_micro + chunk.shares_micro, chunk.next
                yield chunk.rows

        await execute("SELECT begin_closing_part($1)", close)
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
    """Release the close's licences and enter it in the books, once; return how many they are."""
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
        rounding = sum(_rounding(split) for split in splits)
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


def _rounding(split: SplitFigures) -> int:
    """Return what a split's whole cents hold beyond its shares, in micro-euros: none by the exact rule."""
    return split.rounding_micro if split.is_public else 0
