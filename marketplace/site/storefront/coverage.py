"""Where there is data: the areas of the listed datasets, each as the outline around its zones."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from msgspec import Struct

from marketplace.catalogue.search.rules import PATH
from marketplace.core.web import maps
from marketplace.core.web.pages import url
from marketplace.datasets.geography.layer_queries import over
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.queries import key_zones

if TYPE_CHECKING:
    import uuid

    from marketplace.catalogue.offers.queries import ListingRow
    from marketplace.privacy.geography import Geography

    Place = tuple[float, float]

MOST_AREAS: Final = 12
MOST_ZONES: Final = 2_000
"""Zones of an area, evenly chosen, that its outline is drawn around."""
FEWEST_CORNERS: Final = 3


class Area(Struct, frozen=True):
    """An area, its number of listed datasets, and the address of the first one."""

    name: str
    datasets: int
    address: str


class Coverage(Struct, frozen=True):
    """Areas, and their map."""

    areas: Sequence[Area]
    outlines: maps.Outlines
    over: Markup


async def cover(listings: Sequence[ListingRow]) -> Coverage | None:
    """Return the areas of listed datasets, the first ones on top; None if no area has an outline."""
    firsts = {row.area: row for row in reversed(listings)}
    areas, shapes = [], {}
    for name, row in list(firsts.items())[:MOST_AREAS]:
        ring = _known().get(row.release)
        if ring is None:
            geography = await get_geography(row.zone_table)
            ring = await asyncio.to_thread(around, await key_zones(row.code), geography)
            _known()[row.release] = ring
            if len(_known()) > 200:  # noqa: PLR2004 (a few corners each)
                _known().pop(next(iter(_known())))
        if len(ring) > FEWEST_CORNERS:
            datasets = sum(1 for one in listings if one.area == name)
            address = url(f"/datasets/{row.code}") if datasets == 1 else url(f"{PATH}?search={name}")
            areas.append(Area(name, datasets, address))
            shapes[name] = [[ring]]
    if not areas:
        return None
    outlines = maps.outline(shapes)
    return Coverage(areas, outlines, await over(outlines.frame))


@functools.cache
def _known() -> dict[uuid.UUID, list[Place]]:
    return {}


def around(zones: Sequence[str], geography: Geography) -> list[Place]:
    """Return the smallest convex closed ring of longitudes and latitudes around zones.

    Empty if they have no outline. Source: Andrew, "Another efficient algorithm for convex hulls in two dimensions",
    Information Processing Letters, 1979.
    """
    some = zones[:: max(1, len(zones) // MOST_ZONES)]
    corners = sorted({(x, y) for zone in some for polygon in geography.shape(zone) for x, y, *_ in polygon[0]})
    if len(corners) < FEWEST_CORNERS:
        return []
    lower, upper = _half(corners), _half(corners[::-1])
    ring = lower[:-1] + upper[:-1]
    return [*ring, ring[0]]


def _half(corners: Sequence[Place]) -> list[Place]:
    """Return the corners of one side, from the first to the last."""
    kept: list[Place] = []
    for corner in corners:
        while len(kept) > 1 and _bends(kept[-2], kept[-1], corner) <= 0:
            kept.pop()
        kept.append(corner)
    return kept


def _bends(a: Place, b: Place, c: Place) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
