"""Flows: how many people go from one zone to another, at the time of arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.words import Words
from marketplace.privacy.bucket_counts import BucketCounts, grouped
from marketplace.privacy.habits import trips_each_way
from marketplace.privacy.product import TRAFFIC, TRANSPORT, ColumnWords, Kernel, Product
from marketplace.privacy.trips import CONSTANTS, FOLLOWED, IS_TRIP, day_reach, trips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.bucket_counts import BucketEvents
    from marketplace.privacy.habits import Residents, TimesAlike


def _count(events: BucketEvents) -> BucketCounts:
    """Return each line's trips by the pair of zones, at the time they end."""
    found = trips(events)
    code = found.time * events.places + found.origin * events.zones + found.zone
    return grouped(found.line, code, np.ones(len(found.line), np.int64))


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return each pair's trips: residents of its origin who leave, and residents of its destination who go home."""
    assert people.pairs is not None
    start, end = people.pairs
    residents = people.here.sum(axis=1)
    each_way = trips_each_way(part, daily)
    leaving = residents[start] * -np.expm1(-each_way * people.visits[end])
    returning = residents[end] * -np.expm1(-each_way * people.visits[start])
    return np.asarray((leaving + returning)[:, None], np.float64)


PRODUCT: Final = Product(
    code="flows",
    source="movements",
    title=Words("flows: how many go from one zone to another"),
    counted_in=(
        FOLLOWED,
        f"""counted_in AS (
    SELECT
        followed.subscriber_id, followed.origin * s.zones + followed.zone AS zone, 0 AS segment,
        followed.starts_at_us, COUNT(*) AS events
    FROM followed
    CROSS JOIN specification AS s
    WHERE {IS_TRIP}
    GROUP BY 1, 2, 3, 4
)""",
    ),
    constants=CONSTANTS,
    kernel=Kernel(count=_count, segment=None),
    segments=("all",),
    is_between_zones=True,
    day_reach=day_reach,
    columns=ColumnWords(
        zone=Words("From which H3 zone to which, as from>to; resolution {number}"),
        zone_of_table=Words("From which zone to which, as from>to; codes of the table {table}"),
        starts_at={
            "hour": Words("Start of the hour, {clock}"),
            "day": Words("Start of the day, {clock}"),
            "week": Words("Start of the week (Monday), {clock}"),
        },
        segment=Words("Always all: flows are not split by age"),
        people=Words("Distinct people who went, with noise; never below {count}"),
    ),
    map_title=None,
    series_title={
        "hour": Words("People who went from one zone to another"),
        "day": Words("People who went from one zone to another"),
        "week": Words("People who went from one zone to another"),
    },
    examples=(
        Words("To know where people come from and go to: transport lines, catchment areas, the effect of roadworks."),
        Words(
            "Where people of a zone come from: keep the rows whose “zone” ends with “>CODE”, add up “people” by origin."
        ),
        Words("Measure a link: add up there (A>B) and back (B>A), day by day."),
    ),
    themes=(TRANSPORT,),
    mobility_theme=TRAFFIC,
    simulated=_simulated,
)
