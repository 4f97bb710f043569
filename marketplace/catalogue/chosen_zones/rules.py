"""Zones as a company writes them: codes, names, postcodes, coordinates, drawings, files; pure."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.catalogue.chosen_zones.shapefiles import read_shapefile
from marketplace.core.errors import Invalid
from marketplace.datasets.geography.address_rules import Several
from marketplace.datasets.geography.layer_rules import folded
from marketplace.privacy import geojson
from marketplace.privacy.geography import NOWHERE, OwnZones
from marketplace.privacy.zone_input import LARGEST_DRAWING, read_area

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from marketplace.datasets.geography.address_rules import Whereabouts
    from marketplace.datasets.geography.layer_rules import Shape
    from marketplace.privacy.geography import Geography

LONGEST_TEXT: Final = 100_000
LONGEST_OF_STRANGERS: Final = 10_000
MOST_LINES: Final = 5_000
LARGEST_FILE_BYTES: Final = 500_000
LONGEST_CELL: Final = 200
COORDINATES: Final = re.compile(r"(-?\d{1,2}(?:\.\d+)?)\s*[,;\s]\s*(-?\d{1,3}\.\d+)")
"""Latitude, then longitude with decimals; two whole numbers are codes."""
NAMED: Final = ("zone", "code", "name", "nom", "commune", "postcode", "code_postal", "codepostal", "cp", "insee")
LATITUDES, LONGITUDES = ("lat", "latitude", "y"), ("lon", "lng", "long", "longitude", "x")
ADDRESS, POSTCODE, TOWN = (
    ("address", "adresse"),
    ("postcode", "code_postal", "codepostal", "cp"),
    ("town", "commune", "ville"),
)
MOST_UNKNOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ChosenZones:
    """The zones of a release that a text names."""

    zones: list[str]
    """Ascending, each once."""
    outside: list[str]
    """Named zones that the release does not have."""
    unknown: list[tuple[str, str]]
    """Words that are neither a zone nor a name, each with the nearest name, or ''."""
    addresses: int = 0
    """How many lines are addresses, found or not."""
    several: list[tuple[str, str]] = field(default_factory=list)
    """Addresses in several places, with their postcodes; '' if a town is missing."""


def choose(
    text: str,
    known: Collection[str],
    level: int,
    geography: Geography,
    areas: Mapping[str, Sequence[Shape]],
    *,
    addresses: Mapping[str, Whereabouts] | None = None,
) -> ChosenZones:
    """Return which of a release's zones a text names.

    text: GeoJSON polygons or points; or lines, each a place's coordinates (latitude, longitude), one of `addresses`
    (its line, and its known or possible places, or None), a name or a postcode of `areas` (by their folded names), or
    codes and names of zones. An area means the zones whose centres are in it. Raises Invalid for a text that is too
    long or names no zone.
    """
    if len(text) > LONGEST_TEXT:
        raise Invalid("That is too long; ask about fewer zones, or simplify the drawing.", field="zones")
    if text.lstrip().startswith("{"):
        document = geojson.read_json(text)
        points = _points(document)
        if not points:
            return _of(read_area(text, level, geography), known, [])
        text = "\n".join(f"{latitude},{longitude:.6f}" for longitude, latitude in points)
    lines = lines_of(text)
    if len(lines) > MOST_LINES:
        raise Invalid("Write {most} lines at most.", most=MOST_LINES, field="zones")
    words, found_at = _Words(level, geography, areas), addresses or {}
    places = _read_lines(lines, words, found_at)
    several = [(line, ", ".join(found.postcodes)) for line in lines if isinstance(found := found_at.get(line), Several)]
    if places:
        where = np.array(places)
        if (abs(where) > [90, 180]).any():
            raise Invalid("Coordinates are a latitude and a longitude in degrees, in that order.", field="zones")
        words.zones |= set(geography.locate(where[:, 0], where[:, 1], level)) - {NOWHERE}
    if not (words.zones or words.unknown or places or several):
        raise Invalid("Name at least one zone, or draw one.", field="zones")
    chosen = _of(words.zones, known, words.unknown[:MOST_UNKNOWN])
    return replace(chosen, addresses=sum(line in found_at for line in lines), several=several[:MOST_UNKNOWN])


def _read_lines(lines: Sequence[str], words: _Words, addresses: Mapping[str, Whereabouts]) -> list[tuple[float, float]]:
    """Return the latitudes and longitudes of lines with places; other lines are added to `words`."""
    places: list[tuple[float, float]] = []
    for line in lines:
        if found := COORDINATES.fullmatch(line):
            places.append((float(found[1]), float(found[2])))
        elif isinstance(place := addresses.get(line), tuple):
            places.append(place)
        elif line in addresses:
            words.unknown += [] if place else [(line, "")]
        else:
            words.read(line)
    return places


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty; none for a drawing."""
    is_drawn = text.lstrip().startswith("{")
    return [] if is_drawn else [line.strip() for line in text.splitlines() if line.strip()]


def _of(asked: set[str], known: Collection[str], unknown: list[tuple[str, str]]) -> ChosenZones:
    return ChosenZones(sorted(asked & set(known)), sorted(asked - set(known)), unknown)


