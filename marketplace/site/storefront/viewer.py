"""The rows of a release that a visitor may see, filtered and sorted by the address, and the spread of figures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.datasets.geography.layer_rules import folded
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
class RowFilter:
    """The filter and order: a part of a zone's name or code, a segment, a name of ORDERS."""

    where: str = ""
    who: str = ""
    order: str = "time"


@dataclass(frozen=True, slots=True)
class ViewedRows:
    """The viewer's content."""

    asked: RowFilter
    rows: list[dict[str, Any]]
    found: int
    """How many rows match; `rows` are the first of them."""
    every: int
    zones: list[str]
    """Names of the zones with rows, as many as fit."""
    segments: list[str]
    spread: list[tuple[int, int, int]]
    """How many matching rows have so many people: from, to, rows."""


def read_asked(query: Mapping[str, str]) -> RowFilter:
    """Return an address's filter; unknown parts are ignored."""
    order = query.get("order", "")
    where, who = (query.get(name, "").replace("\0", "")[:LONGEST] for name in ("where", "who"))
    return RowFilter(where.strip(), who, order if order in ORDERS else "time")


async def view(rows: Any, asked: RowFilter, names: Mapping[str, str]) -> ViewedRows:  # noqa: ANN401 (pyarrow's table, or dicts)
    """Return the selected part of `rows`. names: of zones; a pair has both."""
    return await asyncio.to_thread(_view, rows, asked, names)


def _view(rows: Any, asked: RowFilter, names: Mapping[str, str]) -> ViewedRows:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    table: Any = pa.Table.from_pylist(list(rows)) if isinstance(rows, list) else rows
    if not table.num_rows:
        return ViewedRows(asked, [], 0, 0, [], [], [])
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
    return ViewedRows(
        asked, shown, some.num_rows, table.num_rows, called, segments, spread_of(some["people"].to_numpy())
    )


def name_of(zone: str, names: Mapping[str, str]) -> str:
    """Return a zone's name, or its code without one; for a pair, both names."""
    first, between, second = zone.partition(TO)
    return f"{names.get(first, first)} → {names.get(second, second)}" if between else names.get(zone, zone)


def spread_of(people: Any) -> list[tuple[int, int, int]]:  # noqa: ANN401 (an array of whole numbers)
    """Return bins of equal width with round bounds: the least and most people of each, and its number of figures."""
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
    """Return bins with their share in percent instead of figures, to the nearest five, for people without a licence."""
    whole = sum(count for *_, count in spread) or 1
    return [(low, high, ROUNDED_TO_PERCENT * round(20 * count / whole)) for low, high, count in spread]
