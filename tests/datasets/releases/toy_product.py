"""A toy product, as a file of `marketplace/privacy/products` would have it: who is in a zone of an evening."""

import numpy as np
from numpy.typing import NDArray

from marketplace.core.words import Words
from marketplace.privacy.habits import Residents, TimesAlike
from marketplace.privacy.product import NO_MOBILITY, POPULATION, ColumnWords, Product


def _simulated(people: Residents, part: TimesAlike, daily: float) -> NDArray[np.float64]:
    """Return the visitors of each zone: nobody goes out at home."""
    return people.seen(0.0, daily * part.elsewhere * people.visits).sum(axis=1, keepdims=True)


PRODUCT = Product(
    code="evenings",
    title=Words("evenings: how many go out where"),
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
        zone=Words("H3 zone gone out to, resolution {number}"),
        zone_of_table=Words("Zone gone out to, table {table}"),
        starts_at={"day": Words("Day of the evening, {clock}")},
        segment=Words("Always everybody"),
        people=Words("People out, at least {count}"),
    ),
    map_title=Words("Outings by zone"),
    series_title={"day": Words("People out, by evening")},
    examples=(
        Words("To know where people go out."),
        Words("Add up by zone."),
        Words("Compare evenings."),
    ),
    themes=(POPULATION,),
    mobility_theme=NO_MOBILITY,
    simulated=_simulated,
)
FRENCH = {
    "evenings: how many go out where": "soirées : combien sortent où",
    "H3 zone gone out to, resolution {number}": "Zone H3 de sortie, résolution {number}",
    "Zone gone out to, table {table}": "Zone de sortie, table {table}",
    "Day of the evening, {clock}": "Jour de la soirée, {clock}",
    "Always everybody": "Toujours everybody",
    "People out, at least {count}": "Personnes de sortie, au moins {count}",
    "Outings by zone": "Sorties par zone",
    "People out, by evening": "Personnes de sortie, par soirée",
    "To know where people go out.": "Pour savoir où l’on sort.",
    "Add up by zone.": "Additionnez par zone.",
    "Compare evenings.": "Comparez les soirs.",
}
"""What its `fr.po` would have."""
