"""Switches at ingestion: an event that no purpose may ever count is not stored.

An event is left out if its line has narrowed a purpose by place or time, and each purpose that the line consents to
leaves the event out, in each of the datasets' time zones. A later, wider consent restores nothing from before it, so no
release loses anything. Sources and sectors are left to the build, which knows the dataset's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace.consent.switches.switch_arrays import Places, places_of
from marketplace.core.local_time import local_hours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.consent.switches.switch_arrays import Bound, SwitchArrays
    from marketplace.privacy.geography import Geography


@dataclass(frozen=True)
class PurposeSwitches:
    """One purpose at ingestion: the events that consents leave out, the lines that consent, and hours' time zones."""

    switched: SwitchArrays
    consents: NDArray[np.bool_]
    """For each line that has narrowed something, whether it consents to this purpose now."""
    time_zones: Sequence[str]


class AtIngest:
    """The events that switches leave out of the event store."""

    def __init__(
        self,
        lines: NDArray[np.int64],
        purposes: Sequence[PurposeSwitches],
        homes: Sequence[str | None],
        zone_of_site: Mapping[str, str],
        geographies: Sequence[Geography],
    ) -> None:
        """State the lines that have narrowed something (ascending), the home zone of each, and the zones of sites."""
        self.lines, self.purposes = lines, purposes
        self.zone_of_site, self.geographies = zone_of_site, geographies
        self.areas = sorted({home for home in homes if home})
        number = {area: at for at, area in enumerate(self.areas)}
        self.home = np.array([number.get(home or "", -1) for home in homes], np.int64)
        self.laid_out: tuple[int, Sequence[Bound], NDArray[np.int64]] | None = None

    def covers(
        self,
        references: NDArray[np.int64],
        at_us: NDArray[np.int64],
        place: NDArray[np.int64],
        places: Callable[[], Places],
    ) -> NDArray[np.bool_]:
        """Return for each of n events whether nothing may ever count it; place: its number in `places`."""
        gone = np.zeros(len(references), np.bool_)
        at = np.searchsorted(self.lines, references)
        of = np.flatnonzero((at < len(self.lines)) & (np.append(self.lines, -1)[at] == references))
        if not len(of):
            return gone
        line, at_us, place = at[of], at_us[of], place[of]
        bounds, homes = self._bound(places, int(place.max()) + 1)
        key = self.home[line] * bounds[0].places + place
        position = np.minimum(np.searchsorted(homes, key), len(homes) - 1)
        at_home = (self.home[line] >= 0) & (homes[position] == key)
        refused = np.ones(len(of), np.bool_)
        for purpose, bound in zip(self.purposes, bounds, strict=True):
            for time_zone in purpose.time_zones:
                day, hour = local_hours(time_zone, at_us)
                out = bound.refuses(line, at_us, place, at_home, day, hour)
                # A place next to home may be home for a dataset of larger zones, so an event there must be left out by
                # both rules.
                out &= at_home | bound.refuses(line, at_us, place, np.ones_like(at_home), day, hour)
                refused &= out | ~purpose.consents[line]
        gone[of] = refused
        return gone

    def _bound(self, places: Callable[[], Places], count: int) -> tuple[Sequence[Bound], NDArray[np.int64]]:
        """Return the purposes' switches at these places, and (home, place) pairs; computed again for new places."""
        known = self.laid_out
        if known is None or known[0] < count:
            stated = places()
            sites = [site if site is None else self.zone_of_site.get(site, site) for site in stated.sites]
            at = Places(sites, stated.latitudes, stated.longitudes, self.geographies)
            bounds = [
                purpose.switched.bound(np.searchsorted(self.lines, purpose.switched.line).astype(np.int32), at)
                for purpose in self.purposes
            ]
            surely, _ = places_of(self.areas, at)
            pairs = [surely[area] + n * bounds[0].places for n, area in enumerate(self.areas)]
            homes = np.sort(np.concatenate([np.full(1, -1, np.int64), *pairs]))
            known = self.laid_out = (len(sites), bounds, homes)
        return known[1], known[2]
