"""The meaning of each column of a release, and of a row that is missing; the page and the files use the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.core.local_time import UTC
from marketplace.core.words import Bilingual, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.privacy.product import Product
    from marketplace.privacy.specification import Specification

ABSENT: Final = Words(
    "A row that is not there is a figure that is withheld, because its noisy count is below the threshold: it is not zero."
)
EVENTS: Final = Words("Events of theirs, with noise")
WITHHELD: Final = Words("True where the figure is withheld: people and events are then empty")
GEOMETRY: Final = Words("Outline of the zone, in longitude and latitude (WKB, OGC:CRS84)")
TEXT, INSTANT, INTEGER = "text", "instant", "whole number"
PEOPLE: Final = Words("people")
LOCAL: Final = Words("local time of {zone}")
IN_UTC: Final = Words("{meaning}. Written as an instant in UTC.")
NONE: Final = Bilingual(fr="", en="")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the published file."""

    name: str
    kind: str
    """TEXT, INSTANT or INTEGER."""
    unit: Bilingual
    meaning: Bilingual


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """The facts of a dataset and its release that the meanings depend on."""

    grain: str
    age_bands: Sequence[str]
    threshold: int
    resolution: int
    """The H3 resolution, if there is no zone table."""
    zone_table: str
    time_zone: str


def columns(product: Product, stated: DatasetFacts) -> tuple[Column, ...]:
    """Return the columns of a release's file in their order."""
    words = product.columns
    zone = (
        words.zone_of_table.in_both(table=stated.zone_table)
        if stated.zone_table
        else words.zone.in_both(number=str(stated.resolution))
    )
    is_utc = stated.time_zone == UTC
    starts_at = words.starts_at[stated.grain].in_both(clock=UTC if is_utc else LOCAL.in_both(zone=stated.time_zone))
    if not is_utc:
        starts_at = IN_UTC.in_both(meaning=starts_at)
    return (
        Column("zone", TEXT, NONE, zone),
        Column("starts_at", INSTANT, Bilingual(fr="UTC", en="UTC"), starts_at),
        Column("segment", TEXT, NONE, words.segment.in_both(bands=", ".join(stated.age_bands))),
        Column("people", INTEGER, PEOPLE.in_both(), words.people.in_both(count=str(stated.threshold))),
        Column("events", INTEGER, Words("events").in_both(), EVENTS.in_both()),
    )


def columns_of(s: Specification) -> tuple[Column, ...]:
    """Return the columns of the file that a specification makes."""
    zone_table = s.geography.code if s.geography.digest else ""
    return columns(s.counts, DatasetFacts(s.grain, s.age_bands, s.threshold, s.resolution, zone_table, s.time_zone))