class _Words:
    """The names and codes of zones in a text."""

    def __init__(self, level: int, geography: Geography, areas: Mapping[str, Sequence[Shape]]) -> None:
        self.level, self.geography, self.areas = level, geography, areas
        self.own: dict[str, list[str]] = {}
        if isinstance(geography, OwnZones):
            for zone, name in geography.names.items():
                self.own.setdefault(folded(name), []).append(zone)
        self.zones: set[str] = set()
        self.unknown: list[tuple[str, str]] = []
        self.drawn: dict[str, set[str]] = {}

    def read(self, line: str) -> None:
        """Add the zones of a line: of the whole line, else of its parts between commas, else of its words."""
        if self._add(line):
            return
        parts = [part.strip() for part in re.split(r"[,;\t]", line) if part.strip()]
        for part in parts:
            words = part.split()
            joined = "".join(words)  # A spreadsheet writes 69001 as 69 001.
            if not self._add(part) and not (joined.isdecimal() and self._add(joined)):
                missing = [word for word in words if not self._add(word)]
                if len(missing) == len(words):
                    missing = [part]
                self.unknown += [(word, self._nearest(word)) for word in missing]
        del self.unknown[MOST_UNKNOWN:]

    def _add(self, word: str) -> bool:
        at = self.geography.level(word)
        key = folded(word)
        if at is not None:
            self._add_zone(word, at)
        elif key in self.own:
            for zone in self.own[key]:
                self._add_zone(zone, self.geography.level(zone) or 0)
        elif key in self.areas:
            if key not in self.drawn:
                self.drawn[key] = {
                    zone for shape in self.areas[key] for zone in _drawn(shape, self.level, self.geography)
                }
            self.zones |= self.drawn[key]
        else:
            return False
        return True

    def _add_zone(self, zone: str, at: int) -> None:
        if at >= self.level:
            self.zones.add(self.geography.above(zone, self.level))
            return
        if self.geography.count_below(zone, self.level) + len(self.zones) > LARGEST_DRAWING:
            raise Invalid("Those zones are too large for a preview; ask about a smaller area.", field="zones")
        self.zones.update(self.geography.below(zone, self.level))

    def _nearest(self, word: str) -> str:
        key = folded(word)
        names = {folded(shape.name): shape.name for of in self.areas.values() for shape in of if shape.name}
        if isinstance(self.geography, OwnZones) and len(self.own) <= MOST_LINES:
            names |= {name: self.geography.names[of[0]] for name, of in self.own.items()}
        near = difflib.get_close_matches(key[:LONGEST_CELL], names, 1) if len(self.unknown) < MOST_UNKNOWN else []
        return names[near[0]] if near else ""


def _drawn(shape: Shape, level: int, geography: Geography) -> set[str]:
    """Return the zones whose centres are in an area, or for a smaller area the zone of its own centre."""
    if geography.count_drawn(shape.geometry, level) > LARGEST_DRAWING:
        raise Invalid("Those zones are too large for a preview; ask about a smaller area.", field="zones")
    polygons = [{"type": "Polygon", "coordinates": rings} for rings in shape.geometry["coordinates"]]
    found = {zone for polygon in polygons for zone in geography.drawn(polygon, level)}
    if found:
        return found
    middle = shape.parts[0][:-1].mean(axis=0)
    return set(geography.locate(middle[1:], middle[:1], level)) - {NOWHERE}


def _points(document: Any) -> list[tuple[float, float]]:  # noqa: ANN401 (any JSON)
    """Return the longitudes and latitudes of a collection of points, or nothing for any other document."""
    features = document.get("features") if isinstance(document, dict) else None
    found: list[tuple[float, float]] = []
    for feature in features if isinstance(features, list) else []:
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict) or geometry.get("type") != "Point":
            return []
        place: Any = geometry.get("coordinates")
        numbers = isinstance(place, list) and len(place) > 1 and all(type(value) in (int, float) for value in place[:2])
        if not numbers or not (abs(place[0]) <= 180 and abs(place[1]) <= 90):  # noqa: PLR2004 (nor is NaN)
            raise Invalid("GeoJSON positions are longitude and latitude in degrees, in that order.", field="zones")
        found.append((place[0], place[1]))
    return found


def read_file(data: bytes) -> str:
    """Return a file's zones as people write them: GeoJSON unchanged, CSV as its zones, names or coordinates.

    `shapefiles` reads a zipped shapefile.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise Invalid("That file is too large; 500 kB at most.", field="file")
    if data[:2] == b"PK":
        return read_shapefile(data)
    try:
        text = data.decode("utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Invalid("The file is not text in UTF-8.", field="file")
    if not text.strip():
        raise Invalid("The file is empty.", field="file")
    if text.lstrip().startswith("{"):
        return text
    return _from_csv(text)


def _from_csv(text: str) -> str:
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
    except csv.Error:
        raise Invalid("The file cannot be read as CSV.", field="file") from None
    if not rows or len(rows) > MOST_LINES:
        raise Invalid("Write {most} lines at most.", most=MOST_LINES, field="file")
    heading = [cell.strip().casefold() for cell in rows[0]]
    latitude, longitude = (
        next((heading.index(one) for one in of if one in heading), None) for of in (LATITUDES, LONGITUDES)
    )
    if latitude is not None and longitude is not None:
        places = [(_number(_cell(row, latitude)), _number(_cell(row, longitude))) for row in rows[1:]]
        return "\n".join(f"{y:.6f}, {x:.6f}" for y, x in places)
    if any(one in heading for one in ADDRESS):
        whole = [next((heading.index(one) for one in of if one in heading), None) for of in (ADDRESS, POSTCODE, TOWN)]
        return "\n".join(" ".join(_cell(row, at) for at in whole if at is not None) for row in rows[1:])
    column = next((heading.index(one) for one in NAMED if one in heading), None)
    named = rows if column is None else rows[1:]
    return "\n".join(cell for row in named if (cell := _cell(row, column or 0)))


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip()[:LONGEST_CELL] if column < len(row) else ""


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Invalid("A row of the file has no latitude or longitude that is a number.", field="file")
    return number
