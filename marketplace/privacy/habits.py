"""How simulated people move: assumptions about everybody, from which each product computes what it would count.

Nothing here reads an event. People are seen at home, or elsewhere in their part of the area, more often where more
people live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PARTS_OF_DAY: Final = (
    (0.04, 0.95),
    (0.04, 0.95),
    (0.11, 0.65),
    (0.15, 0.35),
    (0.18, 0.35),
    (0.20, 0.40),
    (0.18, 0.60),
    (0.10, 0.85),
)
"""For each three hours from midnight: the share of a day's sightings, and the share of those at home."""
TRIPS_A_SIGHTING: Final = 0.3
"""The share of all sightings that end a trip between zones; half of those trips lead home."""


@dataclass(frozen=True, slots=True)
class TimesAlike:
    """Similar times of a period: their number, and the share of a day's sightings in one, at home and elsewhere."""

    times: float
    home: float
    elsewhere: float


@dataclass(frozen=True, slots=True)
class Residents:
    """The people who consent, by home, and how visits are divided among zones."""

    here: Floats
    """Zones × age bands: people at home in the zone."""
    around: Floats
    """Zones × age bands: people at home in another zone of the same part of the area."""
    visits: Floats
    """For each zone, its share of the visits that people pay in its part of the area."""
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    """Origin and destination of the pairs of zones between which trips are followed; None if places are single
    zones."""

    def seen(self, home: float | Floats, elsewhere: Floats) -> Floats:
        """Return how many count in each zone; residents are seen there `home` times on average, others `elsewhere`."""
        at_home = np.broadcast_to(home, elsewhere.shape)
        counted = self.here * -np.expm1(-at_home)[:, None] + self.around * -np.expm1(-elsewhere)[:, None]
        return np.asarray(counted, np.float64)


def times_of_day(times: int, grain: str) -> Sequence[TimesAlike]:
    """Return the times of a period by this grain, with those that are alike merged."""
    if grain == "hour":
        return [TimesAlike(times / len(PARTS_OF_DAY), of / 3 * at, of / 3 * (1 - at)) for of, at in PARTS_OF_DAY]
    days = 7 if grain == "week" else 1
    at_home = sum(of * at for of, at in PARTS_OF_DAY)
    return [TimesAlike(float(times), days * at_home, days * (1 - at_home))]


def trips_each_way(times: TimesAlike, daily: float) -> float:
    """Return how many trips a person who is seen so often on a day makes home, and how many away from home."""
    return daily * TRIPS_A_SIGHTING / 2 * (times.home + times.elsewhere)
