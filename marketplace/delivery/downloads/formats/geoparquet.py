"""GeoParquet 1.1: the same rows with the outline of each zone, for maps.

Source: geoparquet.org, version 1.1.0: the file's metadata `geo`, geometries as WKB. Without `crs` they are OGC:CRS84.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Conflict
from marketplace.core.words import Words
from marketplace.datasets.builds.cells_file import write_cells
from marketplace.delivery.downloads.formats.file_format import FileFormat, FileInput
from marketplace.privacy.dictionary import GEOMETRY, NONE, Column

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LITTLE_ENDIAN, POLYGON, MULTI_POLYGON = 1, 3, 6
VERSION: Final = "1.1.0"


def _check(given: FileInput) -> None:
    if given.specification.counts.is_between_zones:
        raise Conflict("Flows lie between two zones and have no outline: download them as Parquet.")


def _write(given: FileInput, path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415

    cells = given.table()
    zones = cells["zone"].combine_chunks().dictionary_encode()
    shapes = [given.specification.geography.shape(zone) for zone in map(str, zones.dictionary.to_pylist())]
    outlines = pa.array([multi_polygon(polygons) for polygons in shapes], pa.binary())
    cells = cells.append_column("geometry", outlines.take(zones.indices))
    geometry = {"encoding": "WKB", "geometry_types": ["MultiPolygon"], "bbox": _box(shapes)}
    geo = {"version": VERSION, "primary_column": "geometry", "columns": {"geometry": geometry}}
    columns = (*given.columns, Column("geometry", "WKB", NONE, GEOMETRY.in_both()))
    write_cells(cells, path, columns=columns, about=given.about() | {"geo": json.dumps(geo)})


def multi_polygon(polygons: Iterable[Any]) -> bytes:
    """Write GeoJSON polygons as one MultiPolygon of well-known binary, little-endian; source: OGC 06-103r4, 8.2."""
    parts = [
        struct.pack("<BII", LITTLE_ENDIAN, POLYGON, len(rings))
        + b"".join(
            struct.pack(f"<I{2 * len(ring)}d", len(ring), *(number for point in ring for number in point[:2]))
            for ring in rings
        )
        for rings in polygons
    ]
    return struct.pack("<BII", LITTLE_ENDIAN, MULTI_POLYGON, len(parts)) + b"".join(parts)


def _box(shapes: Iterable[Any]) -> list[float]:
    """Return the least and greatest longitude and latitude of some shapes: west, south, east, north."""
    points = [point for polygons in shapes for rings in polygons for point in rings[0]]
    if not points:
        return [-180.0, -90.0, 180.0, 90.0]
    longitudes, latitudes = [point[0] for point in points], [point[1] for point in points]
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


FORMAT: Final = FileFormat(
    code="geoparquet",
    title="GeoParquet",
    about=Words("The same rows with the outline of each zone, for QGIS and GeoPandas."),
    suffix="geo.parquet",
    media_type="application/vnd.apache.parquet",
    write=_write,
    check=_check,
)
