"""Measuring where datasets lie."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, select
from marketplace.datasets.queries import get_dataset, key_zones
from marketplace.footprints.tables import Footprint
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piccolo.columns import Column

    from marketplace.privacy.geography import Geography

MICRO: Final = 1_000_000


class Unmeasured(Struct, frozen=True):
    """A dataset that has a release and no box yet."""

    dataset: str


async def measure_new() -> None:
    """Measure every dataset that has its first release since; twice at once is the same."""
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
        await Footprint.update(values).where(Footprint.dataset == row.dataset)


def box(zones: Sequence[str], geography: Geography) -> tuple[int | None, int | None, int | None, int | None]:
    """Return west, south, east and north of zones' outlines in millionths of a degree; None where none has an outline."""
    rings = [np.asarray(polygon[0], float)[:, :2] for zone in zones for polygon in geography.shape(zone)]
    if not rings:
        return None, None, None, None
    corners = np.concatenate(rings)
    (west, south), (east, north) = np.floor(MICRO * corners.min(axis=0)), np.ceil(MICRO * corners.max(axis=0))
    return int(west), int(south), int(east), int(north)
