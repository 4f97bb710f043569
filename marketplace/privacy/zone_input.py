"""Zones as people write them: a list of zones, or GeoJSON; pure, no clock, no database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import h3

from marketplace.core.errors import Invalid
from marketplace.privacy import geojson
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Collection

    from marketplace.privacy.geography import Geography

LONGEST_TEXT: Final = 500_000
LARGEST_DRAWING: Final = 200_000
"""The most zones of a drawing; a larger one is not somebody's own zones."""
MOST_WORK: Final = 20_000_000
"""Zones of the box times positions, which is the cost of drawing: a second or so. Detailed outlines are of small
areas."""


def read_zones(text: str, known: Collection[str], level: int, geography: Geography = H3) -> tuple[list[str], int]:
    """Return the `known` zones of a release that `text` names, ascending, each once, and how many names are not known.

    text: zones separated by spaces, commas or lines, coarser ones including all their zones; or GeoJSON polygons, which
    select the zones whose middles they contain. level: that of `known`. Raises Invalid for a text that is neither, and
    for one that names no zone.
    """
    asked = read_area(text, level, geography)
    inside = sorted(asked & set(known))
    if not inside:
        raise Invalid("None of those zones is in this dataset's area.")
    return inside, len(asked) - len(inside)


def read_area(text: str, level: int, geography: Geography = H3) -> set[str]:
    """Return the zones that `text` names or draws, by the rules of `read_zones`; raises Invalid if it names none."""
    if len(text) > LONGEST_TEXT:
        raise Invalid("That is too long; ask about fewer zones, or simplify the drawing.")
    drawn = text.lstrip().startswith("{")
    asked = _drawn(text, level, geography) if drawn else _named(text, level, geography)
    if not asked:
        raise Invalid("Name at least one zone, or draw one.")
    return asked


def names(text: str) -> list[str]:
    """Return the names in a list of zones, in its order."""
    return [name for name in re.split(r"[\s,;]+", text) if name]


def _named(text: str, level: int, geography: Geography) -> set[str]:
    zones: set[str] = set()
    for name in names(text):
        of = geography.level(name)
        if of is not None and of < level:
            if geography.count_below(name, level) + len(zones) > LARGEST_DRAWING:
                raise Invalid("Those zones are too large for a preview; ask about a smaller area.")
            zones.update(geography.below(name, level))
        else:
            zones.add(name)
    return zones


def _drawn(text: str, level: int, geography: Geography) -> set[str]:
    document = geojson.read_json(text)
    zones: set[str] = set()
    work = 0.0
    for geometry in geojson.geometries(document):
        count = geography.count_drawn(geometry, level)
        if len(zones) + count > LARGEST_DRAWING:
            raise Invalid("Those zones are too large for a preview; ask about a smaller area.")
        work += count * sum(1 for _ in geojson.positions(geometry["coordinates"]))
        if work > MOST_WORK:
            raise Invalid("That drawing is too detailed for its size; simplify its outline.")
        try:
            zones |= geography.drawn(geometry, level)
        except (h3.H3BaseException, ValueError, TypeError, IndexError):
            raise Invalid("That GeoJSON has a polygon that cannot be read.") from None
    return zones
