"""Zipped shapefiles are read as the zones that they draw; bombs and what hides in archives are refused in one sentence."""

import hashlib
import io
import json
import random
import stat
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

import h3
import pytest
import shapefile
from pyproj import CRS, Transformer

from marketplace.catalogue.chosen_zones import rules, shapefiles
from marketplace.core.errors import Invalid
from marketplace.privacy.geography import H3
from tests.datasets.builders import RESOLUTION, ZONES

WGS_84, LAMBERT_93, MERCATOR = 4326, 2154, 3857


def points(code: int, kind: int = shapefile.POINT) -> bytes:
    """Return the .shp of the first zones' centres, in a projection, with one shape that is empty."""
    project = Transformer.from_crs(4326, code, always_xy=True)
    places = [project.transform(*h3.cell_to_latlng(zone)[::-1]) for zone in ZONES[:3]]
    file = io.BytesIO()
    out = shapefile.Writer(shp=file, shapeType=kind)
    out.null()
    if kind == shapefile.MULTIPOINT:
        out.multipoint([(x, y) for x, y in places])
    for place in places if kind != shapefile.MULTIPOINT else ():
        out.pointz(place[0], place[1], 170.0) if kind == shapefile.POINTZ else out.point(*place)
    out.close()
    return file.getvalue()


def polygons(code: int, zones: Sequence[str] = ZONES[:3]) -> bytes:
    """Return the .shp of zones' outlines, in a projection; the last one has a hole where it has its middle."""
    project = Transformer.from_crs(4326, code, always_xy=True)
    file = io.BytesIO()
    out = shapefile.Writer(shp=file, shapeType=shapefile.POLYGON)
    for zone in zones:
        ring = [project.transform(*place[::-1]) for place in h3.cell_to_boundary(zone)][::-1]
        x, y = project.transform(*h3.cell_to_latlng(zone)[::-1])
        hole = [(x + (a - x) / 3, y + (b - y) / 3) for a, b in reversed([*ring, ring[0]])]
        out.poly([[*ring, ring[0]], hole] if zone == zones[-1] and len(zones) > 1 else [[*ring, ring[0]]])  # type: ignore[list-item]
    out.close()
    return file.getvalue()


