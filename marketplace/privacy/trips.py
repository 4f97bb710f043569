"""Trips: two consecutive events of one person in two zones, at most LONGEST_TRIP_US apart.

Flows and arrivals are both made of trips, in arrays and in SQL; removing one day reaches equally far in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from marketplace.core.instants import HOUR_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.bucket_counts import BucketEvents

LONGEST_TRIP_US: Final = 6 * HOUR_US
"""Two events of one person that are further apart are not a trip."""
CONSTANTS: Final = {"longest_trip_us": LONGEST_TRIP_US}
FOLLOWED: Final = """followed AS (
    SELECT
        covered.subscriber_id, covered.at_us, covered.zone, covered.segment, covered.starts_at_us,
        LAG(covered.zone) OVER (PARTITION BY covered.subscriber_id ORDER BY covered.at_us, covered.zone) AS origin,
        LAG(covered.at_us) OVER (PARTITION BY covered.subscriber_id ORDER BY covered.at_us, covered.zone) AS left_at_us
    FROM covered
)"""
"""Every event with the instant and zone of the same person's previous event."""
IS_TRIP: Final = "followed.origin <> followed.zone AND followed.at_us - followed.left_at_us <= s.longest_trip_us"
"""Whether a row of `followed` ends a trip."""


class Trips(NamedTuple):
    """N trips: the line, the time of the key set in which each ends, its origin and its destination."""

    line: NDArray[np.uint32]
    time: NDArray[np.int64]
    origin: NDArray[np.int64]
    zone: NDArray[np.int64]


def trips(events: BucketEvents) -> Trips:
    """Return a bucket's trips, by line and instant."""
    line, at, zone = events.moments()
    if not len(line):
        nothing = np.empty(0, np.int64)
        return Trips(np.empty(0, np.uint32), nothing, nothing, nothing)
    order = np.lexsort((zone, at, line))
    line, at, place = line[order], at[order], zone[order].astype(np.int64)
    is_trip = (line[1:] == line[:-1]) & (place[1:] != place[:-1]) & (at[1:] - at[:-1] <= LONGEST_TRIP_US)
    arrival = np.flatnonzero(is_trip) + 1
    return Trips(line[arrival].astype(np.uint32), events.step_at(at[arrival]), place[arrival - 1], place[arrival])


def day_reach(max_cells: int) -> int:
    """Return the bound of a day's events, where each counts in the cell that its trip ends in.

    The day's last zone is the origin of the next day's first trip. If that trip goes, another of that day's cells may
    be chosen instead: two cells more than are counted on the day.
    """
    return max_cells + 2
