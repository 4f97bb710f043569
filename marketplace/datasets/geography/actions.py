"""Recording the operator's own zones, once, and their titles."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.datasets.geography.queries import get_zone_table
from marketplace.datasets.geography.rules import check_code, read_zone_table
from marketplace.datasets.geography.tables import ZoneTable
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

LONGEST_TITLE = 60


async def define_zones(code: str, text: str, *, by: str, titles: tuple[str, str] = ("", "")) -> str:
    """Record a table of the operator's own zones and return its code; the same one again changes nothing.

    text: GeoJSON features, each with `code`, `name` and optionally `parent` among its properties, and with a polygon or
    no geometry; or CSV with those columns. titles: in French and English. Refuses a malformed table, and another table
    with a code already used.
    """
    check_code(code)
    title_fr, title_en = _clean(titles)
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


async def name_zones(who: Actor, code: str, titles: tuple[str, str]) -> None:
    """Set or change a zone table's titles in French and English; without them its code is shown. Its zones stay."""
    title_fr, title_en = _clean(titles)
    async with transaction():
        before = await get_zone_table(code)
        named = {ZoneTable.title_fr: title_fr, ZoneTable.title_en: title_en}
        await ZoneTable.update(named).where(ZoneTable.code == code)  # type: ignore[arg-type]
        was = {"title_fr": before.title_fr, "title_en": before.title_en}
        await note_action(who, "zone_table_named", code, before=was, after={"title_fr": title_fr, "title_en": title_en})


def _clean(titles: tuple[str, str]) -> tuple[str, str]:
    """Return titles in French and English without surrounding blanks; refuses one that is too long."""
    title_fr, title_en = (" ".join(title.split()) for title in titles)
    for field, title in (("title_fr", title_fr), ("title_en", title_en)):
        if len(title) > LONGEST_TITLE:
            raise Invalid("Write {most} signs at most.", most=LONGEST_TITLE, field=field)
    return title_fr, title_en
