"""What lines have earned of a month's sales, computed by threads chunk by chunk, ahead of writing.

A chunk is a range of references: threads read this range of every manifest, look up at once what the weights in several
releases earn of all their sales, and add what promises require. Its rows are laid out as COPY reads them, in buffers
that are reused, because fresh memory costs more than writing to it.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np
from msgspec import Struct

from marketplace.core.database import fetch_columns, fetch_row, make_rows
from marketplace.core.errors import Conflict
from marketplace.subscribers.earnings.manifests import (
    LAST_REFERENCE,
    Contributions,
    Lines,
    ManifestReader,
    open_manifests,
)
from marketplace.subscribers.earnings.shares_by_weight import SharesOfRelease, is_gapless, looked_up_together, places_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.subscribers.earnings.actions import HeldSplit
    from marketplace.subscribers.earnings.rules import Amounts

PROMISES_IN_RANGE: Final = """
    SELECT subscriber, minimum_micro FROM contributor_promise
    WHERE term = $1 AND subscriber BETWEEN $2 AND $3 ORDER BY subscriber"""
ALL_LINES: Final = """
    WITH ends AS (
        SELECT (SELECT min(reference) FROM subscriber WHERE reference >= $1) AS first,
               (SELECT max(reference) FROM subscriber WHERE reference >= $1) AS last
    )
    SELECT coalesce(first, $1) AS first, coalesce(last, $1) AS last,
           -- All are counted, and those before subtracted, as there are none when a close begins: to compare costs a third.
           coalesce(last - first + 1 = (SELECT count(*) FROM subscriber)
                                       - (SELECT count(*) FROM subscriber WHERE reference < $1), false) AS is_dense
    FROM ends"""
NEXT_LINES: Final = "SELECT reference FROM subscriber WHERE reference >= $1 ORDER BY reference LIMIT $2"
THREADS: Final = 2
"""How many threads share a chunk's manifests."""
CHUNKS_AHEAD: Final = 2
"""How many chunks are computed ahead of writing."""


class AllLines(Struct, frozen=True):
    """The first and the last remaining line, and whether all numbers between are lines: then none need be fetched."""

    first: int
    last: int
    is_dense: bool

    def after(self, first: int, lines: int) -> int | None:
        """Return the reference that follows the next so many lines from `first` on, where it is known in advance."""
        return min(max(first, self.first) + lines, self.last + 1) if self.is_dense else None


class ReleaseToClose(NamedTuple):
    """A release with its splits to close."""

    release: uuid.UUID
    reader: ManifestReader
    shares: SharesOfRelease
    digits: NDArray[np.int64]
    """What each weight earns, where the weight alone decides it."""
    terms: set[uuid.UUID]


class ReleasesTogether(NamedTuple):
    """Releases whose weights are looked up at once: their weights are the digits of a row number in the table."""

    releases: Sequence[ReleaseToClose]
    table: NDArray[np.int64]


class Workspace:
    """The arrays in which a thread adds up one chunk after another: new ones cost more than the addition."""

    def __init__(self, lines: int) -> None:
        """Allocate them, for so many lines at most."""
        self.amounts, self.numbers, self.weights, self.looked_up = np.empty((4, lines), np.int64)


class OfOneThread(NamedTuple):
    """The releases that one thread adds up."""

    together: Sequence[ReleasesTogether]
    workspace: Workspace


class Chunk(NamedTuple):
    """What the lines of a range of references have earned, each above zero, and where the next chunk begins."""

    next: int | None
    people: int
    shares_micro: int
    buffer: NDArray[np.void]

    @property
    def rows(self) -> NDArray[np.void]:
        """Return them as rows of `closing_share`, as COPY reads them."""
        return self.buffer[: self.people]


