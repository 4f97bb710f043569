"""Where zones lie, relative to each other and on Earth: H3's cells, or the operator's own zones from its table. Pure.

Both kinds answer the same questions. A level says how fine a zone is. For H3 it is the resolution. For the operator's
own zones it is 1 for those without a parent, 2 for their children, and so on. A coarser zone includes all the zones in
it.

Source: RFC 7946, The GeoJSON Format; Shimrat, "Algorithm 112: position of point relative to polygon", CACM 1962.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import h3
import numpy as np

from marketplace.privacy import geojson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Polygons = list[list[Any]]

NOWHERE: Final = ""
"""The zone of a place that no zone contains."""
BATCH_SIZE: Final = 4_000_000
"""Points times edges compared in one step."""


@dataclass(frozen=True, slots=True)
class Hexagons:
    """H3's cells, the same for everyone."""

    code: str = ""
    digest: str = ""

    def level(self, zone: str) -> int | None:
        """Return a zone's level, None for a name that is no zone."""
        return int(h3.get_resolution(zone)) if _is_cell(zone) else None

    def above(self, zone: str, level: int) -> str:
        """Return the zone of this level that contains `zone`, or the zone itself if it is coarser."""
        return str(h3.cell_to_parent(zone, min(level, h3.get_resolution(zone))))

    def count_below(self, zone: str, level: int) -> int:
        """Return how many zones of this level, not coarser than its own, a zone contains."""
        return int(h3.cell_to_children_size(zone, level))

    def below(self, zone: str, level: int) -> Iterable[str]:
        """Return the zones of this level that a zone contains."""
        return [str(cell) for cell in h3.cell_to_children(zone, level)]

    def find(self, names: Sequence[str], level: int) -> list[str | None]:
        """Return the zone of this level that contains each named zone, None for a name that is no zone.

        A coarser zone counts as in the zone that contains its centre.
        """
        return [self._find(name, level) if _is_cell(name) else None for name in names]

    def _find(self, cell: str, level: int) -> str:
        if h3.get_resolution(cell) >= level:
            return self.above(cell, level)
        return str(h3.cell_to_center_child(cell, level))

    def locate(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64], level: int) -> list[str]:
        """Return the zone of this level that contains each of n places; latitudes, longitudes: in degrees."""
        places = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
        return [str(h3.latlng_to_cell(latitude, longitude, level)) for latitude, longitude in places]

    def drawn(self, geometry: dict[str, Any], level: int) -> set[str]:
        """Return the zones of this level whose centres are in a GeoJSON polygon."""
        return {str(cell) for cell in h3.geo_to_cells(geometry, level)}

    def count_drawn(self, geometry: dict[str, Any], level: int) -> float:
        """Return about how many zones are in the box around a polygon."""
        return geojson.size(geometry) / float(h3.average_hexagon_area(level))

    def name(self, zone: str) -> str:
        """Return a zone's name for people."""
        return zone

    def shape(self, zone: str) -> Polygons:
        """Return a zone's outline as GeoJSON polygons, empty if it is unknown."""
        ring = [[longitude, latitude] for latitude, longitude in h3.cell_to_boundary(zone)]
        return [[[*ring, ring[0]]]]

    def geojson(self, zones: Iterable[str]) -> dict[str, Any]:
        """Return zones as a GeoJSON document."""
        return _collection((zone, zone, "", self.shape(zone)) for zone in zones)


H3: Final = Hexagons()


