"""The zones of a public key set: the declared area, the parent zones, the areas of coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.geography import Geography

COARSER: Final = 2
"""Resolutions between an H3 cell and its area: 49 cells, at resolution 8 some 36 square kilometres."""
LARGEST_AREA: Final = 2_000_000
"""The most zones of a key set."""


def key_zones(area: Sequence[str], level: int, geography: Geography = H3) -> tuple[str, ...]:
    """Return the zones of a level in `area` (zones of that level, or coarser ones), ascending and distinct.

    Raises Invalid for a name that is no zone, for a zone finer than the level, and for more than LARGEST_AREA zones.
    """
    zones: set[str] = set()
    for zone in area:
        of = geography.level(zone)
        if of is None or of > level:
            if geography.code:
                raise Invalid(
                    "{zone} is not a zone of the table {table}, of level {level} or coarser.",
                    zone=zone,
                    table=geography.code,
                    level=level,
                )
            raise Invalid("{zone} is not an H3 cell of resolution {level} or coarser.", zone=zone, level=level)
        if len(zones) + geography.count_below(zone, level) > LARGEST_AREA:
            raise Invalid("That area has more than {most} zones; choose larger ones.", most=LARGEST_AREA)
        zones.update(geography.below(zone, level))
    return tuple(sorted(zones))


def parent_zones(
    zones: Sequence[str], level: int, geography: Geography = H3
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the zones of a coarser level that contain `zones`, ascending, and each zone's position among them."""
    of = [geography.above(zone, level) for zone in zones]
    names = tuple(sorted(set(of)))
    place = {name: at for at, name in enumerate(names)}
    return names, np.array([place[name] for name in of], np.int64)


def area_of(zone: str, geography: Geography = H3) -> str:
    """Return the area of a zone for which consent is published, the same in every dataset that has the zone.

    It is the H3 cell two resolutions coarser, the parent of one of the operator's own zones, or its whole table.
    """
    level = geography.level(zone) or 0
    if not geography.code:
        return geography.above(zone, max(level - COARSER, 0))
    return geography.above(zone, level - 1) if level > 1 else geography.code


def coverage_areas(zones: Sequence[str], geography: Geography = H3) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the areas for which coverage is published, ascending, and each zone's position among them."""
    of = [area_of(zone, geography) for zone in zones]
    names = tuple(sorted(set(of)))
    place = {name: at for at, name in enumerate(names)}
    return names, np.array([place[name] for name in of], np.int64)
