"""Stays: who spends the night where, residents and visitors. A night is of the local day it begins on.

It lasts from 20:00 to 06:00 on the local clock: nine hours where summer time begins, eleven where it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.counted import Seen, grouped
from marketplace.privacy.product import ColumnWords, Kernel, Product
from marketplace.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.counted import BucketEvents, CountedLines

NIGHT_FROM_HOUR: Final = 20
NIGHT_TO_HOUR: Final = 6
"""A night begins at the first hour of the day it is counted on and ends at the second of the next."""


def _count(events: BucketEvents) -> Seen:
    """Return each line's zone with the most events of each night; of equals, the first zone."""
    line, slot, zone, count = events.visits()
    hour = events.hour[slot]
    night = np.where(hour < NIGHT_TO_HOUR, events.step[slot] - 1, events.step[slot])
    at = np.flatnonzero(((hour >= NIGHT_FROM_HOUR) | (hour < NIGHT_TO_HOUR)) & (night >= 0))
    seen = grouped(line[at], night[at] * events.places + zone[at], count[at])
    order = np.lexsort((seen.code, -seen.events.astype(np.int64), seen.code // events.places, seen.line))
    best = seen.only(order)
    changes = np.ones(len(order), np.bool_)
    night = best.code // np.uint32(events.places)
    changes[1:] = (best.line[1:] != best.line[:-1]) | (night[1:] != night[:-1])
    return best.only(changes)


def _segment(lines: CountedLines) -> NDArray[np.bool_]:
    """Return 0 for each of n rows whose line is at home in the zone, and 1 for visitors."""
    return np.asarray(lines.code % lines.places != lines.home[lines.line], np.bool_)


def _day_reach(_max_cells: int) -> int:
    """Return the bound of a local day's events: the end of one night and the start of another; either may move."""
    return 4


PRODUCT: Final = Product(
    code="stays",
    source="nights",
    title=Words(
        fr="nuitées : combien passent la nuit où, habitants et visiteurs",
        en="stays: how many spend the night where, residents and visitors",
    ),
    counted_in=(
        """night AS (
    SELECT
        covered.subscriber_id, covered.home, covered.zone,
        CASE WHEN covered.local_hour < s.night_to_hour THEN covered.before_at_us ELSE covered.starts_at_us END AS starts_at_us,
        COUNT(*) AS events
    FROM covered
    CROSS JOIN specification AS s
    WHERE covered.local_hour >= s.night_from_hour
        OR (covered.local_hour < s.night_to_hour AND covered.before_at_us >= s.period_from_us)
    GROUP BY 1, 2, 3, 4
)""",
        """preferred AS (
    SELECT
        night.subscriber_id, night.home, night.zone, night.starts_at_us, night.events,
        ROW_NUMBER() OVER (
            PARTITION BY night.subscriber_id, night.starts_at_us ORDER BY night.events DESC, night.zone
        ) AS place_in_line
    FROM night
)""",
        """counted_in AS (
    SELECT
        preferred.subscriber_id, preferred.zone,
        CASE WHEN preferred.home = preferred.zone THEN 0 ELSE 1 END AS segment,
        preferred.starts_at_us, preferred.events
    FROM preferred
    WHERE preferred.place_in_line = 1
)""",
    ),
    constants={"night_from_hour": NIGHT_FROM_HOUR, "night_to_hour": NIGHT_TO_HOUR},
    kernel=Kernel(count=_count, segment=_segment),
    segments=("resident", "visitor"),
    day_reach=_day_reach,
    grains=("day",),
    columns=ColumnWords(
        zone=Words(fr="Zone H3, résolution {number}", en="H3 zone, resolution {number}"),
        zone_of_table=Words(fr="Zone, par son code dans la table {table}", en="Zone, by its code in the table {table}"),
        starts_at={
            "day": Words(
                fr="Début du jour où la nuit commence, {clock} ; la nuit va de 20 h à 6 h",
                en="Start of the day the night begins on, {clock}; the night lasts from 20:00 to 06:00",
            )
        },
        segment=Words(fr="resident (qui y habite) ou visitor (de passage)", en="Resident (at home there) or visitor"),
        people=Words(
            fr="Personnes distinctes qui y ont passé la nuit, avec du bruit ; jamais moins de {count}",
            en="Distinct people who spent the night, with noise; never below {count}",
        ),
    ),
    map_title=Words(
        fr="Personnes en moyenne qui passent la nuit dans chaque zone", en="Average people staying in each zone"
    ),
    series_title={"day": Words(fr="Personnes qui passent la nuit, par nuit", en="People staying, by night")},
)
