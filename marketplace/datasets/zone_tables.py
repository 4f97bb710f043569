"""The operator's own zones: a table of codes, names, parents and outlines, written once and pinned by its digest.

A table never changes: what a release was counted over can be read, and counted over again, for ever. Zones that change
are another table, and another dataset.
"""

from __future__ import annotations

import asyncio
import csv
import functools
import hashlib
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one
from marketplace.datasets import rules
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.privacy import geojson
from marketplace.privacy.geography import H3, Geography, OwnZones
from marketplace.web import maps

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from marketplace.web.maps import Outlines

LARGEST_TABLE_BYTES: Final = 30_000_000
LARGEST_TABLE: Final = 100_000
"""Zones."""
DEEPEST: Final = 15
CODE: Final = r"[^\s,;>]{1,64}"
"""Lists of zones are separated by what a code has none of, and flows are written from>to."""
LONGEST_NAME: Final = 200
KNOWN_TABLES: Final = 8

Zone = tuple[str, str, str, Any]
"""Code, name, parent's code or nothing, GeoJSON geometry or None."""


async def define_zones(code: str, text: str, *, by: str) -> str:
    """Write down a table of the operator's own zones and return its code; the same one again changes nothing.

    text: GeoJSON features, each with `code`, `name` and perhaps `parent` among its properties and a polygon or no
    geometry; or CSV with those columns. Refuses what is malformed, and a table of that code that says otherwise.
    """
    rules.check_code(code)
    document, zones = await asyncio.to_thread(read, text)
    digest = hashlib.sha256(document.encode()).hexdigest()
    await execute(
        """INSERT INTO zone_table (code, document, sha256, zone_count, defined_by, defined_at)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (code) DO NOTHING""",
        code, document, digest, zones, by, clock.now(),
    )  # fmt: skip
    if (await get_zone_table(code))["sha256"] != digest:
        raise Conflict(
            "The zone table {table} is already defined, and otherwise; give the new one another code.", table=code
        )
    return code


async def get_zone_table(code: str) -> asyncpg.Record:
    """Return what is known of a zone table, its zones aside."""
    row = await fetch_one(
        "SELECT code, sha256, zone_count, defined_by, defined_at FROM zone_table WHERE code = $1", code
    )
    if row is None:
        raise NotFound("There is no zone table {table}.", table=code)
    return row


async def list_zone_tables() -> list[asyncpg.Record]:
    """Return every zone table, its zones aside, by code."""
    return await fetch("SELECT code, sha256, zone_count, defined_by, defined_at FROM zone_table ORDER BY code")


async def get_geography(table: str | None) -> Geography:
    """Return where zones lie: H3's cells, or those of a zone table."""
    if not table:
        return H3
    digest = (await get_zone_table(table))["sha256"]
    known = _known().get((table, digest))
    if known is None:
        row = await fetch_one("SELECT document FROM zone_table WHERE code = $1", table)
        assert row
        known = await asyncio.to_thread(OwnZones.of, table, digest, row["document"])
        _known()[table, digest] = known
        if len(_known()) > KNOWN_TABLES:
            _known().pop(next(iter(_known())))
    return known


@functools.lru_cache(maxsize=64)
def outlines(geography: Geography, zones: tuple[str, ...]) -> Outlines:
    """Return how a map draws these zones; of a large table that takes seconds the first time: call it in a thread."""
    return maps.outline({zone: geography.shape(zone) for zone in zones})


@functools.cache
def _known() -> dict[tuple[str, str], OwnZones]:
    return {}


def read(text: str) -> tuple[str, int]:
    """Return a table of zones as its one document, and how many they are.

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
    """Return how many zones hold a zone, one in another; refuse a parent that is not there, and circles."""
    depth, held = 0, code
    while parent := parents[held]:
        if parent not in parents:
            raise Invalid("The zone {code} has a parent {parent} that is not in the table.", code=held, parent=parent)
        depth, held = depth + 1, parent
        if depth >= DEEPEST:
            raise Invalid("The zone {code} lies in a circle of parents, or too deep.", code=code)
    return depth


def _from_geojson(text: str) -> Iterable[Zone]:
    document: dict[str, Any] = geojson.read_json(text)
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise Invalid("A zone table in GeoJSON is a collection of features.")
    for feature in features:
        said = feature.get("properties") if isinstance(feature, dict) else None
        told = [said.get(name) or "" for name in ("code", "name", "parent")] if isinstance(said, dict) else [None]
        if not all(type(value) in (str, int) for value in told):
            raise Invalid("Every feature of a zone table has the properties code and name, and perhaps parent.")
        code, name, parent = (str(value) for value in told)
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
