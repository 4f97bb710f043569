"""The zones of a release that a text names, and a company's saved zones."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.catalogue.chosen_zones.rules import LONGEST_TEXT, MOST_LINES, ChosenZones, choose, lines_of
from marketplace.catalogue.chosen_zones.tables import KeptZones
from marketplace.catalogue.offers.queries import get_counted_by
from marketplace.core.database import fetch_row, fetch_rows, select
from marketplace.core.errors import NotFound, existing
from marketplace.datasets.geography.address_queries import find_addresses
from marketplace.datasets.geography.layer_queries import named_areas, read_layers
from marketplace.datasets.geography.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Sequence


class CompanyZones(Struct, frozen=True):
    """A company's saved zones."""

    id: uuid.UUID
    name: str
    zones: str
    kept_at: dt.datetime


async def read_choice(text: str, dataset: str, zones: Sequence[str]) -> ChosenZones:
    """Return which of a dataset's `zones` a text names, also by the operator's map layers and addresses."""
    counted = await get_counted_by(dataset)
    geography, areas = await get_geography(counted.zone_table), named_areas(await read_layers())
    lines = lines_of(text)[:MOST_LINES] if len(text) <= LONGEST_TEXT else []
    addresses = await find_addresses(lines)
    return await asyncio.to_thread(choose, text, zones, counted.h3_resolution, geography, areas, addresses=addresses)


async def list_names() -> list[str]:
    """Return the names that people may write: those of outlines, with their postcodes."""
    shapes = {id(shape): shape for of in named_areas(await read_layers()).values() for shape in of}
    return sorted(
        f"{shape.name} ({', '.join(shape.postcodes)})" if shape.postcodes else shape.name for shape in shapes.values()
    )


async def list_kept(partner: uuid.UUID) -> list[CompanyZones]:
    """Return a company's zones by name."""
    query = select(CompanyZones, KeptZones).where(KeptZones.partner == partner)
    return await fetch_rows(CompanyZones, query.order_by(KeptZones.name, KeptZones.id))


async def get_kept(partner: uuid.UUID, kept: uuid.UUID) -> CompanyZones:
    """Return a company's own zones; NotFound for those of another company."""
    return existing(
        await fetch_row(
            CompanyZones, select(CompanyZones, KeptZones).where((KeptZones.id == kept) & (KeptZones.partner == partner))
        ),
        NotFound("There are no such zones."),
    )
