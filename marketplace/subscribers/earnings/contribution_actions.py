"""Keeping the index up to date: newly sold releases go into a new segment, merged with the segments it replaces.

A segment is begun, written part by part, and finished in one transaction, which makes it live and retires the segments
it replaces. If a worker dies, the next one continues after its last part. Retired segments stay readable for a while,
because a page may have looked up a block and not read it yet.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock, object_store
from marketplace.core.database import (
    columns,
    execute,
    fetch_column,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import NotFound
from marketplace.core.locks import exclusive
from marketplace.core.working_folders import working_folder
from marketplace.datasets.releases.queries import fetch_manifest
from marketplace.subscribers.earnings import contribution_rules
from marketplace.subscribers.earnings.contribution_queries import SQL, SegmentRow, SoldRow, list_parts
from marketplace.subscribers.earnings.contribution_tables import ContributionPart, ContributionSegment, SoldRelease
from marketplace.subscribers.earnings.segments import SegmentPart, part_key, parts_of, read_manifest, read_segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marketplace.core.database import Values
    from marketplace.subscribers.earnings.blocks import Rows

GAINED_AT_ONCE: Final = 64
"""Releases that a segment gains at most; the manifests of more would need too much memory at once."""
READABLE_FOR: Final = dt.timedelta(hours=1)
"""How long a retired segment may still be read."""


class BegunRow(Struct, frozen=True):
    """A segment that is being written: the segments it replaces, and the numbers of the releases it gains."""

    id: uuid.UUID
    replaces: list[uuid.UUID]
    gains: list[int]


async def number_sold_releases() -> int:
    """Give each newly sold or tried release a number; return how many were new."""
    return await execute(SQL["number_sold_releases"])


async def index_contributions() -> int:
    """Add newly sold releases to the index; return how many.

    One worker does it; the others wait and then find nothing to do.
    """
    async with exclusive("index contributions"):
        await _delete_retired()
        await _give_up_lost_segments()
        await number_sold_releases()
        gained = 0
        while (segment := await _find_begun() or await _begin()) is not None:
            await _write(segment)
            await _finish(segment)
            gained += len(segment.gains)
    return gained


async def _find_begun() -> BegunRow | None:
    query = select(BegunRow, ContributionSegment).where(ContributionSegment.state == "building")
    return await fetch_row(BegunRow, query)


async def _begin() -> BegunRow | None:
    """Begin the segment for the next sold releases that are in no segment, if there are any."""
    gained = await fetch_rows(SoldRow, SQL["list_not_indexed"], GAINED_AT_ONCE)
    if not gained:
        return None
    live = await fetch_rows(SegmentRow, SQL["list_live_segments"])
    level = contribution_rules.level_of(
        {segment.level: contribution_rules.Size(segment.releases, segment.pairs) for segment in live},
        contribution_rules.Size(len(gained), sum(release.contributors for release in gained)),
    )
    new = ContributionSegment(
        id=uuid.uuid4(),
        level=level,
        replaces=[segment.id for segment in live if segment.level <= level],
        gains=[release.number for release in gained],
        begun_at=clock.now(),
    )
    return await fetch_row(BegunRow, ContributionSegment.insert(new).returning(*columns(BegunRow, ContributionSegment)))


async def _write(segment: BegunRow) -> None:
    """Write the parts of a segment that are missing."""
    written = await list_parts(segment.id)
    after = written[-1].last_reference if written else -1
    with working_folder() as folder:
        parts = parts_of([*await _replaced(segment, after), *await _gained(segment, after, folder)])
        number = len(written)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            await _store(segment, number, part)
            number += 1


async def _replaced(segment: BegunRow, after: int) -> list[Iterator[Rows]]:
    """Return the people above the reference `after` from each segment that is replaced."""
    return [read_segment(await list_parts(other), after) for other in segment.replaces]


async def _gained(segment: BegunRow, after: int, folder: Path) -> list[Iterator[Rows]]:
    """Return the people above the reference `after` from each release that is gained.

    Fetches its manifest into the folder.
    """
    found = []
    for release in await fetch_rows(SoldRow, SQL["list_gains"], segment.gains):
        path = folder / str(release.number)
        await fetch_manifest(release.release, path)
        found.append(read_manifest(path, release.number, after))
    return found


async def _store(segment: BegunRow, number: int, part: SegmentPart) -> None:
    await object_store.put(part_key(segment.id, number), part.content)
    await execute(
        """INSERT INTO contribution_part (segment, number, first_reference, last_reference, pairs, firsts, ends)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        segment.id,
        number,
        part.first_reference,
        part.last_reference,
        part.pairs,
        part.firsts,
        part.ends,
    )


async def _finish(segment: BegunRow) -> None:
    """Make a complete segment live in place of those it replaces."""
    async with transaction():
        mine: Values = {SoldRelease.segment: segment.id}
        gained = SoldRelease.number.is_in(segment.gains)
        replaced = SoldRelease.segment.is_in(segment.replaces) if segment.replaces else gained
        await SoldRelease.update(mine).where(gained | replaced)
        await _retire(segment.replaces)
        live: Values = {ContributionSegment.state: "live"}
        await ContributionSegment.update(live).where(ContributionSegment.id == segment.id)


async def _retire(segments: list[uuid.UUID]) -> None:
    if segments:
        retired: Values = {ContributionSegment.state: "retired", ContributionSegment.retired_at: clock.now()}
        await ContributionSegment.update(retired).where(ContributionSegment.id.is_in(segments))


async def _delete_retired() -> None:
    """Delete the segments that were retired long enough ago, their objects first."""
    query = ContributionSegment.select(ContributionSegment.id).where(
        ContributionSegment.retired_at < clock.now() - READABLE_FOR
    )
    for segment in await fetch_column(uuid.UUID, query):
        for part in await list_parts(segment):
            await object_store.delete(part_key(segment, part.number))
        async with transaction():
            await ContributionPart.delete().where(ContributionPart.segment == segment)
            await ContributionSegment.delete().where(ContributionSegment.id == segment)


async def _give_up_lost_segments() -> None:
    """Index the releases of a segment again if its objects are missing, as after a restore of the database alone."""
    in_use = ContributionSegment.select(ContributionSegment.id).where(ContributionSegment.state != "retired")
    lost = [segment for segment in await fetch_column(uuid.UUID, in_use) if not await _is_whole(segment)]
    if not lost:
        return
    begun = ContributionSegment.select(ContributionSegment.id).where(ContributionSegment.state == "building")
    async with transaction():
        unknown: Values = {SoldRelease.segment: None}
        await SoldRelease.update(unknown).where(SoldRelease.segment.is_in(lost))
        await _retire(lost + await fetch_column(uuid.UUID, begun))


async def _is_whole(segment: uuid.UUID) -> bool:
    last = await fetch_scalar(int, "SELECT max(number) FROM contribution_part WHERE segment = $1", segment)
    if last is None:
        return True
    try:
        await object_store.size(part_key(segment, last))
    except NotFound:
        return False
    return True
