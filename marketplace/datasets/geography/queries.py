"""Where zones lie: H3's cells, or a table of the operator's own zones, which is read once a process."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.web import maps
from marketplace.datasets.geography.tables import ZoneTable
from marketplace.privacy.geography import H3, Geography, OwnZones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.web.maps import Outlines

KNOWN_TABLES: Final = 8


class ZoneTableRow(Struct, frozen=True):
    """A zone table without its zones; sha256: of its document, hex."""

    code: str
    sha256: str
    zone_count: int
    defined_by: str
    defined_at: dt.datetime
    title_fr: str = ""
    title_en: str = ""


class TitleRow(Struct, frozen=True):
    """A zone table's titles, empty if nobody set them."""

    code: str
    title_fr: str
    title_en: str


async def get_zone_table(code: str) -> ZoneTableRow:
    """Return a zone table without its zones."""
    return existing(
        await fetch_row(ZoneTableRow, select(ZoneTableRow, ZoneTable).where(ZoneTable.code == code)),
        NotFound("There is no zone table {table}.", table=code),
    )


async def list_zone_tables() -> list[ZoneTableRow]:
    """Return every zone table by code."""
    return await fetch_rows(ZoneTableRow, select(ZoneTableRow, ZoneTable).order_by(ZoneTable.code))


async def find_titles(codes: Sequence[str]) -> dict[str, TitleRow]:
    """Return zone tables' titles, by code."""
    if not codes:
        return {}
    rows = await fetch_rows(TitleRow, select(TitleRow, ZoneTable).where(ZoneTable.code.is_in([*codes])))
    return {row.code: row for row in rows}


async def get_geography(table: str | None) -> Geography:
    """Return a geography: H3's cells, or the zones of a zone table."""
    if not table:
        return H3
    digest = (await get_zone_table(table)).sha256
    known = _known().get((table, digest))
    if known is None:
        document = await fetch_scalar(str, ZoneTable.select(ZoneTable.document).where(ZoneTable.code == table))
        assert document is not None
        known = await asyncio.to_thread(OwnZones.of, table, digest, document)
        _known()[table, digest] = known
        if len(_known()) > KNOWN_TABLES:
            _known().pop(next(iter(_known())))
    return known


async def list_geographies() -> list[Geography]:
    """Return all geographies: H3's cells, and the zones of each of the operator's tables."""
    return [H3, *[await get_geography(table.code) for table in await list_zone_tables()]]


@functools.lru_cache(maxsize=64)
def outlines(geography: Geography, zones: tuple[str, ...]) -> Outlines:
    """Return the outlines of these zones for a map; a large table takes seconds the first time: call it in a thread."""
    return maps.outline({zone: geography.shape(zone) for zone in zones})


async def drawn_outlines(geography: Geography, zones: tuple[str, ...]) -> Outlines:
    """Return the outlines of these zones for a map, computed in a thread."""
    return await asyncio.to_thread(outlines, geography, zones)


@functools.cache
def _known() -> dict[tuple[str, str], OwnZones]:
    return {}
