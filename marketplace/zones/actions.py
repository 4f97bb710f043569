"""Writing down the operator's own zones, once."""

from __future__ import annotations

import asyncio
import hashlib

from marketplace import clock
from marketplace.errors import Conflict, Invalid
from marketplace.zones.queries import get_zone_table
from marketplace.zones.rules import check_code, read_zone_table
from marketplace.zones.tables import ZoneTable

LONGEST_TITLE = 60


async def define_zones(code: str, text: str, *, by: str, titles: tuple[str, str] = ("", "")) -> str:
    """Write down a table of the operator's own zones and return its code; the same one again changes nothing.

    text: GeoJSON features, each with `code`, `name` and perhaps `parent` among its properties and a polygon or no
    geometry; or CSV with those columns. titles: what it is called in French and English. Refuses what is malformed, and a table of that code that says otherwise.
    """
    check_code(code)
    title_fr, title_en = (" ".join(title.split()) for title in titles)
    for field, title in (("title_fr", title_fr), ("title_en", title_en)):
        if len(title) > LONGEST_TITLE:
            raise Invalid("Write {most} signs at most.", most=LONGEST_TITLE, field=field)
    document, zones = await asyncio.to_thread(read_zone_table, text)
    digest = hashlib.sha256(document.encode()).hexdigest()
    table = ZoneTable(
        code=code,
        document=document,
        sha256=digest,
        zone_count=zones,
        defined_by=by,
        defined_at=clock.now(),
        title_fr=title_fr,
        title_en=title_en,
    )
    await ZoneTable.insert(table).on_conflict(action="DO NOTHING", target=ZoneTable.code)
    if (await get_zone_table(code)).sha256 != digest:
        raise Conflict(
            "The zone table {table} is already defined, and otherwise; give the new one another code.", table=code
        )
    return code
