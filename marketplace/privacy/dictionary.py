"""The meaning of each column of a release, and of a row that is missing; the page and the files use the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.core.local_time import UTC
from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.privacy.product import Product
    from marketplace.privacy.specification import Specification

ABSENT: Final = Words(
    fr="Une ligne absente est une valeur non publiée, parce que son compte bruité est inférieur au seuil : ce n’est pas zéro.",
    en="A row that is not there is a figure that is withheld, because its noisy count is below the threshold: it is not zero.",
)
EVENTS: Final = Words(fr="Leurs événements, avec bruit", en="Events of theirs, with noise")
WITHHELD: Final = Words(
    fr="Vrai où la valeur n’est pas publiée : personnes et événements sont alors vides",
    en="True where the figure is withheld: people and events are then empty",
)
GEOMETRY: Final = Words(
    fr="Contour de la zone, en longitude et latitude (WKB, OGC:CRS84)",
    en="Outline of the zone, in longitude and latitude (WKB, OGC:CRS84)",
)
TEXT, INSTANT, INTEGER = "text", "instant", "whole number"
PEOPLE: Final = Words(fr="personnes", en="people")
IN_UTC: Final = Words(fr="{meaning}. Écrit comme un instant en UTC.", en="{meaning}. Written as an instant in UTC.")
NONE: Final = Words(fr="", en="")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the published file."""

    name: str
    kind: str
    """TEXT, INSTANT or INTEGER."""
    unit: Words
    meaning: Words


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
        _filled(words.zone_of_table, table=stated.zone_table)
        if stated.zone_table
        else _filled(words.zone, number=str(stated.resolution))
    )
    clocks = {"fr": "heure locale ({})", "en": "local time of {}"}
    local = {of: UTC if stated.time_zone == UTC else text.format(stated.time_zone) for of, text in clocks.items()}
    start = words.starts_at[stated.grain]
    starts_at = Words(fr=start.filled("fr", {"clock": local["fr"]}), en=start.filled("en", {"clock": local["en"]}))
    if stated.time_zone != UTC:
        starts_at = Words(
            fr=IN_UTC.filled("fr", {"meaning": starts_at.fr}), en=IN_UTC.filled("en", {"meaning": starts_at.en})
        )
    return (
        Column("zone", TEXT, NONE, zone),
        Column("starts_at", INSTANT, Words(fr="UTC", en="UTC"), starts_at),
        Column("segment", TEXT, NONE, _filled(words.segment, bands=", ".join(stated.age_bands))),
        Column("people", INTEGER, PEOPLE, _filled(words.people, count=str(stated.threshold))),
        Column("events", INTEGER, Words(fr="événements", en="events"), EVENTS),
    )


def columns_of(s: Specification) -> tuple[Column, ...]:
    """Return the columns of the file that a specification makes."""
    zone_table = s.geography.code if s.geography.digest else ""
    return columns(s.counts, DatasetFacts(s.grain, s.age_bands, s.threshold, s.resolution, zone_table, s.time_zone))


def _filled(words: Words, **details: str) -> Words:
    """Return words with their fields filled in."""
    return Words(fr=words.filled("fr", details), en=words.filled("en", details))
