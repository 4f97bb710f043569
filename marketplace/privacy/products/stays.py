"""Stays: how many residents and visitors spend the night in each zone. A night counts on the day it begins.

A night lasts from 20:00 to 06:00 on the local clock: nine hours when summer time begins, eleven when it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.words import Words
from marketplace.privacy.bucket_counts import BucketCounts, grouped
from marketplace.privacy.habits import PARTS_OF_DAY, TimesAlike
from marketplace.privacy.product import NO_MOBILITY, POPULATION, TRANSPORT, ColumnWords, Kernel, Product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.bucket_counts import BucketEvents, CountedLines
    from marketplace.privacy.habits import Residents

NIGHT_FROM_HOUR: Final = 20
NIGHT_TO_HOUR: Final = 6
"""A night begins at the first hour of the day it is counted on and ends at the second of the next."""
NIGHT_PARTS: Final = (0, 1, 7)
"""Parts of a simulated day in which a night's stay is seen."""
AT_HOME_AT_NIGHT: Final = 0.93
"""The share of simulated people seen at night who spend it at home."""


def _count(events: BucketEvents) -> BucketCounts:
    """Return for each line and night the zone with the most events; of equals, the first zone."""
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
    """Return the bound of a local day's events: they end one night and start another, and either may move."""
    return 4


def _nights(times: int, _grain: str) -> Sequence[TimesAlike]:
    """Return the nights of a simulated period, all alike."""
    return [TimesAlike(float(times), sum(PARTS_OF_DAY[number][0] for number in NIGHT_PARTS), 0.0)]


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return the residents who are seen at home at night, and the visitors."""
    seen = -np.expm1(-daily * (part.home + part.elsewhere))
    residents, others = people.here.sum(axis=1), people.around.sum(axis=1)
    return np.stack(
        [residents * seen * AT_HOME_AT_NIGHT, others * seen * (1 - AT_HOME_AT_NIGHT) * people.visits], axis=1
    )


PRODUCT: Final = Product(
    code="stays",
    source="nights",
    title=Words("stays: how many spend the night where, residents and visitors"),
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
        zone=Words("H3 zone, resolution {number}"),
        zone_of_table=Words("Zone, by its code in the table {table}"),
        starts_at={"day": Words("Start of the day the night begins on, {clock}; the night lasts from 20:00 to 06:00")},
        segment=Words("Resident (at home there) or visitor"),
        people=Words("Distinct people who spent the night, with noise; never below {count}"),
    ),
    map_title=Words("Average people staying in each zone"),
    series_title={"day": Words("People staying, by night")},
    examples=(
        Words("To know how many people spend the night, residents or visitors: tourism, hotels, evening services."),
        Words("Share of visitors: by zone, divide the rows of “visitor” by the sum of “visitor” and “resident”."),
        Words("Effect of an event: compare its nights with those of the same weekday before and after."),
    ),
    themes=(POPULATION, TRANSPORT),
    mobility_theme=NO_MOBILITY,
    times_alike=_nights,
    simulated=_simulated,
)
