"""Starting points of a definition: a common kind of dataset, or an existing one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.words import Words

if TYPE_CHECKING:
    from marketplace.datasets.releases.queries import DatasetRow

MICRO: Final = 1_000_000


class StartingPoint(Struct, frozen=True):
    """A common kind of dataset: its name, and the values of the form."""

    words: Words
    form: Mapping[str, str]


def _point(words: Words, **form: str) -> StartingPoint:
    return StartingPoint(words, MappingProxyType({"unit": "release", "mechanism": "laplace", **form}))


STARTING_POINTS: Final[Mapping[str, StartingPoint]] = MappingProxyType(
    {
        "presence-day": _point(
            Words("Presence by day"),
            product="presence",
            grain="day",
            max_cells="14",
            max_events="3",
            epsilon="2",
            budget="52",
        ),
        "presence-hour": _point(
            Words("Presence by hour"),
            product="presence",
            grain="hour",
            max_cells="6",
            max_events="3",
            epsilon="2",
            budget="104",
        ),
        "nights": _point(
            Words("Nights spent"),
            product="stays",
            grain="day",
            max_cells="7",
            max_events="1",
            epsilon="2",
            budget="52",
        ),
        "flows-day": _point(
            Words("Flows between zones, by day"),
            product="flows",
            grain="day",
            max_cells="7",
            max_events="3",
            epsilon="2",
            budget="52",
        ),
    }
)
"""By code, in the order on the page. Privacy losses leave room for a release a week within a year."""


def copied(row: DatasetRow) -> dict[str, str]:
    """Return the form of a copy of a dataset: everything except the code, which must be new."""
    return {
        "purpose": row.purpose,
        "title_fr": row.title_fr,
        "title_en": row.title_en,
        "description_fr": row.description_fr,
        "description_en": row.description_en,
        "area": row.area,
        "zones": "\n".join(row.zones),
        "zone_table": row.zone_table or "",
        "age_bands": ", ".join(row.age_bands),
        "time_zone": row.time_zone,
        "product": row.product,
        "h3_resolution": str(row.h3_resolution),
        "grain": row.grain,
        "unit": row.unit,
        "mechanism": row.mechanism,
        "delta_exponent": str(row.delta_exponent),
        "max_cells": str(row.max_cells),
        "max_events": str(row.max_events),
        "max_zones": str(row.max_zones),
        "parent_resolution": str(row.parent_resolution),
        "epsilon": f"{row.epsilon_micro / MICRO:g}",
        "budget": f"{row.budget_micro / MICRO:g}",
        "editions": ", ".join(map(str, row.edition_multiples)),
        "sectors": ", ".join(row.sectors),
    }
