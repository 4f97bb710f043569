"""How pages state where a zone lies: near a place, or at a distance in one of eight directions; all distinct."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from marketplace.core.web.formats import number
from marketplace.core.web.i18n import gettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.datasets.geography.layer_queries import Near

NEAR_METRES: Final = 1_000
"""The zone closest to a place is called near it within this distance."""
METRES: Final = 1_000
DECIMALS: Final = (1, 2, 3)
"""Of kilometres: more decimals if two zones would read alike."""
DIRECTIONS: Final = 8
VOWELS: Final = frozenset("AÂEÉÈÊIÎOÔUÛY")


def write_where(zones: Mapping[str, Near]) -> dict[str, str]:
    """Return the positions of zones in the page's language; all are different."""
    closest: dict[str, str] = {}
    for zone, where in sorted(zones.items(), key=lambda one: (_metres(one[1]), one[0])):
        closest.setdefault(where.place, zone)
    names: dict[str, str] = {}
    for zone, where in zones.items():
        if closest[where.place] == zone and _metres(where) <= NEAR_METRES:
            # Two sentences, as French writes "près de Lyon", but "près d’Oullins".
            near = gettext("close to {place}") if where.place[:1] in VOWELS else gettext("near {place}")
            names[zone] = near.format(place=where.place)
    for decimals in DECIMALS:
        tried = {zone: _from(where, decimals) for zone, where in zones.items() if zone not in names}
        often = Counter(tried.values())
        names |= {zone: name for zone, name in tried.items() if often[name] == 1}
    alike = sorted(zone for zone in zones if zone not in names)
    return names | {zone: f"{_from(zones[zone], DECIMALS[-1])} ({at})" for at, zone in enumerate(alike, 1)}


def _metres(where: Near) -> float:
    return math.hypot(where.east, where.north)


def _from(where: Near, decimals: int) -> str:
    _ = gettext
    sentences = (
        _("{distance} km north of {place}"),
        _("{distance} km north-east of {place}"),
        _("{distance} km east of {place}"),
        _("{distance} km south-east of {place}"),
        _("{distance} km south of {place}"),
        _("{distance} km south-west of {place}"),
        _("{distance} km west of {place}"),
        _("{distance} km north-west of {place}"),
    )
    turn = math.atan2(where.east, where.north) / math.tau
    distance = number(round(_metres(where) / METRES, decimals))
    return sentences[round(turn * DIRECTIONS) % DIRECTIONS].format(distance=distance, place=where.place)
