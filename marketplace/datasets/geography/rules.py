"""What a table of the operator's own zones may contain, read from GeoJSON or CSV; pure.

A table never changes, so the zones of a release can always be read and counted over again. Changed zones are another
table, and another dataset.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Invalid
from marketplace.privacy import geojson
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_TABLE_BYTES: Final = 30_000_000
LARGEST_TABLE: Final = 100_000
"""The most zones."""
DEEPEST: Final = 15
CODE: Final = r"[^\s,;>]{1,64}"
"""A code has no separator of lists of zones, and no `>`, which separates the zones of a flow."""
LONGEST_NAME: Final = 200

Zone = tuple[str, str, str, Any]
"""Code, name, parent's code or nothing, GeoJSON geometry or None."""


def check_code(code: str) -> None:
    """Refuse a text that cannot be the code of a dataset or a zone table: it is part of an address."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,62}", code):
        raise Invalid("A code has between 2 and 63 small letters, digits and hyphens, and begins with no hyphen.")


def read_zone_table(text: str) -> tuple[str, int]:
    """Return a table of zones as its one document, and its number of zones.

    The document: GeoJSON features, parents before their children, then by code.
    """
    zones = list(_from_geojson(text) if text.lstrip().startswith("{") else _from_csv(text))
    if not zones or len(zones) > LARGEST_TABLE:
        raise Invalid("A zone table has between 1 and {most} zones.", most=LARGEST_TABLE)
    parents: dict[str, str] = {}
    for code, name, parent, _ in zones:
        if not re.fullmatch(CODE, code) or not code.isprintable() or H3.level(code) is not None:
            raise Invalid(
                "{code} cannot be a zone's code: 64 signs at most, without spaces, commas, semicolons or >, and no H3 cell.",
                code=code or "''",
            )
        if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
            raise Invalid("The zone {code} needs a name, of {most} signs at most.", code=code, most=LONGEST_NAME)
        if code in parents:
            raise Invalid("The zone {code} is in the table twice.", code=code)
        parents[code] = parent
    depth = {code: _depth(code, parents) for code in parents}
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name": name.strip(), "parent": parent},
            "geometry": {"type": "MultiPolygon", "coordinates": geojson.polygons(drawn)} if drawn else None,
        }
        for code, name, parent, drawn in sorted(zones, key=lambda zone: (depth[zone[0]], zone[0]))
    ]
    document = {"type": "FeatureCollection", "features": features}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")), len(features)


def _depth(code: str, parents: dict[str, str]) -> int:
    """Return how many zones contain a zone; refuse an unknown parent, and circles."""
    depth, inner = 0, code
    while parent := parents[inner]:
        if parent not in parents:
            raise Invalid("The zone {code} has a parent {parent} that is not in the table.", code=inner, parent=parent)
        depth, inner = depth + 1, parent
        if depth >= DEEPEST:
            raise Invalid("The zone {code} lies in a circle of parents, or too deep.", code=code)
    return depth


def _from_geojson(text: str) -> Iterable[Zone]:
    document: dict[str, Any] = geojson.read_json(text)
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise Invalid("A zone table in GeoJSON is a collection of features.")
    for feature in features:
        properties = feature.get("properties") if isinstance(feature, dict) else None
        values = (
            [properties.get(name) or "" for name in ("code", "name", "parent")]
            if isinstance(properties, dict)
            else [None]
        )
        if not all(type(value) in (str, int) for value in values):
            raise Invalid("Every feature of a zone table has the properties code and name, and perhaps parent.")
        code, name, parent = (str(value) for value in values)
        yield code, name, parent, feature.get("geometry")


def _from_csv(text: str) -> Iterable[Zone]:
    lines = csv.reader(io.StringIO(text.lstrip("\ufeff")))
    try:
        header = [name.strip() for name in next(lines, [])]
        if header not in (["code", "name"], ["code", "name", "parent"]):
            raise Invalid("A zone table in CSV has the columns code, name and perhaps parent.")
        for row, line in enumerate(lines, 1):
            if len(line) != len(header):
                raise Invalid("Row {row} of the zone table has not as many columns as its header.", row=row)
            yield line[0], line[1], "".join(line[2:]), None
    except csv.Error:
        raise Invalid("The zone table cannot be read as CSV.") from None
