"""The rows of a release that a visitor may see: filtered and sorted as the address asks, and how many people figures count."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.map_layers.rules import folded
from marketplace.privacy.specification import TO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_SHOWN: Final = 240
MOST_NAMED: Final = 300
"""Zones that the field suggests."""
LONGEST: Final = 100
FEWEST_BINS, MOST_BINS = 4, 9
ROUNDED_TO_PERCENT: Final = 5
ORDERS: Final = {
    "time": (("starts_at", "ascending"), ("zone", "ascending"), ("segment", "ascending")),
    "zone": (("zone", "ascending"), ("starts_at", "ascending"), ("segment", "ascending")),
    "segment": (("segment", "ascending"), ("starts_at", "ascending"), ("zone", "ascending")),
    "people": (("people", "descending"), ("starts_at", "ascending"), ("zone", "ascending")),
    "events": (("events", "descending"), ("starts_at", "ascending"), ("zone", "ascending")),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows, and in which order: a part of a zone's name or code, a segment, a name of ORDERS."""

    where: str = ""
    who: str = ""
    order: str = "time"


@dataclass(frozen=True, slots=True)
class Viewed:
    """What the viewer shows."""

    asked: Asked
    rows: list[dict[str, Any]]
    found: int
    """Rows that match, of which the first are `rows`."""
    every: int
    zones: list[str]
    """Names of the zones that there are rows of, as far as they fit."""
    segments: list[str]
    spread: list[tuple[int, int, int]]
    """How many of the rows that match count so many people: from, to, rows."""


def read_asked(query: Mapping[str, str]) -> Asked:
    """Return what an address asks for; what it does not know it leaves out."""
    order = query.get("order", "")
    where, who = (query.get(name, "").replace("\0", "")[:LONGEST] for name in ("where", "who"))
    return Asked(where.strip(), who, order if order in ORDERS else "time")


async def view(rows: Any, asked: Asked, names: Mapping[str, str]) -> Viewed:  # noqa: ANN401 (pyarrow's table, or dicts)
    """Return what of `rows` is asked for. names: what zones are called; of pairs, each of the two."""
    return await asyncio.to_thread(_view, rows, asked, names)


def _view(rows: Any, asked: Asked, names: Mapping[str, str]) -> Viewed:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    table: Any = pa.Table.from_pylist(list(rows)) if isinstance(rows, list) else rows
    if not table.num_rows:
        return Viewed(asked, [], 0, 0, [], [], [])
    zones: list[str] = pc.unique(table["zone"]).to_pylist()
    segments: list[str] = sorted(pc.unique(table["segment"]).to_pylist())
    some: Any = table
    if asked.where:
        key = folded(asked.where)
        wanted = [zone for zone in zones if asked.where == zone or (key and key in folded(name_of(zone, names)))]
        some = some.filter(pc.is_in(some["zone"], pa.array(wanted, pa.string())))
    if asked.who in segments:
        some = some.filter(pc.equal(some["segment"], pa.scalar(asked.who)))
    by: Any = list(ORDERS[asked.order])
    shown = some.take(pc.select_k_unstable(some, MOST_SHOWN, by)).to_pylist() if some.num_rows else []
    called = sorted({name_of(zone, names) for zone in zones[:MOST_NAMED]})
    return Viewed(asked, shown, some.num_rows, table.num_rows, called, segments, spread_of(some["people"].to_numpy()))


def name_of(zone: str, names: Mapping[str, str]) -> str:
    """Return what a zone is called, its code where it has no name; a pair by both its names."""
    first, between, second = zone.partition(TO)
    return f"{names.get(first, first)} → {names.get(second, second)}" if between else names.get(zone, zone)


def spread_of(people: Any) -> list[tuple[int, int, int]]:  # noqa: ANN401 (an array of whole numbers)
    """Return bins of equal width with round bounds: the least and the most people of each, and how many figures it has."""
    if not len(people):
        return []
    low, high = int(people.min()), int(people.max())
    width = next(
        size * 10**power
        for power in range(19)
        for size in (1, 2, 5)
        if (high // (size * 10**power)) - (low // (size * 10**power)) < MOST_BINS
    )
    first = low // width
    counts = np.bincount(np.asarray(people) // width - first)
    return [((first + at) * width, (first + at + 1) * width - 1, int(count)) for at, count in enumerate(counts)]


def roughly(spread: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return bins with their share in percent instead of their figures, to the nearest five: for who did not buy."""
    whole = sum(count for *_, count in spread) or 1
    return [(low, high, ROUNDED_TO_PERCENT * round(20 * count / whole)) for low, high, count in spread]
