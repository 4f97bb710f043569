"""Measuring where datasets lie, and keeping what was drawn of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.database import execute, fetch_rows, select, transaction
from marketplace.datasets.queries import get_dataset, key_zones
from marketplace.footprints.queries import is_measured, list_before, list_firsts, list_former, list_near, list_versions
from marketplace.footprints.tables import Footprint
from marketplace.locks import lock
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from piccolo.columns import Column

    from marketplace.footprints.queries import First, Former
    from marketplace.privacy.geography import Geography

MICRO: Final = 1_000_000
PICTURES: Final = "pictures"
"""The lock of all that is kept of them, or deleted: `functions.sql` names it, too."""
DELETE_DRAWN: Final = """
DELETE FROM picture
WHERE depends_on && (SELECT array_agg(release) FROM picture AS gone WHERE gone.dataset = ANY($1))
"""
KEEP_DRAWN: Final = """
INSERT INTO picture (dataset, version, release, depends_on, drawn, own_zones, drawn_at)
SELECT $1, $2, $3, array_agg(DISTINCT one), $5, $6, $7
FROM (
    SELECT $3::uuid AS one
    UNION
    SELECT unnest(before.depends_on) FROM picture AS before WHERE before.dataset = ANY($4)
) AS needed
ON CONFLICT (dataset) DO NOTHING
"""


class NewPicture(NamedTuple):
    """A picture that is drawn: its version, itself as it is kept, and the zones that its map is the first to show."""

    version: uuid.UUID
    drawn: bytes
    own_zones: Sequence[str]


class Unmeasured(Struct, frozen=True):
    """A dataset that has a release and no box yet."""

    dataset: str


async def measure_new() -> None:
    """Measure every dataset that has its first release since; twice at once is the same.

    What was drawn of its ground and comes after it is drawn anew.
    """
    query = select(Unmeasured, Footprint).where(Footprint.measured_at.is_null()).order_by(Footprint.dataset)
    for row in await fetch_rows(Unmeasured, query):
        geography = await get_geography((await get_dataset(row.dataset)).zone_table)
        west, south, east, north = await asyncio.to_thread(box, await key_zones(row.dataset), geography)
        values: dict[Column | str, Any] = {
            Footprint.west: west,
            Footprint.south: south,
            Footprint.east: east,
            Footprint.north: north,
            Footprint.measured_at: clock.now(),
        }
        async with transaction():
            await lock(PICTURES)
            await Footprint.update(values).where(Footprint.dataset == row.dataset)
            near = [one.near for one in await list_near([row.dataset])]
            firsts = await list_firsts([row.dataset, *near])
            own = firsts[row.dataset]
            await execute(DELETE_DRAWN, [one.dataset for one in firsts.values() if one.rank >= own.rank])


async def keep_drawn(
    before: Sequence[First], versions: Mapping[str, uuid.UUID], former: Sequence[Former], picture: NewPicture
) -> bool:
    """Keep a picture of a dataset, unless another process has, and return whether one is kept.

    before: what was drawn near it in turn, down to itself, and of which versions. former: the maps that strangers saw once near
    it. Where any of it changed since, or where it lies was not known then, the picture is not kept: it is drawn anew.
    """
    own = before[-1]
    others = [one.dataset for one in before[:-1]]
    async with transaction():
        await lock(PICTURES)
        is_as_before = (
            await is_measured(own.dataset)
            and (await list_before([own.dataset]))[own.dataset] == list(before)
            and await list_versions(others) == dict(versions)
            and await list_former(own.dataset) == list(former)
        )
        if is_as_before:
            zones = list(picture.own_zones)
            await execute(KEEP_DRAWN, own.dataset, picture.version, own.id, others, picture.drawn, zones, clock.now())
    return is_as_before


def box(zones: Sequence[str], geography: Geography) -> tuple[int | None, int | None, int | None, int | None]:
    """Return west, south, east and north of zones' outlines in millionths of a degree; None where none has an outline."""
    rings = [np.asarray(polygon[0], float)[:, :2] for zone in zones for polygon in geography.shape(zone)]
    if not rings:
        return None, None, None, None
    corners = np.concatenate(rings)
    (west, south), (east, north) = np.floor(MICRO * corners.min(axis=0)), np.ceil(MICRO * corners.max(axis=0))
    return int(west), int(south), int(east), int(north)
