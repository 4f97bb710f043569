"""The steward's pages of the operator's own zones: record a table, see it on a map, name it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002
from msgspec import Struct

from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web import maps
from marketplace.core.web.pages import again, page, see
from marketplace.datasets.geography.actions import define_zones, name_zones
from marketplace.datasets.geography.queries import get_geography, get_zone_table, list_zone_tables, outlines
from marketplace.datasets.geography.rules import LARGEST_TABLE_BYTES
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.privacy.geography import OwnZones

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.core.web.maps import Outlines

reader, steward = staff("steward", "auditor"), staff("steward")


class TitlesForm(Struct):
    """A table's titles."""

    form_id: uuid.UUID
    title_fr: str = ""
    title_en: str = ""


@get("/steward/zones", guards=[reader], opt=expect("steward", "auditor"))
async def list_tables() -> Template:
    """Show the operator's zone tables, and let a steward record another one."""
    unwritten: dict[str, Any] = dict.fromkeys(("code", "title_fr", "title_en", "error"), "")
    return page("geography/zones.html", tables=await list_zone_tables(), **unwritten)


@post("/steward/zones", guards=[steward], opt=expect("steward"), request_max_body_size=LARGEST_TABLE_BYTES)
async def define_table(request: ActorRequest) -> Redirect | Template:
    """Record a file's zones; the same ones again change nothing."""
    form: Mapping[str, Any] = {}
    try:
        try:
            form = await request.form()
        except (ClientException, ValueError):
            raise Invalid("The file could not be read; send it again.") from None
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("Choose a file of zones first.")
        try:
            text = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Invalid("The file is not text in UTF-8.") from None
        finally:
            await file.close()
        titles = str(form.get("title_fr", "")), str(form.get("title_en", ""))
        code = await define_zones(str(form.get("code", "")).strip(), text, by=request.user.name, titles=titles)
    except Refusal as refusal:
        written = {name: str(form.get(name, ""))[:80] for name in ("code", "title_fr", "title_en")}
        return again("geography/zones.html", refusal, tables=await list_zone_tables(), **written)
    return see(f"/steward/zones/{code}")


@get("/steward/zones/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_table(code: FromPath[str]) -> Template:
    """Show one table's zones, level by level, on maps if they have outlines."""
    shown = await _shown(code)
    return page("geography/zone_table.html", titles=shown["table"], error="", **shown)


@post("/steward/zones/{code:str}", guards=[steward], opt=expect("steward", stranger=200), status_code=200)
async def name_table(
    request: ActorRequest,
    code: FromPath[str],
    data: Annotated[TitlesForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Set a table's titles."""
    try:
        await name_zones(request.user, code, (data.title_fr, data.title_en))
    except Invalid as refusal:
        return again("geography/zone_table.html", refusal, titles=data, **await _shown(code))
    return see(f"/steward/zones/{code}")


async def _shown(code: str) -> dict[str, Any]:
    """Return the contents of a table's page."""
    table, geography = await get_zone_table(code), await get_geography(code)
    assert isinstance(geography, OwnZones)
    return {"table": table, "geography": geography, "levels": await asyncio.to_thread(_levels, geography)}


def _levels(geography: OwnZones) -> list[tuple[int, int, dict[str, float | None], Outlines]]:
    """Return every level, its number of zones, the zones drawn with how many are in each, and their outlines."""
    levels = []
    for level in range(1, max(geography.levels.values()) + 1):
        zones = geography.whole(level)
        drawn = maps.busiest({zone: float(max(1, len(geography.children.get(zone, ())))) for zone in zones})
        levels.append((level, len(zones), drawn, outlines(geography, tuple(drawn))))
    return levels


ROUTES = [list_tables, define_table, show_table, name_table]
