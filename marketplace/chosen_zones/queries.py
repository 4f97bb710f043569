"""What a text names of a release's zones, and the zones that a company keeps."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.addresses.queries import find_addresses
from marketplace.catalogue.queries import get_counted_by
from marketplace.chosen_zones.rules import LONGEST_TEXT, MOST_LINES, Chosen, choose, lines_of
from marketplace.chosen_zones.tables import KeptZones
from marketplace.database import fetch_row, fetch_rows, select
from marketplace.errors import NotFound
from marketplace.map_layers.queries import named_areas, read_layers
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Sequence


class CompanyZones(Struct, frozen=True):
    """Zones that a company keeps."""

    id: uuid.UUID
    name: str
    zones: str
    kept_at: dt.datetime


async def read_choice(text: str, dataset: str, zones: Sequence[str]) -> Chosen:
    """Return which of a dataset's `zones` a text names, by the operator's layers of maps and addresses too."""
    counted = await get_counted_by(dataset)
    geography, areas = await get_geography(counted.zone_table), named_areas(await read_layers())
    lines = lines_of(text)[:MOST_LINES] if len(text) <= LONGEST_TEXT else []
    addresses = await find_addresses(lines)
    return await asyncio.to_thread(choose, text, zones, counted.h3_resolution, geography, areas, addresses=addresses)


async def list_names() -> list[str]:
    """Return what people may write: the names of outlines, with their postcodes."""
    shapes = {id(shape): shape for of in named_areas(await read_layers()).values() for shape in of}
    return sorted(
        f"{shape.name} ({', '.join(shape.postcodes)})" if shape.postcodes else shape.name for shape in shapes.values()
    )


async def list_kept(partner: uuid.UUID) -> list[CompanyZones]:
    """Return a company's zones by name."""
    query = select(CompanyZones, KeptZones).where(KeptZones.partner == partner)
    return await fetch_rows(CompanyZones, query.order_by(KeptZones.name, KeptZones.id))


async def get_kept(partner: uuid.UUID, kept: uuid.UUID) -> CompanyZones:
    """Return a company's own zones; NotFound for anybody else's."""
    row = await fetch_row(
        CompanyZones, select(CompanyZones, KeptZones).where((KeptZones.id == kept) & (KeptZones.partner == partner))
    )
    if row is None:
        raise NotFound("There are no such zones.")
    return row
