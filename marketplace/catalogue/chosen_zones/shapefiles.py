"""Zipped shapefiles of points or polygons, as the text of zones; pure. Large or nested ones are refused unread.

Only the shapes and their projection are unpacked. The table next to them (.dbf) is not, so a partner's data about its
shops or customers stays packed.

Source: ESRI Shapefile Technical Description, 1998.
"""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Invalid, existing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import shapefile

MOST_MEMBERS: Final = 30
LARGEST_UNPACKED_BYTES: Final = 20_000_000
"""Of all members together, by their stated sizes."""
HIGHEST_RATIO: Final = 100
"""Of a member's stated unpacked size to its packed size; deflate reaches 1,000 on zeros alone."""
LARGEST_SHAPES_BYTES: Final = 2_000_000
LARGEST_PROJECTION_BYTES: Final = 10_000
MOST_SHAPES, MOST_POSITIONS, MOST_RINGS = 5_000, 5_000, 500
METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED: Final = 1
PACKED: Final = (".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".zst", ".kmz")
HEADER_BYTES, RECORD_BYTES, LENGTH_AT, KIND_AT = 100, 8, 24, 32
POINTS, POLYGONS = (1, 8, 11, 18, 21, 28), (5, 15, 25)
"""Kinds of shapes: plain, with heights, and with measures."""
LEAST_CONFIDENCE: Final = 70
"""Percent of confidence that a projection has an EPSG number: names differ between programs, parameters may not."""
WGS_84: Final = 4326
DIGITS: Final = 5
"""Decimals of a degree: about a metre."""


def read_shapefile(data: bytes) -> str:
    """Return a zipped shapefile's zones as people write them: points as coordinates a line, polygons as GeoJSON.

    Raises Invalid, in one sentence, for anything except a plain archive of one shapefile in a projection that has a
    number.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            shapes, projection = _choose(archive)
            packed = _unpack(archive, shapes, LARGEST_SHAPES_BYTES)
            code = _projection_code(_unpack(archive, projection, LARGEST_PROJECTION_BYTES))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError):
        raise Invalid("The zipped file cannot be read.", field="file") from None
    kind = _check_records(packed)
    drawn = list(_read(packed))
    return _as_points(drawn, code) if kind in POINTS else _as_polygons(drawn, code)


def _choose(archive: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo]:
    """Return the members with the shapes and their projection; refuse the others by their stated names and sizes."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise Invalid("The zipped file holds more than {most} files.", most=MOST_MEMBERS, field="file")
    if sum(one.file_size for one in members) > LARGEST_UNPACKED_BYTES:
        raise Invalid("The zipped file unpacks to more than 20 MB.", field="file")
    for one in members:
        _check_member(one)
    files = {one.filename.casefold(): one for one in members if not one.filename.startswith("__MACOSX/")}
    found = [name for name in files if name.endswith(".shp")]
    if len(found) != 1:
        raise Invalid("Zip one shapefile: its .shp, .shx, .dbf and .prj together.", field="file")
    projection = existing(
        files.get(f"{found[0].removesuffix('.shp')}.prj"),
        Invalid("The shapefile has no .prj, which says in what projection it is; add it.", field="file"),
    )
    return files[found[0]], projection


def _check_member(one: zipfile.ZipInfo) -> None:
    path = PurePosixPath(one.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in one.filename or ":" in one.filename:
        raise Invalid("The zipped file holds a file whose path leads elsewhere.", field="file")
    mode = one.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Invalid("The zipped file holds a link or a device.", field="file")
    if path.suffix.casefold() in PACKED:
        raise Invalid("The zipped file holds another packed file.", field="file")
    if one.flag_bits & ENCRYPTED:
        raise Invalid("The zipped file has a password.", field="file")
    if one.compress_type not in METHODS or one.file_size > HIGHEST_RATIO * max(one.compress_size, 1):
        raise Invalid("The zipped file is packed in an unusual way; zip it again.", field="file")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Return a member's content; refuse a large one by its stated size, and stop if it unpacks to more."""
    data = b""
    if member.file_size <= most:
        with archive.open(member) as file:
            data = file.read(most + 1)
    if member.file_size > most or len(data) > most:
        raise Invalid("The shapefile is too large: 2 MB of shapes at most, unpacked.", field="file")
    return data


def _projection_code(data: bytes) -> int:
    """Return the EPSG number of a projection, so that no parameters of the file itself are used."""
    from pyproj import CRS  # noqa: PLC0415
    from pyproj.exceptions import ProjError  # noqa: PLC0415

    try:
        code = CRS.from_wkt(data.decode("latin-1").strip("\0 \r\n")).to_epsg(LEAST_CONFIDENCE)
    except ProjError:
        code = None
    if code is None:
        raise Invalid(
            "The projection of the shapefile is not known; save it in WGS 84 or Lambert-93, for example.", field="file"
        )
    return int(code)


def _check_records(data: bytes) -> int:
    """Return a file's stated kind of shapes; refuse one whose records do not follow each other to its end."""
    if len(data) < HEADER_BYTES or struct.unpack_from(">i", data, LENGTH_AT)[0] * 2 != len(data):
        raise Invalid("The shapefile is damaged.", field="file")
    kind = int(struct.unpack_from("<i", data, KIND_AT)[0])
    if kind not in POINTS + POLYGONS:
        raise Invalid("Shapefiles of points or polygons are read, no others.", field="file")
    at, count = HEADER_BYTES, 0
    while at < len(data):
        words = struct.unpack_from(">2i", data, at)[1] if at + RECORD_BYTES <= len(data) else 0
        at, count = at + RECORD_BYTES + 2 * words, count + 1
        if words < 2 or at > len(data):  # noqa: PLR2004 (a kind alone)
            raise Invalid("The shapefile is damaged.", field="file")
        if count > MOST_SHAPES:
            raise Invalid("The shapefile has more than {most} shapes.", most=MOST_SHAPES, field="file")
    return kind


def _read(data: bytes) -> Iterator[shapefile.Shape]:
    """Yield the shapes that are not empty; refuse damaged ones, and ones with too many corners before drawing them."""
    import shapefile  # noqa: PLC0415

    positions = rings = 0
    try:
        for shape in shapefile.Reader(shp=io.BytesIO(data)).iterShapes():
            if shape is None or shape.shapeType == shapefile.NULL:
                continue
            positions += len(shape.points)
            rings += len(getattr(shape, "parts", ()))
            if positions > MOST_POSITIONS or rings > MOST_RINGS:
                raise Invalid(
                    "The shapefile has more than {most} corners or {rings} rings; simplify it.",
                    most=MOST_POSITIONS,
                    rings=MOST_RINGS,
                    field="file",
                )
            yield shape
    except (shapefile.ShapefileException, struct.error, LookupError, ValueError, TypeError, AttributeError):
        raise Invalid("The shapefile is damaged.", field="file") from None


def _as_points(shapes: list[shapefile.Shape], code: int) -> str:
    places = _degrees([place for shape in shapes for place in shape.points], code)
    return "\n".join(f"{latitude:.{DIGITS}f}, {longitude:.{DIGITS}f}" for longitude, latitude in places)


def _as_polygons(shapes: list[shapefile.Shape], code: int) -> str:
    import shapefile  # noqa: PLC0415

    features = []
    for shape in shapes:
        shape.points[:] = _degrees(shape.points, code)
        try:
            drawn: Any = shape.__geo_interface__
        except (shapefile.GeoJSON_Error, shapefile.RingSamplingError, LookupError, ValueError, ZeroDivisionError):
            raise Invalid("The shapefile is damaged.", field="file") from None
        features.append({"type": "Feature", "properties": {}, "geometry": drawn})
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))


def _degrees(places: Any, code: int) -> list[tuple[float, float]]:  # noqa: ANN401 (pyshp's points: two to four numbers)
    """Return projected positions as longitudes and latitudes in degrees, precise to a metre; refuse impossible ones."""
    from pyproj import Transformer  # noqa: PLC0415
    from pyproj.exceptions import ProjError  # noqa: PLC0415

    if not places:
        return []
    try:
        x, y = Transformer.from_crs(code, WGS_84, always_xy=True).transform(
            [place[0] for place in places], [place[1] for place in places]
        )
    except ProjError:
        x, y = [float("inf")], [float("inf")]
    if not all(abs(one) <= 180 and abs(other) <= 90 for one, other in zip(x, y, strict=True)):  # noqa: PLR2004 (nor is NaN)
        raise Invalid("Positions of the shapefile lie outside its projection.", field="file")
    return [(round(one, DIGITS), round(other, DIGITS)) for one, other in zip(x, y, strict=True)]
