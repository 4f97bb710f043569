"""Keeping the index up to date: releases that were sold since go into a new segment, merged with those it replaces.

A segment is begun, written part by part and finished in one transaction, which makes it live and retires those it
replaces. A worker that dies leaves a segment begun, and the next one goes on after its last part. Retired segments stay
readable for a while, because a page may have found its place in one and not read it yet.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock, object_store
from marketplace.contributions import rules
from marketplace.contributions.queries import SQL, SegmentRow, SoldRow, list_parts
from marketplace.contributions.segments import Part, part_key, parts_of, read_manifest, read_segment
from marketplace.contributions.tables import ContributionPart, ContributionSegment, SoldRelease
from marketplace.database import columns, execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.datasets.queries import fetch_manifest
from marketplace.errors import NotFound
from marketplace.locks import exclusive
from marketplace.working_folders import working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marketplace.contributions.blocks import Rows
    from marketplace.database import Values

GAINED_AT_ONCE: Final = 64
"""Releases that a segment gains at most; the manifests of more would need too much room at once."""
READABLE_FOR: Final = dt.timedelta(hours=1)
"""How long a retired segment may still be read."""


class BegunRow(Struct, frozen=True):
    """A segment that is being written: the segments it replaces, and the numbers of the releases it gains."""

    id: uuid.UUID
    replaces: list[uuid.UUID]
    gains: list[int]


class SegmentId(Struct, frozen=True):
    """A segment by its id."""

    id: uuid.UUID


async def number_sold_releases() -> int:
    """Give each release that was sold its number; return how many were new."""
    return await execute(SQL["number_sold_releases"])


async def index_contributions() -> int:
    """Add the releases that were sold since to the index; return how many.

    Of several workers one does it, and the others wait and then find nothing to do.
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
    """Begin the segment for the next sold releases that no segment has, if there are any."""
    gained = await fetch_rows(SoldRow, SQL["list_not_indexed"], GAINED_AT_ONCE)
    if not gained:
        return None
    live = await fetch_rows(SegmentRow, SQL["list_live_segments"])
    level = rules.level_of(
        {segment.level: rules.Size(segment.releases, segment.pairs) for segment in live},
        rules.Size(len(gained), sum(release.contributors for release in gained)),
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
    """Return what each segment that is replaced has above the reference `after`."""
    return [read_segment(await list_parts(other), after) for other in segment.replaces]


async def _gained(segment: BegunRow, after: int, folder: Path) -> list[Iterator[Rows]]:
    """Return what each release that is gained has above the reference `after`, its manifest fetched into the folder."""
    found = []
    for release in await fetch_rows(SoldRow, SQL["list_gains"], segment.gains):
        path = folder / str(release.number)
        await fetch_manifest(release.release, path)
        found.append(read_manifest(path, release.number, after))
    return found


async def _store(segment: BegunRow, number: int, part: Part) -> None:
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
    """Make a segment live whose parts are all there, in place of those it replaces."""
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
    """Delete the segments that were retired long enough ago, objects first."""
    query = select(SegmentId, ContributionSegment).where(ContributionSegment.retired_at < clock.now() - READABLE_FOR)
    for segment in await fetch_rows(SegmentId, query):
        for part in await list_parts(segment.id):
            await object_store.delete(part_key(segment.id, part.number))
        async with transaction():
            await ContributionPart.delete().where(ContributionPart.segment == segment.id)
            await ContributionSegment.delete().where(ContributionSegment.id == segment.id)


async def _give_up_lost_segments() -> None:
    """Have the releases of a segment indexed anew whose objects are gone, as after a restore of the database alone."""
    in_use = select(SegmentId, ContributionSegment).where(ContributionSegment.state != "retired")
    lost = [segment.id for segment in await fetch_rows(SegmentId, in_use) if not await _is_whole(segment.id)]
    if not lost:
        return
    begun = select(SegmentId, ContributionSegment).where(ContributionSegment.state == "building")
    async with transaction():
        unknown: Values = {SoldRelease.segment: None}
        await SoldRelease.update(unknown).where(SoldRelease.segment.is_in(lost))
        await _retire(lost + [segment.id for segment in await fetch_rows(SegmentId, begun)])


async def _is_whole(segment: uuid.UUID) -> bool:
    last = await fetch_scalar(int, "SELECT max(number) FROM contribution_part WHERE segment = $1", segment)
    if last is None:
        return True
    try:
        await object_store.size(part_key(segment, last))
    except NotFound:
        return False
    return True
