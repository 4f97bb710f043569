"""What a layer of a map may contain, read from GeoJSON; pure.

Source: RFC 7946, The GeoJSON Format.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.privacy import geojson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LARGEST_LAYER_BYTES: Final = 5_000_000
MOST_LAYERS: Final = 20
"""The most layers in force at once."""
MOST_CORNERS: Final = 60_000
MOST_SHAPES: Final = 5_000
LONGEST_TITLE: Final = 80
LONGEST_NAME: Final = 80
LONGEST_POSTCODES: Final = 20
AREAS: Final = ("Polygon", "MultiPolygon")
LINES: Final = ("LineString", "MultiLineString")
POINTS: Final = ("Point", "MultiPoint")
KINDS: Final = {"water": (*AREAS, *LINES), "road": LINES, "outline": (*AREAS, *LINES), "place": POINTS}
"""A layer's kind, and the geometries it may have."""
DEPTHS: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
"""How deep the positions of a geometry are nested."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One feature of a layer: its name, and its rings, lines or points, as (n, 2) longitudes and latitudes."""

    name: str
    postcodes: tuple[str, ...]
    is_area: bool
    parts: tuple[NDArray[np.float64], ...]
    geometry: dict[str, Any]


def folded(name: str) -> str:
    """Return a name in the form in which names are compared: no accents, case, or signs between words."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign))
    return " ".join(letters.split())


def read_layer(kind: str, text: str) -> tuple[str, int, int]:
    """Return a layer's one document, its number of shapes, and its number of corners.

    text: a GeoJSON collection of features; of their properties, `name` and `postcodes` (one, or a list) are stored.
    Raises Invalid for a malformed or too large document, and for a geometry that the kind may not have.
    """
    if kind not in KINDS:
        raise Invalid("Choose what the layer shows: waters, roads, outlines or places.", field="kind")
    document = geojson.read_json(text)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise Invalid("A layer in GeoJSON is a collection of features.", field="file")
    if not 0 < len(features) <= MOST_SHAPES:
        raise Invalid("A layer has between 1 and {most} shapes.", most=MOST_SHAPES, field="file")
    kept, corners = [], 0
    for feature in features:
        geometry = _geometry(kind, feature)
        corners += sum(1 for _ in _positions(geometry["coordinates"], DEPTHS[geometry["type"]]))
        if corners > MOST_CORNERS:
            raise Invalid(
                "That layer has more than {most} corners; simplify its lines first.", most=MOST_CORNERS, field="file"
            )
        kept.append({"type": "Feature", "properties": _properties(kind, feature), "geometry": geometry})
    written = json.dumps({"type": "FeatureCollection", "features": kept}, ensure_ascii=False, separators=(",", ":"))
    return written, len(kept), corners


def shapes_of(document: str) -> tuple[Shape, ...]:
    """Return the shapes of a document that `read_layer` wrote."""
    return tuple(_shape(feature) for feature in json.loads(document)["features"])


def _shape(feature: dict[str, Any]) -> Shape:
    geometry, properties = feature["geometry"], feature["properties"]
    kind, coordinates = geometry["type"], geometry["coordinates"]
    groups: Sequence[Any] = [[coordinates]] if kind == "Point" else [coordinates]
    if kind in ("MultiLineString", "Polygon"):
        groups = coordinates
    elif kind == "MultiPolygon":
        groups = [ring for polygon in coordinates for ring in polygon]
    parts = tuple(np.asarray(group, float).reshape(-1, 2) for group in groups)
    return Shape(properties["name"], tuple(properties["postcodes"]), kind in AREAS, parts, geometry)


def _geometry(kind: str, feature: Any) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    of = geometry.get("type") if isinstance(geometry, dict) else None
    if geometry is None or not isinstance(of, str) or of not in KINDS[kind]:
        raise Invalid("A layer of this kind is made of {kinds} alone.", kinds=", ".join(KINDS[kind]), field="file")
    if of in AREAS:
        return {"type": "MultiPolygon", "coordinates": geojson.polygons(geometry)}
    return {"type": of, "coordinates": _checked(geometry.get("coordinates"), DEPTHS[of], shortest=of in LINES)}


def _checked(coordinates: Any, depth: int, *, shortest: bool) -> list[Any]:  # noqa: ANN401 (any JSON)
    """Return nested positions, each of two finite numbers within the globe; a line has at least two."""
    if not isinstance(coordinates, list) or not coordinates or (shortest and depth == 1 and len(coordinates) < 2):  # noqa: PLR2004
        raise Invalid("That GeoJSON has a line or a place that cannot be read.", field="file")
    if depth:
        return [_checked(inner, depth - 1, shortest=shortest) for inner in coordinates]
    place = coordinates[:2]
    numbers = len(place) == 2 and all(type(value) in (int, float) for value in place)  # noqa: PLR2004
    if not numbers or not (abs(place[0]) <= 180 and abs(place[1]) <= 90):  # noqa: PLR2004 (nor is NaN)
        raise Invalid("GeoJSON positions are longitude and latitude in degrees, in that order.", field="file")
    return place


def _positions(coordinates: list[Any], depth: int) -> Iterator[list[Any]]:
    if depth == 0:
        yield coordinates
    else:
        for inner in coordinates:
            yield from _positions(inner, depth - 1)


def _properties(kind: str, feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    given = properties if isinstance(properties, dict) else {}
    name, postcodes = given.get("name") or "", given.get("postcodes") or []
    listed = postcodes if isinstance(postcodes, list) else [postcodes]
    words = [name, *listed]
    if not all(isinstance(word, str) and len(word) <= LONGEST_NAME and word.isprintable() for word in words):
        raise Invalid("A name or a postcode is a text of {most} signs at most.", most=LONGEST_NAME, field="file")
    if len(listed) > LONGEST_POSTCODES:
        raise Invalid("A shape has at most {most} postcodes.", most=LONGEST_POSTCODES, field="file")
    if kind == "place" and not name.strip():
        raise Invalid("Every place needs a name.", field="file")
    return {"name": " ".join(name.split()), "postcodes": [word.strip() for word in listed if word.strip()]}