class Chunks:
    """The chunks of a close from a reference on; the next few are computed in advance."""

    def __init__(self, close: int, releases: Sequence[ReleaseToClose], all_lines: AllLines, lines_a_chunk: int) -> None:
        """Store what is to be read; compute nothing yet."""
        together = [
            ReleasesTogether(releases[these], table)
            for these, table in looked_up_together([release.digits for release in releases])
        ]
        self.all_lines, self._close, self._lines_a_chunk = all_lines, close, lines_a_chunk
        self._threads = [OfOneThread(together[n::THREADS], Workspace(lines_a_chunk)) for n in range(THREADS)]
        self._terms = set[uuid.UUID]().union(*(release.terms for release in releases))
        self._free: list[NDArray[np.void]] = []
        self._context = contextvars.copy_context()
        self._tasks: deque[asyncio.Task[Chunk | None]] = deque()

    @classmethod
    async def begin(cls, close: int, first: int, splits: Sequence[HeldSplit], lines_a_chunk: int) -> Self:
        """Open the manifests of a close's splits, and begin.

        Call it outside any transaction, because its tasks must not join one.

        splits: by release. first: the reference that the close has reached.
        """
        of_release = {release: list(group) for release, group in groupby(splits, lambda split: split.release)}
        manifests, all_lines = await asyncio.gather(
            open_manifests(list(of_release)), fetch_row(AllLines, ALL_LINES, first)
        )
        assert all_lines, "an aggregate has a row"
        releases = [
            _ready(ManifestReader(manifest, first), manifest.largest_weight, group)
            for manifest, group in zip(manifests, of_release.values(), strict=True)
        ]
        chunks = cls(close, releases, all_lines, lines_a_chunk)
        chunks._tasks.append(asyncio.ensure_future(chunks._from(first)))
        while len(chunks._tasks) < CHUNKS_AHEAD:
            chunks._begin_next()
        return chunks

    async def next_chunk(self) -> Chunk | None:
        """Return the next chunk, or None after the last."""
        self._begin_next()
        return await self._tasks.popleft()

    def release(self, chunk: Chunk) -> None:
        """Reuse the memory of a chunk that has been written."""
        self._free.append(chunk.buffer)

    async def cancel(self) -> None:
        """Stop the computations that are running."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_next(self) -> None:
        task = asyncio.get_running_loop().create_task(self._after(self._tasks[-1]), context=self._context)
        self._tasks.append(task)

    async def _after(self, before: asyncio.Task[Chunk | None]) -> Chunk | None:
        chunk = await before
        return None if chunk is None or chunk.next is None else await self._from(chunk.next)

    async def _from(self, first: int) -> Chunk:
        """Return what the next lines from this reference on have earned."""
        lines, following = await _lines_from(first, self._lines_a_chunk, self.all_lines)
        last = LAST_REFERENCE if following is None else following - 1
        promises: dict[object, Amounts] = {}
        for term in self._terms:
            columns = await fetch_columns(PROMISES_IN_RANGE, term, first, last)
            if columns:
                promises[term] = columns[0], columns[1]
        earned = await asyncio.gather(
            *(asyncio.to_thread(_earned, thread, lines, last, promises) for thread in self._threads)
        )
        return await asyncio.to_thread(self._chunk, following, lines, earned)

    def _chunk(self, following: int | None, lines: NDArray[np.int64], earned: Sequence[NDArray[np.int64]]) -> Chunk:
        """Return what lines have earned of the releases of all threads."""
        amounts = earned[0]
        for others in earned[1:]:  # in place: a sum over them all would first concatenate them
            amounts += others
        has_some = amounts > 0
        if not has_some.all():
            lines, amounts = lines[has_some], amounts[has_some]
        buffer = self._free.pop() if self._free else self._make_buffer()
        buffer["value1"][: len(lines)], buffer["value2"][: len(lines)] = lines, amounts
        return Chunk(following, len(lines), int(amounts.sum()), buffer)

    def _make_buffer(self) -> NDArray[np.void]:
        buffer = make_rows(self._lines_a_chunk, 3)
        buffer["value0"] = self._close
        return buffer


def _ready(reader: ManifestReader, largest_weight: int, splits: Sequence[HeldSplit]) -> ReleaseToClose:
    shares = SharesOfRelease(splits, largest_weight)
    terms = {term for split in splits for term in split.terms}
    return ReleaseToClose(splits[0].release, reader, shares, shares.by_weight_alone(), terms)


async def _lines_from(first: int, most: int, all_lines: AllLines) -> tuple[NDArray[np.int64], int | None]:
    """Return the next lines from a reference on, ascending, and where the following ones begin: None after the last."""
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
    mine: OfOneThread, lines: NDArray[np.int64], last: int, promises: dict[object, Amounts]
) -> NDArray[np.int64]:
    """Return what these lines earn of some releases, until the workspace is used again.

    Raises Conflict where a manifest names an unknown line.
    """
    workspace = mine.workspace
    size = len(lines)
    amounts, numbers, looked_up = workspace.amounts[:size], workspace.numbers[:size], workspace.looked_up[:size]
    amounts.fill(0)
    for these in mine.together:
        numbers.fill(0)
        for release in these.releases:
            numbers *= len(release.digits)
            _add_weights(release, lines, last, promises, workspace)
        np.take(these.table, numbers, out=looked_up, mode="clip")  # no index is out of range: mode "raise" would copy
        amounts += looked_up
    return amounts


def _add_weights(
    release: ReleaseToClose,
    lines: NDArray[np.int64],
    last: int,
    promises: dict[object, Amounts],
    workspace: Workspace,
) -> None:
    """Add these lines' weights to their numbers where weights alone decide, and other earnings to the amounts."""
    is_looked_up = len(release.digits) > 1 and promises.keys().isdisjoint(release.terms)
    for some in release.reader.read_to(last):
        who: Contributions | Lines = some
        places = places_in(lines, some.references) if is_looked_up and is_gapless(lines) else None
        if places is None:  # index 0, which no line has, is not a line either
            who = some.contributions()
            if not len(who.references):
                continue
            places = places_in(lines, who.references)
        if places is None:
            raise Conflict(
                "The manifest of the release {release} names a line that there is not.", release=release.release
            )
        if isinstance(who, Contributions) and not is_looked_up:
            workspace.amounts[places] += release.shares.earned(who, promises)
        elif isinstance(places, slice):
            workspace.numbers[places] += who.weights
        else:
            weights = workspace.weights[: len(lines)]
            weights.fill(0)
            weights[places] = who.weights
            workspace.numbers[: len(lines)] += weights
