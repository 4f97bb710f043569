"""Presence: who is in a zone at a time, by age band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.privacy.counted import Seen, grouped
from marketplace.privacy.product import ColumnWords, Kernel, Product
from marketplace.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.counted import BucketEvents, CountedLines


def _count(events: BucketEvents) -> Seen:
    """Return each line's zone and time with its events there."""
    line, slot, zone, count = events.visits()
    time = slot if events.is_by_step else events.step[slot]
    code = time * events.places + zone
    if events.is_one_to_one and events.is_by_step:
        return Seen(line, code.astype(np.uint32), count)
    return grouped(line, code, count)


def _segment(lines: CountedLines) -> NDArray[np.integer[Any]]:
    """Return the age band of each of n rows."""
    return lines.band[lines.line]


PRODUCT: Final = Product(
    code="presence",
    title=Words(fr="présence : combien sont où, par tranche d’âge", en="presence: how many are where, by age band"),
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
        zone=Words(fr="Zone H3, résolution {number}", en="H3 zone, resolution {number}"),
        zone_of_table=Words(fr="Zone, par son code dans la table {table}", en="Zone, by its code in the table {table}"),
        starts_at={
            "hour": Words(fr="Début de l’heure, {clock}", en="Start of the hour, {clock}"),
            "day": Words(fr="Début du jour, {clock}", en="Start of the day, {clock}"),
            "week": Words(fr="Début de la semaine (lundi), {clock}", en="Start of the week (Monday), {clock}"),
        },
        segment=Words(fr="Tranche d’âge : {bands}", en="Age band: {bands}"),
        people=Words(
            fr="Personnes distinctes vues, avec bruit ; jamais moins de {count}",
            en="Distinct people seen, with noise; never below {count}",
        ),
    ),
    map_title=Words(fr="Nombre moyen de personnes vues dans chaque zone", en="Average people seen in each zone"),
    series_title={
        "hour": Words(fr="Personnes vues, par heure", en="People seen, by hour"),
        "day": Words(fr="Personnes vues, par jour", en="People seen, by day"),
        "week": Words(fr="Personnes vues, par semaine", en="People seen, by week"),
    },
)
