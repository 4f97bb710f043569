"""A toy product, as a file of `marketplace/privacy/products` would have it: who is in a zone of an evening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.words import Words
from marketplace.privacy.product import NO_MOBILITY, POPULATION, ColumnWords, Product

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from marketplace.privacy.habits import Residents, TimesAlike


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return the visitors of each zone: nobody goes out at home."""
    return people.seen(0.0, daily * part.elsewhere * people.visits).sum(axis=1, keepdims=True)


PRODUCT = Product(
    code="evenings",
    title=Words(fr="soirées : combien sortent où", en="evenings: how many go out where"),
    counted_in=(
        """counted_in AS (
    SELECT
        covered.subscriber_id, covered.zone, 0 AS segment, covered.starts_at_us, COUNT(*) AS events
    FROM covered
    CROSS JOIN specification AS s
    WHERE covered.local_hour >= s.evening_from_hour
    GROUP BY 1, 2, 3, 4
)""",
    ),
    constants={"evening_from_hour": 18},
    segments=("everybody",),
    grains=("day",),
    columns=ColumnWords(
        zone=Words(fr="Zone H3 de sortie, résolution {number}", en="H3 zone gone out to, resolution {number}"),
        zone_of_table=Words(fr="Zone de sortie, table {table}", en="Zone gone out to, table {table}"),
        starts_at={"day": Words(fr="Jour de la soirée, {clock}", en="Day of the evening, {clock}")},
        segment=Words(fr="Toujours everybody", en="Always everybody"),
        people=Words(fr="Personnes de sortie, au moins {count}", en="People out, at least {count}"),
    ),
    map_title=Words(fr="Sorties par zone", en="Outings by zone"),
    series_title={"day": Words(fr="Personnes de sortie, par soirée", en="People out, by evening")},
    examples=(
        Words(fr="Pour savoir où l’on sort.", en="To know where people go out."),
        Words(fr="Additionnez par zone.", en="Add up by zone."),
        Words(fr="Comparez les soirs.", en="Compare evenings."),
    ),
    themes=(POPULATION,),
    mobility_theme=NO_MOBILITY,
    simulated=_simulated,
)