@dataclass(frozen=True)
class OwnZones:
    """The operator's own zones: each has a code and a name, and may have a parent and an outline."""

    code: str = field(compare=False)
    """The table's code for people; two tables with the same zones compare equal."""
    digest: str
    """SHA-256 of the table's document, which identifies exactly these zones."""
    names: Mapping[str, str] = field(compare=False)
    parents: Mapping[str, str] = field(compare=False)
    polygons: Mapping[str, Polygons] = field(compare=False)
    levels: Mapping[str, int] = field(compare=False)
    children: Mapping[str, Sequence[str]] = field(compare=False)

    @classmethod
    def of(cls, code: str, digest: str, document: str) -> OwnZones:
        """Return the zones of a table's document, as the zones' rules wrote it: parents come before their children."""
        names, parents, polygons = {}, {}, {}
        levels: dict[str, int] = {}
        children: dict[str, list[str]] = {}
        for feature in json.loads(document)["features"]:
            properties = feature["properties"]
            zone, parent = properties["code"], properties["parent"]
            names[zone], parents[zone] = properties["name"], parent
            polygons[zone] = geojson.polygons(feature["geometry"]) if feature["geometry"] else []
            levels[zone] = levels[parent] + 1 if parent else 1
            children.setdefault(parent, []).append(zone)
        return cls(code, digest, names, parents, polygons, levels, children)

    def level(self, zone: str) -> int | None:
        """Return a zone's level, None for a name that is no zone."""
        return self.levels.get(zone)

    def above(self, zone: str, level: int) -> str:
        """Return the zone of this level that contains `zone`, or the zone itself if it is coarser."""
        while self.levels[zone] > level:
            zone = self.parents[zone]
        return zone

    def count_below(self, zone: str, level: int) -> int:
        """Return how many zones of this level, not coarser than its own, a zone contains."""
        return sum(1 for _ in self.below(zone, level))

    def below(self, zone: str, level: int) -> Iterator[str]:
        """Yield the zones of this level that a zone contains."""
        if self.levels[zone] == level:
            yield zone
        else:
            for child in self.children.get(zone, ()):
                yield from self.below(child, level)

    def find(self, names: Sequence[str], level: int) -> list[str | None]:
        """Return the zone of this level that contains each named zone, None for a name that is no zone.

        An H3 cell lies in the zone that contains its centre; a zone coarser than the level lies NOWHERE.
        """
        found: dict[str, str | None] = {}
        cells = []
        for name in names:
            if name in self.levels:
                found[name] = self.above(name, level) if self.levels[name] >= level else NOWHERE
            elif _is_cell(name):
                cells.append(name)
        centres = np.array([h3.cell_to_latlng(cell) for cell in cells], float).reshape(-1, 2)
        found |= dict(zip(cells, self.locate(centres[:, 0], centres[:, 1], level), strict=True))
        return [found.get(name) for name in names]

    def locate(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64], level: int) -> list[str]:
        """Return the zone of this level whose outline contains each of n places, NOWHERE for the others.

        latitudes, longitudes: in degrees. If outlines overlap, the first zone by code counts.
        """
        found = np.full(len(latitudes), NOWHERE, dtype=object)
        order = np.argsort(latitudes, kind="stable")
        y, x = latitudes[order], longitudes[order]
        for zone in sorted(self.whole(level)):
            for polygon in self.shape(zone):
                ring = np.asarray(polygon[0], float)
                (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
                near = np.arange(np.searchsorted(y, south), np.searchsorted(y, north, side="right"))
                near = near[(x[near] >= west) & (x[near] <= east) & (found[order[near]] == NOWHERE)]
                found[order[near[_contains(polygon, x[near], y[near])]]] = zone
        return [str(zone) for zone in found]

    def drawn(self, geometry: dict[str, Any], level: int) -> set[str]:
        """Return the zones of this level whose middles are in a GeoJSON polygon."""
        zones, middles = _middles(self, level)
        inside = np.zeros(len(zones), bool)
        for polygon in geojson.polygons(geometry):
            inside |= _contains(polygon, middles[:, 0], middles[:, 1])
        return {zone for zone, is_inside in zip(zones, inside, strict=True) if is_inside}

    def count_drawn(self, geometry: dict[str, Any], level: int) -> float:
        """Return how many zones a polygon is compared with."""
        del geometry
        return float(len(self.whole(level)))

    def name(self, zone: str) -> str:
        """Return a zone's name for people."""
        return self.names.get(zone, zone)

    def shape(self, zone: str) -> Polygons:
        """Return a zone's outline as GeoJSON polygons, or else the outlines of its parts; empty if unknown."""
        own = self.polygons.get(zone, [])
        return own or [polygon for child in self.children.get(zone, ()) for polygon in self.shape(child)]

    def whole(self, level: int) -> list[str]:
        """Return every zone of this level."""
        return [zone for zone, of in self.levels.items() if of == level]

    def geojson(self, zones: Iterable[str]) -> dict[str, Any]:
        """Return zones, and the zones that contain them, as a GeoJSON document."""
        shown: dict[str, None] = {}
        for zone in zones:
            outer = zone
            while outer and outer not in shown:
                shown[outer] = None
                outer = self.parents[outer]
        return _collection((zone, self.names[zone], self.parents[zone], self.polygons[zone]) for zone in sorted(shown))


Geography = Hexagons | OwnZones


def _is_cell(text: str) -> bool:
    return bool(re.fullmatch("[0-9a-fA-F]{15,16}", text) and h3.is_valid_cell(text))


def _collection(zones: Iterable[tuple[str, str, str, Polygons]]) -> dict[str, Any]:
    """Return code, name, parent and polygons of zones as a GeoJSON document."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": code, "name": name, "parent": parent},
                "geometry": {"type": "MultiPolygon", "coordinates": polygons} if polygons else None,
            }
            for code, name, parent, polygons in zones
        ],
    }


def _contains(polygon: list[Any], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points a polygon contains: those from which a ray crosses its rings an odd number of times.

    An edge is crossed in the same way for both zones it bounds, so a point on a border is in one of the two neighbours.
    """
    ends = [np.asarray(ring, float) for ring in polygon]
    start, end = np.concatenate([ring[:-1] for ring in ends]), np.concatenate([ring[1:] for ring in ends])
    rises = (start[:, 1] < end[:, 1])[:, None]
    low, high = np.where(rises, start, end), np.where(rises, end, start)
    slope = (high[:, 0] - low[:, 0]) / np.where(low[:, 1] < high[:, 1], high[:, 1] - low[:, 1], 1.0)
    inside = np.zeros(len(x), bool)
    step = max(1, BATCH_SIZE // len(low))
    for first in range(0, len(x), step):
        px, py = x[first : first + step, None], y[first : first + step, None]
        crossed = (low[:, 1] <= py) & (py < high[:, 1]) & (px < low[:, 0] + slope * (py - low[:, 1]))
        inside[first : first + step] = crossed.sum(axis=1) % 2 == 1
    return inside


@functools.lru_cache(maxsize=16)
def _middles(own: OwnZones, level: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return the zones of a level that have an outline, and the positions of their middles."""
    zones = [zone for zone in own.whole(level) if own.shape(zone)]
    return zones, np.array([_middle(own.shape(zone)) for zone in zones], float).reshape(-1, 2)


def _middle(polygons: Polygons) -> tuple[float, float]:
    """Return the centroid of the largest of several polygons, ignoring holes."""
    best, middle = -1.0, (0.0, 0.0)
    for polygon in polygons:
        ring = np.asarray(polygon[0], float)
        origin = ring[0]
        (x, y), (u, v) = (ring[:-1] - origin).T, (ring[1:] - origin).T
        twice = x * v - u * y
        area = abs(float(twice.sum()))
        if area > best:
            by = 3 * twice.sum()
            offset = (
                np.array([((x + u) * twice).sum(), ((y + v) * twice).sum()]) / by if by else ring.mean(axis=0) - origin
            )
            best, middle = area, tuple((origin + offset).tolist())
    return middle


def centres(shapes: Mapping[str, Polygons]) -> dict[str, tuple[float, float]]:
    """Return each outlined zone's approximate position: the mean of its first ring, longitude and latitude."""
    rings = {zone: np.array(polygons[0][0], float) for zone, polygons in shapes.items() if polygons}
    return {zone: (float(ring[:, 0].mean()), float(ring[:, 1].mean())) for zone, ring in rings.items()}
