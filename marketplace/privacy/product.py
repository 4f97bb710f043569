"""What a product of datasets is: which cells a person counts in, how far one day of theirs reaches, and its words.

A product is defined by SQL; a kernel in arrays may count it faster and must answer the same, row for row. What follows
from the definition is beside it: the key set's places and segments, and the bound of what one day's events change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from marketplace.privacy.counted import BucketEvents, CountedLines, Seen
    from marketplace.words import Words

GRAINS: Final = ("hour", "day", "week")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A product counted in arrays over the event store."""

    count: Callable[[BucketEvents], Seen]
    """What one bucket's lines count in, before bounding."""
    segment: Callable[[CountedLines], NDArray[np.integer[Any] | np.bool_]] | None
    """The segment of each of n rows, from 0; None: there is one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnWords:
    """What the columns of the published file mean, for partners."""

    zone: Words
    """Zones of H3; the field {number} is their resolution."""
    zone_of_table: Words
    """Zones of the operator's own table, {table}."""
    starts_at: Mapping[str, Words]
    """By grain; the field {clock} says whose hours and days they are."""
    segment: Words
    """The field {bands} is the dataset's age bands."""
    people: Words
    """The field {count} is the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One kind of statistics: its definition, its key set, its bound, and its words."""

    code: str
    title: Words
    """A name and what is counted, as a steward chooses it."""
    source: str = "presence"
    """What is read from a line's events, one of `switches.rules.SOURCES`: people switch each on or off."""
    counted_in: tuple[str, ...]
    """Common table expressions in DuckDB's dialect over `covered` and `specification`; the last one is `counted_in`.

    `covered` has each event's `starts_at_us` (of its hour or day of the key set), `before_at_us` (of the one before) and
    local `hour`, 0 to 23.
    """
    constants: Mapping[str, int] = field(default_factory=dict)
    """Columns that `specification` has for this product alone."""
    kernel: Kernel | None = None
    """None: the SQL is run."""
    segments: tuple[str, ...] = ()
    """Empty: the dataset's age bands."""
    is_between_zones: bool = False
    """Whether a place is a pair of zones, origin × zones + destination, instead of a zone."""
    day_reach: Callable[[int], int] = lambda max_cells: max_cells
    """How many cells one day's events of a person can change, of max_cells counted on it."""
    grains: tuple[str, ...] = GRAINS
    adds_up: bool = False
    """Whether totals over zones, and thin cells added up over a parent, mean anything."""
    columns: ColumnWords
    map_title: Words | None
    """None: no map can show it."""
    series_title: Mapping[str, Words]
    """Title of the chart of people over time, by grain."""
