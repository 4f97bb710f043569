"""A month's close: shares whose hold is over become the subscribers', once, as one row a person with money.

One transaction begins it: it says which licences it releases, and from then on what is paid back of them is a loss. A
pass over their manifests follows, line by line in the order of references, a chunk a transaction, so that a process
killed between two lines goes on where it was. One transaction ends it, with state and books together; until then what was
written counts for nobody. The keys of its tables make each step happen once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.contributions.manifests import LAST_REFERENCE, ManifestReader, open_manifests
from marketplace.database import (
    copy_columns,
    execute,
    execute_long,
    fetch_columns,
    fetch_row,
    fetch_rows,
    fetch_scalar,
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
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.earnings.rules import Amounts

LOCK: Final = "close month"
LINES_A_CHUNK: Final = 262_144
CHUNKS_A_PART: Final = 12
"""How many chunks make a part, which gets its key while the next one is written."""
FIRST_HOLD: Final = """
    SELECT min(hold_until) FROM licence_split JOIN licence ON licence.id = licence_split.licence
    WHERE licence_split.state = 'held'"""
PROMISES_IN_RANGE: Final = """
    SELECT subscriber, minimum_micro FROM contributor_promise
    WHERE term = $1 AND subscriber BETWEEN $2 AND $3 ORDER BY subscriber"""
DENSE_LINES: Final = """
    SELECT min(reference) AS first, max(reference) AS last FROM subscriber WHERE reference >= $1
    HAVING max(reference) - min(reference) + 1 = count(*)"""
NEXT_LINES: Final = "SELECT reference FROM subscriber WHERE reference >= $1 ORDER BY reference LIMIT $2"
LAST_CARRY: Final = "SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1"
THREADS: Final = 2
"""How many threads share a chunk's manifests."""
TEXT: Final = "Rounding of subscribers' shares to whole cents, back to the operator"


class CloseRow(Struct, frozen=True):
    """A close under way, and where its next chunk begins: None once it has passed all lines."""

    id: int
    month: dt.date
    next_reference: int | None


class PassedClose(Struct, frozen=True):
    """A close that has passed all lines: how many people have earned something, and how much in micro-euros."""

    month: dt.date
    people: int
    shares_micro: int


class DenseLines(Struct, frozen=True):
    """The first and last of lines of which no number between is missing, so that none need be fetched."""

    first: int
    last: int


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
    """What the lines of a range of references have earned, in micro-euros, all above zero; and where the next begins."""

    first: int
    next: int | None
    references: NDArray[np.int64]
    amounts: NDArray[np.int64]


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
        await execute("SELECT begin_closing($1)", begun.id)
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
    """Write what each line earns, chunk by chunk from where the close has come to; the next is computed meanwhile."""
    if close.next_reference is None:
        return
    splits = await fetch_rows(HeldSplit, SQL["list_splits_of_close"], close.id)
    of_release = {release: list(group) for release, group in groupby(splits, lambda split: split.release)}
    manifests = await open_manifests(list(of_release))
    releases = [
        _ready(ManifestReader(manifest, close.next_reference), manifest.largest_weight, group)
        for manifest, group in zip(manifests, of_release.values(), strict=True)
    ]
    together = [
        ReleasesTogether(releases[these], table)
        for these, table in looked_up_together([release.digits for release in releases])
    ]
    dense = await fetch_row(DenseLines, DENSE_LINES, close.next_reference)
    chunk: Chunk | None = await _compute(together, close.next_reference, lines_a_chunk, dense)
    written, keys = 0, None
    while chunk is not None:
        ahead = asyncio.create_task(_compute(together, chunk.next, lines_a_chunk, dense))
        try:
            await _write(close.id, chunk, begins_a_part=written == chunks_a_part)
            if written == chunks_a_part:
                if keys is not None:
                    await keys
                keys = asyncio.create_task(execute_long("SELECT add_closing_keys(also_of_the_last => false)"))
                written = 0
            written, chunk = written + 1, await ahead
        finally:
            ahead.cancel()
    if keys is not None:
        await keys


def _ready(reader: ManifestReader, largest_weight: int, splits: Sequence[HeldSplit]) -> ReleaseToClose:
    shares = SharesOfRelease(splits, largest_weight)
    terms = {term for split in splits for term in split.terms}
    return ReleaseToClose(splits[0].release, reader, shares, shares.by_weight_alone(), terms)


async def _compute(
    together: Sequence[ReleasesTogether], first: int | None, lines_a_chunk: int, dense: DenseLines | None
) -> Chunk | None:
    """Return what the next lines from this reference on have earned; None after the last."""
    if first is None:
        return None
    lines, following = await _lines_from(first, lines_a_chunk, dense)
    last = LAST_REFERENCE if following is None else following - 1
    promises: dict[object, Amounts] = {}
    for term in set[uuid.UUID]().union(*(release.terms for these in together for release in these.releases)):
        columns = await fetch_columns(PROMISES_IN_RANGE, term, first, last)
        if columns:
            promises[term] = columns[0], columns[1]
    parts = [together[number::THREADS] for number in range(THREADS)]
    earned = await asyncio.gather(*(asyncio.to_thread(_earned, part, lines, last, promises) for part in parts))
    amounts = earned[0]
    for part in earned[1:]:  # in place: a sum over them all would first put them together
        amounts += part
    has_some = amounts > 0
    return Chunk(first, following, lines[has_some], amounts[has_some])


async def _lines_from(first: int, most: int, dense: DenseLines | None) -> tuple[NDArray[np.int64], int | None]:
    """Return the next lines from a reference on, ascending, and where those after them begin: None after the last."""
    if dense is not None:
        begin = max(first, dense.first)
        end = min(begin + most, dense.last + 1)
        return np.arange(begin, end, dtype=np.int64), end if end <= dense.last else None
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


async def _write(close: int, chunk: Chunk, *, begins_a_part: bool) -> None:
    """Write a chunk and where the next begins, as one; refuse where another worker has come further."""
    async with transaction():
        # What a crash of the server takes with it is written again; the end, which counts, waits for the disk.
        await execute("SET LOCAL synchronous_commit = off")
        reached = await fetch_row(
            CloseRow,
            "SELECT id, month, next_reference FROM share_close WHERE id = $1 AND run IS NULL FOR NO KEY UPDATE",
            close,
        )
        if reached is None or reached.next_reference != chunk.first:
            raise Conflict("Another worker is closing this month.")
        people = len(chunk.references)
        if begins_a_part:
            await execute("SELECT begin_closing_part($1)", close)
        columns = {
            "close": np.full(people, close, np.int64),
            "subscriber": chunk.references,
            "payable_micro": chunk.amounts,
        }
        await copy_columns("closing_share", columns)
        await execute(
            """UPDATE share_close
               SET next_reference = $2, people = people + $3, shares_micro = shares_micro + $4 WHERE id = $1""",
            close,
            chunk.next,
            people,
            int(chunk.amounts.sum()),
        )


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