def zipped(shapes: bytes, code: int | str = WGS_84, more: dict[str, bytes] | None = None, **kinds: Any) -> bytes:
    projection = CRS.from_epsg(code).to_wkt("WKT1_ESRI") if isinstance(code, int) else code
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kinds.pop("method", zipfile.ZIP_DEFLATED)) as archive:
        for name, data in {"a/Shops.SHP": shapes, "a/Shops.prj": projection.encode(), "a/Shops.dbf": b"x"}.items():
            archive.writestr(name, data)
        for name, data in (more or {}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = kinds.get("mode", stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data, compress_type=zipfile.ZIP_DEFLATED)
    return file.getvalue()


@pytest.mark.parametrize("code", [WGS_84, LAMBERT_93, MERCATOR])
def test_points_and_polygons_of_any_known_projection_are_the_zones_they_lie_in(code: int) -> None:
    for shapes in (points(code), points(code, shapefile.MULTIPOINT), points(code, shapefile.POINTZ)):
        text = rules.read_file(zipped(shapes, code))
        assert rules.choose(text, ZONES, RESOLUTION, H3, {}).zones == sorted(ZONES[:3]), text
    text = rules.read_file(zipped(polygons(code), code, {"__MACOSX/a/._Shops.shp": b"resource"}))
    assert rules.choose(text, ZONES, RESOLUTION, H3, {}).zones == sorted(ZONES[:2]), (
        "the third has a hole in its middle"
    )
    assert json.loads(text)["features"][2]["geometry"]["type"] == "Polygon"


PLAIN = polygons(WGS_84)


def patched(data: bytes, at: int, form: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


def many(count: int) -> bytes:
    """Return a .shp of so many empty shapes."""
    body = b"".join(struct.pack(">2i", n + 1, 2) + struct.pack("<i", 0) for n in range(count))
    return patched(PLAIN[:100], 24, ">i", (100 + len(body)) // 2) + body


def with_password(data: bytes) -> bytes:
    """Return an archive that says its first member has a password."""
    at = data.index(b"PK\x01\x02")
    return patched(data, at + 8, "<H", 1)


def understated(data: bytes) -> bytes:
    """Return an archive whose shapes say that they unpack to 100 bytes."""
    at = data.index(b"PK\x01\x02")
    return patched(data, at + 24, "<I", 100)


REFUSED: list[tuple[bytes, str]] = [
    (b"PK\x03\x04bomb", "cannot be read"),
    (zipped(PLAIN)[:-30], "cannot be read"),
    (understated(zipped(PLAIN)), "cannot be read"),
    (zipped(PLAIN, more={f"{n}.txt": b"" for n in range(30)}), "more than 30 files"),
    (zipped(PLAIN, more={f"{n}.dbf": bytes(3_000_000) for n in range(8)}), "more than 20 MB"),
    (zipped(PLAIN, more={"big.dbf": bytes(3_000_000)}), "unusual way"),
    (zipped(PLAIN, method=zipfile.ZIP_LZMA), "unusual way"),
    (zipped(PLAIN, more={"inner.ZIP": zipped(PLAIN)}), "another packed file"),
    (zipped(PLAIN, more={"../../etc/passwd": b""}), "leads elsewhere"),
    (zipped(PLAIN, more={"/etc/passwd": b""}), "leads elsewhere"),
    (zipped(PLAIN, more={"C:\\shops.txt": b""}), "leads elsewhere"),
    (zipped(PLAIN, more={"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777), "a link"),
    (with_password(zipped(PLAIN)), "password"),
    (zipped(PLAIN, more={"b.shp": PLAIN}), "Zip one shapefile"),
    (zipped(PLAIN).replace(b"Shops.prj", b"Other.prj"), "no .prj"),
    (zipped(hashlib.shake_256(b"shapes").digest(2_000_001)), "too large"),
    (zipped(PLAIN, ""), "projection of the shapefile is not known"),
    (zipped(PLAIN, "+proj=latlong +nadgrids=/etc/passwd"), "projection of the shapefile is not known"),
    (zipped(PLAIN, 'LOCAL_CS["a",UNIT["Meter",1.0]]'), "projection of the shapefile is not known"),
    (zipped(PLAIN[:50]), "damaged"),
    (zipped(PLAIN + b"\0\0"), "damaged"),
    (zipped(patched(PLAIN, 104, ">i", -4)), "damaged"),
    (zipped(patched(PLAIN, 104, ">i", 2**30)), "damaged"),
    (zipped(patched(PLAIN, 148, "<i", 2**30)), "damaged"),
    (zipped(patched(PLAIN, 108, "<i", 99)), "damaged"),
    (zipped(patched(PLAIN, 32, "<i", shapefile.POLYLINE)), "no others"),
    (zipped(many(5_001)), "5000 shapes"),
    (zipped(polygons(WGS_84, ZONES[:1] * 501)), "500 rings"),
    (zipped(points(LAMBERT_93), WGS_84), "outside its projection"),
    (zipped(patched(points(WGS_84), 124, "<2i", -1, -1)), "outside its projection"),
    (zipped(many(1)), "Name at least one zone"),
]


@pytest.mark.parametrize(("file", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_plain_shapefile_is_refused_in_a_sentence(file: bytes, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.choose(
            rules.read_file(file) if len(file) < rules.LARGEST_FILE_BYTES else shapefiles.read_shapefile(file),
            ZONES,
            RESOLUTION,
            H3,
            {},
        )
    assert sentence in refused.value.sentence.format(**refused.value.fields)


def test_damaged_bytes_are_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(20)  # noqa: S311
    for shapes in (points(WGS_84), PLAIN):
        for _ in range(60):
            damaged = bytearray(shapes)
            for _ in range(chance.randint(1, 6)):
                damaged[chance.randrange(100, len(damaged))] = chance.choice(
                    (0, 1, 127, 128, 255, chance.randrange(256))
                )
            try:
                rules.choose(
                    rules.read_file(zipped(bytes(damaged), method=zipfile.ZIP_STORED)), ZONES, RESOLUTION, H3, {}
                )
            except Invalid:
                continue
