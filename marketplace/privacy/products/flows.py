"""Flows: who goes from one zone to another, at the time of arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.counted import Seen, grouped
from marketplace.privacy.product import ColumnWords, Kernel, Product
from marketplace.privacy.trips import CONSTANTS, FOLLOWED, IS_TRIP, day_reach, trips
from marketplace.words import Words

if TYPE_CHECKING:
    from marketplace.privacy.counted import BucketEvents


def _count(events: BucketEvents) -> Seen:
    """Return each line's trips by the pair of zones, at the time they end."""
    found = trips(events)
    code = found.time * events.places + found.origin * events.zones + found.zone
    return grouped(found.line, code, np.ones(len(found.line), np.int64))


PRODUCT: Final = Product(
    code="flows",
    source="movements",
    title=Words(
        fr="flux : combien vont d’une zone à une autre",
        en="flows: how many go from one zone to another",
    ),
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
            "week": Words(fr="Début de la semaine (lundi), {clock}", en="Start of the week (Monday), {clock}"),
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
        "week": Words(fr="Personnes passées d’une zone à une autre", en="People who went from one zone to another"),
    },
)
