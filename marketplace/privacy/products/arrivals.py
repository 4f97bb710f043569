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
    title=Words("arrivals: how many come into a zone from another, by age band"),
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
        zone=Words("H3 zone that people come into, resolution {number}"),
        zone_of_table=Words("Zone that people come into, by its code in the table {table}"),
        starts_at={
            "hour": Words("Start of the hour, {clock}"),
            "day": Words("Start of the day, {clock}"),
            "week": Words("Start of the week (Monday), {clock}"),
        },
        segment=Words("Age band: {bands}"),
        people=Words("Distinct people who came from another zone, with noise; never below {count}"),
    ),
    map_title=Words("Average people who come into each zone"),
    series_title={
        "hour": Words("People who arrived, by hour"),
        "day": Words("People who arrived, by day"),
        "week": Words("People who arrived, by week"),
    },
    examples=(
        Words("To know how many people come into a zone, and when: stations, shops, events, emergency services."),
        Words("Find the busiest time: for a zone, add up “people” by “starts_at”, and pick the largest."),
        Words("Share of an age band among arrivals: zone by zone, divide the rows of its “segment” by the sum of all."),
    ),
    themes=(TRANSPORT,),
    mobility_theme=TRAFFIC,
    simulated=_simulated,
)
