"""Read polygons from GeoJSON and check each position. Pure: no clock, no database.

Source: RFC 7946, The GeoJSON Format.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

POLYGONS: Final = {"Polygon": 1, "MultiPolygon": 2}
"""How deep a geometry's rings are nested in its coordinates."""
NESTED_AT_MOST: Final = 8
SHORTEST_RING: Final = 4
KILOMETRES_A_DEGREE: Final = 111.32


def read_json(text: str) -> Any:  # noqa: ANN401 (any JSON)
    """Return the content of a JSON text; raises Invalid if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("That is not GeoJSON: it cannot be read as JSON.") from None


def geometries(document: Any, depth: int = 0) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield the polygons of a GeoJSON document, whose positions are longitudes and latitudes in degrees.

    Raises Invalid for anything but polygons, and for polygons that cannot be read.
    """
    kind = document.get("type") if isinstance(document, dict) and depth < NESTED_AT_MOST else None
    kind = kind if isinstance(kind, str) else None
    if kind in POLYGONS:
        yield {"type": kind, "coordinates": _checked(document.get("coordinates"), POLYGONS[kind] + 1)}
    elif kind == "Feature":
        yield from geometries(document.get("geometry"), depth + 1)
    elif kind in ("FeatureCollection", "GeometryCollection"):
        inner = document.get("features" if kind == "FeatureCollection" else "geometries")
        for one in inner if isinstance(inner, list) else [None]:
            yield from geometries(one, depth + 1)
    else:
        raise Invalid("That GeoJSON holds something else than polygons.")


def polygons(document: Any) -> list[list[Any]]:  # noqa: ANN401
    """Return a document's polygons one by one, each a list of closed rings: the outer one, then its holes.

    Raises Invalid for a ring that is not closed or has no inside.
    """
    found: list[list[Any]] = []
    for geometry in geometries(document):
        found += [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    for ring in (ring for polygon in found for ring in polygon):
        if len(ring) < SHORTEST_RING or ring[0] != ring[-1] or all(position == ring[0] for position in ring):
            raise Invalid("That GeoJSON has a polygon that cannot be read.")
    return found


def _checked(coordinates: Any, depth: int) -> list[Any]:  # noqa: ANN401
    if not isinstance(coordinates, list) or not coordinates:
        raise Invalid("That GeoJSON has a polygon that cannot be read.")
    if depth:
        return [_checked(inner, depth - 1) for inner in coordinates]
    position = coordinates[:2]
    numbers = len(position) == 2 and all(type(value) in (int, float) for value in position)  # noqa: PLR2004
    if not numbers or not (abs(position[0]) <= 180 and abs(position[1]) <= 90):  # noqa: PLR2004 (nor is NaN)
        raise Invalid("GeoJSON positions are longitude and latitude in degrees, in that order.")
    return position


def size(geometry: dict[str, Any]) -> float:
    """Return the square kilometres of the box around a geometry, at most those of the globe."""
    longitudes, latitudes = zip(*positions(geometry["coordinates"]), strict=True)
    high: float = (max(latitudes) - min(latitudes)) * KILOMETRES_A_DEGREE
    nearest_equator = max(min(latitudes), -max(latitudes), 0)
    wide: float = (max(longitudes) - min(longitudes)) * KILOMETRES_A_DEGREE * math.cos(math.radians(nearest_equator))
    return high * wide


def positions(coordinates: list[Any]) -> Iterator[tuple[float, float]]:
    """Yield every position of nested coordinates."""
    if isinstance(coordinates[0], list):
        for inner in coordinates:
            yield from positions(inner)
    else:
        yield coordinates[0], coordinates[1]
