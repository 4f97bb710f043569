"""What a subscriber sees of their data: who used it, which past releases have a period, and a map of their own."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, select
from marketplace.core.errors import NotFound
from marketplace.core.paging import Paged
from marketplace.core.sealing import UnopenableError, unseal
from marketplace.core.statements import load_statements
from marketplace.datasets.geography.layer_queries import name_zones
from marketplace.datasets.geography.layer_wording import write_where
from marketplace.datasets.geography.queries import get_geography
from marketplace.privacy.geography import centres
from marketplace.subscribers.earnings.contribution_queries import find_contributions
from marketplace.subscribers.earnings.movements import find_mine
from marketplace.subscribers.earnings.promises import held_since
from marketplace.subscribers.earnings.queries import list_shares
from marketplace.subscribers.my_data.rules import MAP_LASTS, Use, UsedRelease
from marketplace.subscribers.my_data.tables import OwnMap

SQL: Final = load_statements(__package__)


class HeldPeriod(Struct, frozen=True):
    """A sold release that a person is in: its dataset and its period."""

    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime


class TriedRelease(HeldPeriod, frozen=True):
    """A release that a person is in and that a partner tried: the partner's sector, empty where not stated, and the month."""

    month: dt.date
    sector: str


class PlaceRow(Struct, frozen=True):
    """A zone that a dataset counts; zone_table: None for a cell of H3."""

    zone_table: str | None
    h3_resolution: int
    time_zone: str
    zone: str


class MapToMake(Struct, frozen=True):
    """A requested map: its line, since when the line is its holder's, and the key that seals it."""

    id: uuid.UUID
    subscriber: int
    public_key: str
    since: dt.datetime


class MapRow(Struct, frozen=True):
    """A map as it is stored."""

    id: uuid.UUID
    person: uuid.UUID
    asked_at: dt.datetime
    sealed: bytes | None


async def list_uses(line: int, page: int = 1) -> Paged[UsedRelease]:
    """Return one page of the partners who used a line's data: the shares of the page, grouped by release, the latest sale first."""
    mine = await find_mine(line)
    shares = await list_shares(line, page, mine)
    rows = await fetch_rows(Use, SQL["list_uses"], [share.id for share in shares.rows])
    use_of = {row.licence: row for row in rows}
    used = []
    in_order = sorted(shares.rows, key=lambda share: (share.period_from, str(share.release)), reverse=True)
    for _, group in groupby(in_order, key=lambda share: share.release):
        sold = list(group)
        first = sold[0]
        used.append(
            UsedRelease(
                first.title_fr,
                first.title_en,
                first.period_from,
                first.period_to,
                first.time_zone,
                mine.contributions.weight_in(first.number),
                len(sold),
                sum(share.share_micro for share in sold if share.state != "cancelled"),
                tuple((use_of[share.id], share.share_micro) for share in sold),
            )
        )
    return Paged(used, shares.number, shares.more)


async def list_trials(line: int) -> list[TriedRelease]:
    """Return the trials of releases that a line is in, the latest first; none of releases before the present holder."""
    numbers = (await find_contributions(line)).numbers.tolist()
    return await fetch_rows(TriedRelease, SQL["list_trials"], numbers, await held_since(line))


async def list_time_zones() -> set[str]:
    """Return the time zones of all datasets' days."""
    return set(await fetch_column(str, SQL["list_time_zones"]))


async def list_holding(line: int, starts_at: dt.datetime, ends_at: dt.datetime) -> list[HeldPeriod]:
    """Return the sold releases that a line is in and whose period overlaps this half-open one, the latest first.

    Releases that ended before the present holder are left out: they would reveal where somebody else was.
    """
    numbers = (await find_contributions(line)).numbers.tolist()
    return await fetch_rows(HeldPeriod, SQL["list_releases_of"], numbers, starts_at, ends_at, await held_since(line))


async def list_places(purpose: str) -> list[tuple[str, str]]:
    """Return the zones that datasets of a purpose count, by name and by label.

    The label of a cell of H3 is where it is from the nearest place of the operator's map, where there is one.
    """
    found: dict[str, str] = {}
    tables: dict[str | None, list[str]] = defaultdict(list)
    for row in await fetch_rows(PlaceRow, SQL["list_places"], purpose):
        tables[row.zone_table].append(row.zone)
    for table, zones in tables.items():
        geography = await get_geography(table)
        places = centres({zone: geography.shape(zone) for zone in zones})
        named = await name_zones(table, geography, places, write_where) or {}
        found |= {zone: named.get(zone) or geography.name(zone) for zone in zones}
    return sorted(found.items(), key=lambda item: item[1])


async def list_maps_to_make() -> list[MapToMake]:
    """Return the requested maps that are not made, those that waited longest first."""
    return await fetch_rows(MapToMake, SQL["list_maps_to_make"], clock.now() - MAP_LASTS)


class OpenedMap(Struct, frozen=True):
    """A map as `rules.map_of` made it, None until then, and when it expires."""

    shown: dict[str, Any] | None
    ends_at: dt.datetime


async def open_map(map_id: uuid.UUID, person: uuid.UUID, private_key: str) -> OpenedMap:
    """Return a map; raises NotFound except to the session that requested it."""
    row = await fetch_row(MapRow, select(MapRow, OwnMap).where(OwnMap.id == map_id, OwnMap.person == person))
    if row is None or clock.now() >= row.asked_at + MAP_LASTS:
        raise NotFound("There is no such map, or its ten minutes are over.")
    try:
        shown = unseal(bytes(row.sealed), map_id, private_key) if row.sealed else None
    except UnopenableError:
        raise NotFound("There is no such map, or its ten minutes are over.") from None
    return OpenedMap(shown, row.asked_at + MAP_LASTS)
