"""Arrivals: who comes into a zone from another one, by age band, at the time of arrival.

Flows by zone instead of by pair of zones: a country has a thousand regions and a million pairs of them, most of which
nobody may read; how many came into each region is exact to a fraction of a percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.privacy.counted import Seen, grouped
from marketplace.privacy.product import ColumnWords, Kernel, Product
from marketplace.privacy.trips import CONSTANTS, FOLLOWED, IS_TRIP, day_reach, trips
from marketplace.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.counted import BucketEvents, CountedLines


def _count(events: BucketEvents) -> Seen:
    """Return each line's trips by the zone and time they end in."""
    found = trips(events)
    return grouped(found.line, found.time * events.places + found.zone, np.ones(len(found.line), np.int64))


def _segment(lines: CountedLines) -> NDArray[np.integer[Any]]:
    """Return the age band of each of n rows."""
    return lines.band[lines.line]


PRODUCT: Final = Product(
    code="arrivals",
    source="movements",
    title=Words(
        fr="arrivées : combien viennent dans une zone depuis une autre, par tranche d’âge",
        en="arrivals: how many come into a zone from another, by age band",
    ),
    counted_in=(
        FOLLOWED,
        f"""counted_in AS (
    SELECT
        followed.subscriber_id, followed.zone, followed.segment, followed.starts_at_us, COUNT(*) AS events
    FROM followed
    CROSS JOIN specification AS s
    WHERE {IS_TRIP}
    GROUP BY 1, 2, 3, 4
)""",
    ),
    constants=CONSTANTS,
    kernel=Kernel(count=_count, segment=_segment),
    day_reach=day_reach,
    columns=ColumnWords(
        zone=Words(
            fr="Zone H3 où l’on arrive, résolution {number}", en="H3 zone that people come into, resolution {number}"
        ),
        zone_of_table=Words(
            fr="Zone où l’on arrive, par son code dans la table {table}",
            en="Zone that people come into, by its code in the table {table}",
        ),
        starts_at={
            "hour": Words(fr="Début de l’heure, {clock}", en="Start of the hour, {clock}"),
            "day": Words(fr="Début du jour, {clock}", en="Start of the day, {clock}"),
            "week": Words(fr="Début de la semaine (lundi), {clock}", en="Start of the week (Monday), {clock}"),
        },
        segment=Words(fr="Tranche d’âge : {bands}", en="Age band: {bands}"),
        people=Words(
            fr="Personnes distinctes arrivées d’une autre zone, avec du bruit ; jamais moins de {count}",
            en="Distinct people who came from another zone, with noise; never below {count}",
        ),
    ),
    map_title=Words(
        fr="Personnes en moyenne qui arrivent dans chaque zone", en="Average people who come into each zone"
    ),
    series_title={
        "hour": Words(fr="Personnes arrivées, par heure", en="People who arrived, by hour"),
        "day": Words(fr="Personnes arrivées, par jour", en="People who arrived, by day"),
        "week": Words(fr="Personnes arrivées, par semaine", en="People who arrived, by week"),
    },
)
