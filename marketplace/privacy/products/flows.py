"""Flows: who goes from one zone to another, at the time of arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.counted import HOUR_US, Seen, grouped
from marketplace.privacy.product import ColumnWords, Kernel, Product
from marketplace.words import Words

if TYPE_CHECKING:
    from marketplace.privacy.counted import BucketEvents

LONGEST_TRIP_US: Final = 6 * HOUR_US
"""Two events of one person that lie further apart are not a trip."""


def _count(events: BucketEvents) -> Seen:
    """Return each line's trips: two events in a row in two zones, at the time of the second."""
    line, at, zone = events.moments()
    if not len(line):
        return grouped(line, at, at)
    order = np.lexsort((zone, at, line))
    line, at, place = line[order], at[order], zone[order].astype(np.int64)
    trip = (line[1:] == line[:-1]) & (place[1:] != place[:-1]) & (at[1:] - at[:-1] <= LONGEST_TRIP_US)
    arrival = np.flatnonzero(trip) + 1
    time = events.step_at(at[arrival])
    code = time * events.places + place[arrival - 1] * events.zones + place[arrival]
    return grouped(line[arrival].astype(np.uint32), code, np.ones(len(arrival), np.int64))


def _day_reach(max_cells: int) -> int:
    """Return the bound of a day's events.

    Its last zone is where the next day's first trip begins, and if that is gone another of that day's cells may be
    chosen in its place: two cells more than are counted on the day.
    """
    return max_cells + 2


PRODUCT: Final = Product(
    code="flows",
    title=Words(
        fr="flux : combien vont d’une zone à une autre",
        en="flows: how many go from one zone to another",
    ),
    counted_in=(
        """followed AS (
    SELECT
        covered.subscriber_id, covered.at_us, covered.zone, covered.starts_at_us,
        LAG(covered.zone) OVER (PARTITION BY covered.subscriber_id ORDER BY covered.at_us, covered.zone) AS origin,
        LAG(covered.at_us) OVER (PARTITION BY covered.subscriber_id ORDER BY covered.at_us, covered.zone) AS left_at_us
    FROM covered
)""",
        """counted_in AS (
    SELECT
        followed.subscriber_id, followed.origin * s.zones + followed.zone AS zone, 0 AS segment,
        followed.starts_at_us, COUNT(*) AS events
    FROM followed
    CROSS JOIN specification AS s
    WHERE followed.origin <> followed.zone AND followed.at_us - followed.left_at_us <= s.longest_trip_us
    GROUP BY 1, 2, 3, 4
)""",
    ),
    constants={"longest_trip_us": LONGEST_TRIP_US},
    kernel=Kernel(count=_count, segment=None),
    segments=("all",),
    is_between_zones=True,
    day_reach=_day_reach,
    columns=ColumnWords(
        zone=Words(
            fr="De quelle zone H3 à laquelle, sous la forme de>vers ; résolution {number}",
            en="From which H3 zone to which, as from>to; resolution {number}",
        ),
        zone_of_table=Words(
            fr="De quelle zone à laquelle, sous la forme de>vers ; codes de la table {table}",
            en="From which zone to which, as from>to; codes of the table {table}",
        ),
        starts_at={
            "hour": Words(fr="Début de l’heure, {clock}", en="Start of the hour, {clock}"),
            "day": Words(fr="Début du jour, {clock}", en="Start of the day, {clock}"),
        },
        segment=Words(
            fr="Toujours all : les flux ne sont pas détaillés par âge", en="Always all: flows are not split by age"
        ),
        people=Words(
            fr="Personnes distinctes qui ont fait ce trajet, avec du bruit ; jamais moins de {count}",
            en="Distinct people who went, with noise; never below {count}",
        ),
    ),
    map_title=None,
    series_title={
        "hour": Words(fr="Personnes passées d’une zone à une autre", en="People who went from one zone to another"),
        "day": Words(fr="Personnes passées d’une zone à une autre", en="People who went from one zone to another"),
    },
)
