"""The simulated week of a dataset for sale: what anybody sees of it, from its definition and its market's sheet alone.

The rule this file keeps: it reads no release, so that what it shows reveals nothing of one.
"""

from __future__ import annotations

import asyncio
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from marketplace.catalogue.sheets.queries import find_digest, get_version
from marketplace.catalogue.sheets.rules import read
from marketplace.core import clock
from marketplace.datasets.builds.cells_file import write_cells
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.figures import Figures, read_figures
from marketplace.datasets.releases.queries import get_dataset, key_zones
from marketplace.privacy.dictionary import ABSENT, DatasetFacts, columns
from marketplace.privacy.geography import centres
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.simulated_week import FEWEST, MARK, NOTICE, PublicFacts, draw_week
from pricing.sheet import MICRO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.sheets.rules import Document
    from marketplace.datasets.releases.queries import DatasetRow

MOST_KNOWN: Final = 64
"""Weeks that a process keeps: some megabytes each at most."""
DEFINED: Final = ("code", "product", "grain", "time_zone", "age_bands", "zones", "h3_resolution", "zone_table")
"""What of a dataset's definition its week follows from."""
PEOPLE, WEIGHT = 2_000, 100
"""Of a zone that the sheet does not have, or while no version is in force."""


@dataclass(frozen=True, slots=True)
class SimulatedWeek:
    """A dataset's simulated week."""

    zones: tuple[str, ...]
    """The dataset's zones, ascending; a large dataset's week has only some of them."""
    table: Any
    """A pyarrow table with the columns of a release's file."""
    figures: Figures
    facts: DatasetFacts
    product: str


async def simulated_week(dataset: str, sheet: str) -> SimulatedWeek:
    """Return a dataset's simulated week by the version of its sheet that is in force; drawn once a process."""
    now, declared = clock.now(), await get_dataset(dataset)
    digest, geography = await find_digest(sheet, now), await get_geography(declared.zone_table)
    defined = [getattr(declared, name) for name in DEFINED]
    key = msgspec.msgpack.encode([*defined, geography.digest, digest])
    known = _known().get(key)
    if known is None:
        document = read((await get_version(sheet, now)).document) if digest else None
        zones = await key_zones(dataset)
        middles = await asyncio.to_thread(lambda: centres({zone: geography.shape(zone) for zone in zones}))
        known = await asyncio.to_thread(_draw, declared, zones, document, middles)
        _known()[key] = known
        if len(_known()) > MOST_KNOWN:
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[bytes, SimulatedWeek]:
    return {}


def _draw(
    declared: DatasetRow, zones: Sequence[str], document: Document | None, middles: dict[str, tuple[float, float]]
) -> SimulatedWeek:
    product = PRODUCTS[declared.product]
    segments = product.segments or tuple(declared.age_bands)
    constants = document.zones if document else {}
    stated = document.segments if document else {}
    facts = PublicFacts(
        code=declared.code,
        product=product,
        grain=declared.grain,
        time_zone=declared.time_zone,
        segments=segments,
        people={zone: constants[zone][1] if zone in constants else PEOPLE for zone in zones},
        weights={zone: constants[zone][0] if zone in constants else WEIGHT for zone in zones},
        shares={one: stated[one][1] / MICRO if one in stated else 1 / len(segments) for one in segments},
        middles=middles,
    )
    table = draw_week(facts)
    meanings = DatasetFacts(
        declared.grain,
        declared.age_bands,
        FEWEST,
        declared.h3_resolution,
        declared.zone_table or "",
        declared.time_zone,
    )
    return SimulatedWeek(tuple(zones), table, read_figures(table, zones), meanings, declared.product)


def as_parquet(week: SimulatedWeek) -> bytes:
    """Return the week as a Parquet file like a release's; its own metadata says in both languages that it is simulated."""
    about = {MARK: f"{NOTICE.en} {NOTICE.fr}", "partage.absent_row": ABSENT.en}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "week.parquet"
        return write_cells(
            week.table, path, columns=columns(PRODUCTS[week.product], week.facts), about=about
        ).read_bytes()
