"""Presence: how many people are in a zone at a time, by age band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.words import Words
from marketplace.privacy.bucket_counts import BucketCounts, grouped
from marketplace.privacy.product import NO_MOBILITY, POPULATION, TRANSPORT, ColumnWords, Kernel, Product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.bucket_counts import BucketEvents, CountedLines
    from marketplace.privacy.habits import Residents, TimesAlike


def _count(events: BucketEvents) -> BucketCounts:
    """Return each line's zones and times with its events there."""
    line, slot, zone, count = events.visits()
    time = slot if events.is_by_step else events.step[slot]
    code = time * events.places + zone
    if events.is_one_to_one and events.is_by_step:
        return BucketCounts(line, code.astype(np.uint32), count)
    return grouped(line, code, count)


def _segment(lines: CountedLines) -> NDArray[np.integer[Any]]:
    """Return the age band of each of n rows."""
    return lines.band[lines.line]


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return the people seen in each zone: its residents when at home, and everybody on visits."""
    elsewhere = daily * part.elsewhere * people.visits
    return people.seen(daily * part.home + elsewhere, elsewhere)


PRODUCT: Final = Product(
    code="presence",
    title=Words("presence: how many are where, by age band"),
    counted_in=(
        """counted_in AS (
    SELECT
        covered.subscriber_id, covered.zone, covered.segment, covered.starts_at_us, COUNT(*) AS events
    FROM covered
    GROUP BY 1, 2, 3, 4
)""",
    ),
    kernel=Kernel(count=_count, segment=_segment),
    adds_up=True,
    columns=ColumnWords(
        zone=Words("H3 zone, resolution {number}"),
        zone_of_table=Words("Zone, by its code in the table {table}"),
        starts_at={
            "hour": Words("Start of the hour, {clock}"),
            "day": Words("Start of the day, {clock}"),
            "week": Words("Start of the week (Monday), {clock}"),
        },
        segment=Words("Age band: {bands}"),
        people=Words("Distinct people seen, with noise; never below {count}"),
    ),
    map_title=Words("Average people seen in each zone"),
    series_title={
        "hour": Words("People seen, by hour"),
        "day": Words("People seen, by day"),
        "week": Words("People seen, by week"),
    },
    examples=(
        Words("To know where people are, and when: to choose a site, set opening hours, size a service."),
        Words(
            "Compare two sites: add up “people” by zone over the period, then divide. A difference smaller than the stated error "
            "is none."
        ),
        Words("Find the busiest hour or day: add up the zones you care about by “starts_at”, and pick the largest."),
        Words("Estimate everybody: multiply by the factor under Quality; a row that is not there is not zero."),
    ),
    themes=(POPULATION, TRANSPORT),
    mobility_theme=NO_MOBILITY,
    answers_density=True,
    simulated=_simulated,
)
