"""Measuring where datasets lie, and storing their pictures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, transaction
from marketplace.core.locks import lock
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.pictures.queries import (
    is_measured,
    list_before,
    list_firsts,
    list_former,
    list_near,
    list_versions,
)
from marketplace.datasets.pictures.tables import Footprint
from marketplace.datasets.releases.queries import get_dataset, key_zones

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from piccolo.columns import Column

    from marketplace.datasets.pictures.queries import First, Former
    from marketplace.privacy.geography import Geography

MICRO: Final = 1_000_000
PICTURES: Final = "pictures"
"""The lock for storing or deleting pictures; `functions.sql` names it, too."""
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
    """A picture to be stored: its version, its encoded form, and the zones that its map is the first to show."""

    version: uuid.UUID
    drawn: bytes
    own_zones: Sequence[str]


async def measure_new() -> None:
    """Measure every dataset that got its first release since the last run; running twice at once is safe.

    Later pictures of its ground are drawn again.
    """
    query = Footprint.select(Footprint.dataset).where(Footprint.measured_at.is_null()).order_by(Footprint.dataset)
    for dataset in await fetch_column(str, query):
        geography = await get_geography((await get_dataset(dataset)).zone_table)
        west, south, east, north = await asyncio.to_thread(box, await key_zones(dataset), geography)
        values: dict[Column | str, Any] = {
            Footprint.west: west,
            Footprint.south: south,
            Footprint.east: east,
            Footprint.north: north,
            Footprint.measured_at: clock.now(),
        }
        async with transaction():
            await lock(PICTURES)
            await Footprint.update(values).where(Footprint.dataset == dataset)
            near = [one.near for one in await list_near([dataset])]
            firsts = await list_firsts([dataset, *near])
            own = firsts[dataset]
            await execute(DELETE_DRAWN, [one.dataset for one in firsts.values() if one.rank >= own.rank])


async def keep_drawn(
    before: Sequence[First], versions: Mapping[str, uuid.UUID], former: Sequence[Former], picture: NewPicture
) -> bool:
    """Store a picture of a dataset, unless another process has, and return whether one is stored.

    before: the pictures near it in turn, up to its own, with their versions. former: the maps near it that strangers
    once saw. If any of these changed since, or the dataset's position was not known then, it is not stored, and is
    drawn again.
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
    """Return west, south, east and north of zones' outlines in millionths of a degree; None without outlines."""
    rings = [np.asarray(polygon[0], float)[:, :2] for zone in zones for polygon in geography.shape(zone)]
    if not rings:
        return None, None, None, None
    corners = np.concatenate(rings)
    (west, south), (east, north) = np.floor(MICRO * corners.min(axis=0)), np.ceil(MICRO * corners.max(axis=0))
    return int(west), int(south), int(east), int(north)
