"""Geohash cells, and how they overlap with zones; pure.

Source: Gustavo Niemeyer's geohash: longitude and latitude are halved in turn, five bits a letter. Clipping: Sutherland
and Hodgman, "Reentrant polygon clipping", CACM 1974; for a simple ring of any shape it gives the right area.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.geography import Geography

    Ring = Sequence[tuple[float, float]]

LETTERS: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
EARTH_KM: Final = 6371.0088
LEAST_SHARE: Final = 1e-9
"""Smallest share of a cell: a smaller one in a zone is a shared border."""


class Box(Struct, frozen=True):
    """A cell's sides, in degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def square_km(self) -> float:
        """Return its area on a sphere."""
        height = math.sin(math.radians(self.north)) - math.sin(math.radians(self.south))
        return EARTH_KM**2 * math.radians(self.east - self.west) * height

    @property
    def size(self) -> float:
        """Return its area in square degrees."""
        return (self.east - self.west) * (self.north - self.south)


class Touch(Struct, frozen=True):
    """One zone that a cell touches."""

    zone: int
    """Its position among the zones."""
    of_zone: float
    """The share of the zone that is in the cell."""
    of_cell: float
    """The share of the cell that is in the zone."""
    is_whole: bool
    """Whether the whole zone is in the cell."""


def steps(precision: int) -> tuple[int, int]:
    """Return the number of columns and rows of the globe."""
    bits = 5 * precision
    return 1 << (bits + 1) // 2, 1 << bits // 2


def box_of(geohash: str) -> Box:
    """Return a cell's box."""
    x = y = 0
    is_column = True
    for letter in geohash:
        number = LETTERS.index(letter)
        for bit in (16, 8, 4, 2, 1):
            if is_column:
                x = x * 2 + bool(number & bit)
            else:
                y = y * 2 + bool(number & bit)
            is_column = not is_column
    columns, rows = steps(len(geohash))
    width, height = 360 / columns, 180 / rows
    return Box(x * width - 180, y * height - 90, (x + 1) * width - 180, (y + 1) * height - 90)


def name_of(x: int, y: int, precision: int) -> str:
    """Return the cell of a column from the west and a row from the south."""
    letters, bits = [], 5 * precision
    column_bits, row_bits = (bits + 1) // 2, bits // 2
    number = 0
    for at in range(bits):
        if at % 2 == 0:
            column_bits -= 1
            number = number * 2 + (x >> column_bits & 1)
        else:
            row_bits -= 1
            number = number * 2 + (y >> row_bits & 1)
        if at % 5 == 4:  # noqa: PLR2004 (five bits a letter)
            letters.append(LETTERS[number])
            number = 0
    return "".join(letters)


def cells_over(ring: Ring, precision: int, most: int) -> list[str] | None:
    """Return the cells that a ring of longitudes and latitudes touches, from south-west; None for more than `most` around it."""
    columns, rows = steps(precision)
    longitudes, latitudes = [point[0] for point in ring], [point[1] for point in ring]
    west, east = (min(int((value + 180) / 360 * columns), columns - 1) for value in (min(longitudes), max(longitudes)))
    south, north = (min(int((value + 90) / 180 * rows), rows - 1) for value in (min(latitudes), max(latitudes)))
    if (east - west + 1) * (north - south + 1) > most:
        return None
    names = [name_of(x, y, precision) for y in range(south, north + 1) for x in range(west, east + 1)]
    boxes = [box_of(name) for name in names]
    return [name for name, box in zip(names, boxes, strict=True) if area_within(ring, box) > LEAST_SHARE * box.size]


def area(ring: Ring) -> float:
    """Return a ring's area in square degrees."""
    following = [*ring[1:], ring[0]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True))) / 2


def area_within(ring: Ring, box: Box) -> float:
    """Return the area of a ring in a box, in square degrees."""
    points = [(x - box.west, y - box.south) for x, y in ring]  # moved near zero, where differences are exact
    width, height = box.east - box.west, box.north - box.south
    for axis, limit, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        points = _cut(points, axis, limit, sign)
        if not points:
            return 0.0
    return area(points)


def _cut(points: list[tuple[float, float]], axis: int, limit: float, sign: int) -> list[tuple[float, float]]:
    """Return a ring's part on one side of a line: sign 1 above the limit, -1 below."""
    found: list[tuple[float, float]] = []
    for start, end in zip([points[-1], *points[:-1]], points, strict=True):
        is_in, was_in = (sign * (point[axis] - limit) >= 0 for point in (end, start))
        if is_in != was_in:
            along = (limit - start[axis]) / (end[axis] - start[axis])
            found.append((start[0] + along * (end[0] - start[0]), start[1] + along * (end[1] - start[1])))
        if is_in:
            found.append(end)
    return found


def is_simple(ring: Ring) -> bool:
    """Return whether a ring has an inside and its sides touch only at their common corners."""
    count = len(ring)
    sides = [(ring[n], ring[(n + 1) % count]) for n in range(count)]
    if area(ring) == 0 or any(a == b for a, b in sides):
        return False
    return not any(
        _cross(sides[n], sides[m]) for n in range(count) for m in range(n + 2, count) if not (n == 0 and m == count - 1)
    )


def _cross(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    def side(a: Any, b: Any, c: Any) -> float:  # noqa: ANN401 (a point)
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    (a, b), (c, d) = one, other
    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of a key set that have an outline."""

    rings: list[list[list[list[tuple[float, float]]]]]
    """The polygons of each zone, and of each polygon its rings, the outer one first."""
    boxes: NDArray[np.float64]
    """West, south, east and north of n zones."""
    areas: list[float]

    def touching(self, box: Box) -> list[Touch]:
        """Return the zones that a cell touches."""
        west, south, east, north = self.boxes.T
        near = np.flatnonzero((west < box.east) & (east > box.west) & (south < box.north) & (north > box.south))
        found = []
        for zone in near.tolist():
            shared = sum(_signed(polygon, box) for polygon in self.rings[zone])
            if shared > LEAST_SHARE * box.size or shared > LEAST_SHARE * self.areas[zone] > 0:
                w, s, e, n = self.boxes[zone]
                is_whole = w >= box.west and e <= box.east and s >= box.south and n <= box.north
                of_zone = 1.0 if is_whole else min(1.0, shared / self.areas[zone])
                found.append(Touch(zone, of_zone, min(1.0, shared / box.size), bool(is_whole)))
        return found


def _signed(polygon: list[list[tuple[float, float]]], box: Box | None) -> float:
    """Return the area of a polygon, or of its part in a box: its outer ring's area without its holes'."""
    outer, *holes = [area_within(ring, box) if box else area(ring) for ring in polygon]
    return outer - sum(holes)


@functools.lru_cache(maxsize=8)
def zones_of(geography: Geography, names: tuple[str, ...]) -> Zones:
    """Return the zones' outlines; for a large key set the first call takes seconds: use a thread."""
    rings = [[[[(p[0], p[1]) for p in ring[:-1]] for ring in polygon] for polygon in geography.shape(n)] for n in names]
    boxes = np.array([_around(polygons) for polygons in rings], float).reshape(-1, 4)
    return Zones(rings, boxes, [sum(_signed(polygon, None) for polygon in polygons) for polygons in rings])


def _around(polygons: Iterable[Any]) -> tuple[float, float, float, float]:
    """Return the sides of the box around polygons; without polygons, a box that touches nothing."""
    points = [point for polygon in polygons for point in polygon[0]]
    if not points:
        return (math.inf, math.inf, -math.inf, -math.inf)
    longitudes, latitudes = zip(*points, strict=True)
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)
