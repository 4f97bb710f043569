"""Arrivals: who comes into a zone from another one, by age band, at the time of arrival.

These are flows by zone instead of by pair of zones. A country has a thousand regions and a million pairs of them, most
of which are withheld; the number of arrivals in each region is exact to a fraction of a percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.words import Words
from marketplace.privacy.bucket_counts import BucketCounts, grouped
from marketplace.privacy.habits import trips_each_way
from marketplace.privacy.product import TRAFFIC, TRANSPORT, ColumnWords, Kernel, Product
from marketplace.privacy.trips import CONSTANTS, FOLLOWED, IS_TRIP, day_reach, trips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.bucket_counts import BucketEvents, CountedLines
    from marketplace.privacy.habits import Residents, TimesAlike


def _count(events: BucketEvents) -> BucketCounts:
    """Return each line's trips by the zone and time in which they end."""
    found = trips(events)
    return grouped(found.line, found.time * events.places + found.zone, np.ones(len(found.line), np.int64))


def _segment(lines: CountedLines) -> NDArray[np.integer[Any]]:
    """Return the age band of each of n rows."""
    return lines.band[lines.line]


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return the arrivals in each zone: residents coming home, and visitors."""
    each_way = trips_each_way(part, daily)
    return people.seen(each_way, each_way * people.visits)


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
    examples=(
        Words(
            fr="Pour savoir combien de personnes arrivent dans une zone, et quand : gares, commerces, événements, secours.",
            en="To know how many people come into a zone, and when: stations, shops, events, emergency services.",
        ),
        Words(
            fr="Trouver l’heure d’affluence : pour une zone, additionnez « people » par « starts_at » et prenez le plus grand.",
            en="Find the busiest time: for a zone, add up “people” by “starts_at”, and pick the largest.",
        ),
        Words(
            fr="Part d’une tranche d’âge parmi les arrivants : zone par zone, divisez les lignes de son « segment » par la somme de toutes.",
            en="Share of an age band among arrivals: zone by zone, divide the rows of its “segment” by the sum of all.",
        ),
    ),
    themes=(TRANSPORT,),
    mobility_theme=TRAFFIC,
    simulated=_simulated,
)
