"""Zones as people write them: a list of zones, or GeoJSON; pure, no clock, no database.

Source: RFC 7946, The GeoJSON Format.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import h3

from marketplace.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LONGEST_TEXT: Final = 500_000
MOST_CELLS: Final = 200_000
"""Cells a drawing may hold; a larger one is not somebody's own zones."""
MOST_WORK: Final = 20_000_000
"""Cells of the box times positions: what drawing costs, a second or so. Detailed outlines are of small areas."""
POLYGONS: Final = {"Polygon": 1, "MultiPolygon": 2}
"""How deep a geometry's rings lie in its coordinates."""
KILOMETRES_A_DEGREE: Final = 111.32
NESTED_AT_MOST: Final = 8


def read_zones(text: str, known: Collection[str], resolution: int | None) -> tuple[list[str], int]:
    """Return which of a release's `known` zones `text` names, ascending, each once, and how many names fell outside them.

    text: zones separated by spaces, commas or lines, coarser H3 cells standing for all they hold; or GeoJSON polygons,
    which hold the cells whose centres they hold. resolution: the H3 resolution of `known`; None: zones of the operator's
    own, which are named, not drawn. Refuses what is neither, and what names no zone.
    """
    asked = read_area(text, resolution)
    inside = sorted(asked & set(known))
    if not inside:
        raise Invalid("None of those zones is in this dataset's area.")
    return inside, len(asked) - len(inside)


def read_area(text: str, resolution: int | None) -> set[str]:
    """Return the zones that `text` names or draws, as `read_zones` takes them; refuses what names none."""
    if len(text) > LONGEST_TEXT:
        raise Invalid("That is too long; ask about fewer zones, or simplify the drawing.")
    asked = _drawn(text, resolution) if text.lstrip().startswith("{") else _named(text, resolution)
    if not asked:
        raise Invalid("Name at least one zone, or draw one.")
    return asked


def _named(text: str, resolution: int | None) -> set[str]:
    zones: set[str] = set()
    for name in re.split(r"[\s,;]+", text.strip()):
        if resolution is not None and h3.is_valid_cell(name) and h3.get_resolution(name) < resolution:
            if h3.cell_to_children_size(name, resolution) + len(zones) > MOST_CELLS:
                raise Invalid("Those zones are too large for a preview; ask about a smaller area.")
            zones.update(h3.cell_to_children(name, resolution))
        elif name:
            zones.add(name)
    return zones


def _drawn(text: str, resolution: int | None) -> set[str]:
    if resolution is None:
        raise Invalid("This dataset counts by the operator's own zones: name them, one a line.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("That is not GeoJSON: it cannot be read as JSON.") from None
    zones: set[str] = set()
    work = 0.0
    for geometry in _geometries(document):
        cells = _size(geometry) / h3.average_hexagon_area(resolution)
        if len(zones) + cells > MOST_CELLS:
            raise Invalid("Those zones are too large for a preview; ask about a smaller area.")
        work += cells * sum(1 for _ in _positions(geometry["coordinates"]))
        if work > MOST_WORK:
            raise Invalid("That drawing is too detailed for its size; simplify its outline.")
        try:
            zones.update(h3.geo_to_cells(geometry, resolution))
        except (h3.H3BaseException, ValueError, TypeError, IndexError):
            raise Invalid("That GeoJSON has a polygon that cannot be read.") from None
    return zones


def _geometries(document: Any, depth: int = 0) -> Iterator[dict[str, Any]]:  # noqa: ANN401 (whatever JSON says)
    """Yield the polygons of a GeoJSON document."""
    kind = document.get("type") if isinstance(document, dict) and depth < NESTED_AT_MOST else None
    if kind in POLYGONS:
        yield {"type": kind, "coordinates": _checked(document.get("coordinates"), POLYGONS[kind] + 1)}
    elif kind == "Feature":
        yield from _geometries(document.get("geometry"), depth + 1)
    elif kind in ("FeatureCollection", "GeometryCollection"):
        inner = document.get("features" if kind == "FeatureCollection" else "geometries")
        for one in inner if isinstance(inner, list) else [None]:
            yield from _geometries(one, depth + 1)
    else:
        raise Invalid("That GeoJSON holds something else than polygons.")


def _checked(coordinates: Any, depth: int) -> list[Any]:  # noqa: ANN401
    """Return nested coordinates whose positions are longitudes and latitudes in degrees; refuse any others."""
    if not isinstance(coordinates, list) or not coordinates:
        raise Invalid("That GeoJSON has a polygon that cannot be read.")
    if depth:
        return [_checked(inner, depth - 1) for inner in coordinates]
    position = coordinates[:2]
    numbers = all(type(value) in (int, float) and math.isfinite(value) for value in position)
    if len(position) < 2 or not numbers or abs(position[0]) > 180 or abs(position[1]) > 90:  # noqa: PLR2004
        raise Invalid("GeoJSON positions are longitude and latitude in degrees, in that order.")
    return position


def _size(geometry: dict[str, Any]) -> float:
    """Return the square kilometres of the box around a geometry, at most those of the globe."""
    positions = list(_positions(geometry["coordinates"]))
    longitudes, latitudes = zip(*positions, strict=True)
    high: float = (max(latitudes) - min(latitudes)) * KILOMETRES_A_DEGREE
    nearest_equator = max(min(latitudes), -max(latitudes), 0)
    wide: float = (max(longitudes) - min(longitudes)) * KILOMETRES_A_DEGREE * math.cos(math.radians(nearest_equator))
    return high * wide


def _positions(coordinates: list[Any]) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], list):
        for inner in coordinates:
            yield from _positions(inner)
    else:
        yield coordinates[0], coordinates[1]
