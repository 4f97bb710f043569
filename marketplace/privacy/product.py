"""A product of datasets: which cells a person counts in, how far one day's events reach, and its words.

A product is defined by SQL; a kernel over arrays may count it faster and must give the same rows. The rest follows from
the definition: the key set's places and segments, and the bound on what one day's events change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from marketplace.privacy.habits import times_of_day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from marketplace.core.words import Words
    from marketplace.privacy.bucket_counts import BucketCounts, BucketEvents, CountedLines
    from marketplace.privacy.habits import Residents, TimesAlike

GRAINS: Final = ("hour", "day", "week")
Term: TypeAlias = tuple[str, str]
"""A term of a published table: its code and its English label."""
POPULATION: Final = ("SOCI", "Population and society")
TRANSPORT: Final = ("TRAN", "Transport")
"""Themes of data, by the Publications Office of the EU."""
NO_MOBILITY: Final = ("other", "Other")
TRAFFIC: Final = ("traffic-volume", "Traffic volume")
"""Themes of mobilityDCAT-AP 1.0.1: it has one for traffic, transport services and networks, none for where people
are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A product counted in arrays over the event store."""

    count: Callable[[BucketEvents], BucketCounts]
    """The cells that one bucket's lines count in, before bounding."""
    segment: Callable[[CountedLines], NDArray[np.integer[Any] | np.bool_]] | None
    """The segment of each of n rows, from 0; None if there is one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnWords:
    """The meaning of each column of the published file, for partners."""

    zone: Words
    """Zones of H3; the field {number} is their resolution."""
    zone_of_table: Words
    """Zones of the operator's own table, {table}."""
    starts_at: Mapping[str, Words]
    """By grain; the field {clock} names the clock whose hours and days they are."""
    segment: Words
    """The field {bands} is the dataset's age bands."""
    people: Words
    """The field {count} is the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One kind of statistics: its definition, its key set, its bound, and its words."""

    code: str
    title: Words
    """A name and what is counted, for stewards to choose from."""
    source: str = "presence"
    """What is read from a line's events, one of `consent.switches.rules.SOURCES`; people switch each on or off."""
    counted_in: tuple[str, ...]
    """Common table expressions in DuckDB's dialect over `covered` and `specification`; the last one is `counted_in`.

    `covered` has each event's `starts_at_us` (of its hour or day of the key set), `before_at_us` (of the one before) and
    local `hour`, 0 to 23.
    """
    constants: Mapping[str, int] = field(default_factory=dict)
    """Columns that `specification` has only for this product."""
    kernel: Kernel | None = None
    """None: the SQL is run instead."""
    segments: tuple[str, ...] = ()
    """Empty: the dataset's age bands."""
    is_between_zones: bool = False
    """Whether a place is a pair of zones, origin × zones + destination, instead of a zone."""
    day_reach: Callable[[int], int] = lambda max_cells: max_cells
    """How many cells one day's events of a person can change, if max_cells are counted on the day."""
    grains: tuple[str, ...] = GRAINS
    adds_up: bool = False
    """Whether totals over zones, and sums of thin cells over a parent, are meaningful."""
    columns: ColumnWords
    map_title: Words | None
    """None: no map can show it."""
    series_title: Mapping[str, Words]
    """Title of the chart of people over time, by grain."""
    examples: tuple[Words, ...]
    """What its figures are useful for, then worked examples."""
    themes: tuple[Term, ...]
    """Its themes in metadata."""
    mobility_theme: Term
    times_alike: Callable[[int, str], Sequence[TimesAlike]] = times_of_day
    """The times of a simulated period, given how many there are and their grain."""
    simulated: Callable[[Residents, TimesAlike, float], NDArray[np.float64]]
    """Expected people in each place and segment at one of these times, if each person is seen so often on a day."""
    answers_density: bool = False
    """Whether the density API (how many people are in a zone) may answer from it."""
