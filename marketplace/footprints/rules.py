"""Which zones of two datasets lie on the same ground, and which datasets share zones; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from marketplace.glance import centres

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from marketplace.privacy.geography import Geography


@dataclass(frozen=True, slots=True)
class Zoning:
    """The zones of a dataset's key set, in which geography, and of which of its levels."""

    zones: Sequence[str]
    geography: Geography
    level: int


def shared_ground(here: Zoning, there: Zoning) -> dict[str, list[str]]:
    """Return, for each zone of `here` that lies where `there` has zones, those that lie in it or else the one that it lies in.

    A zone lies where its middle does; without an outline, where its geography says.
    """
    known_here, known_there = set(here.zones), set(there.zones)
    found: dict[str, list[str]] = {}
    for zone, holder in zip(*_holders(there, here), strict=True):
        if holder in known_here:
            found.setdefault(holder, []).append(zone)
    for zone, holder in zip(*_holders(here, there), strict=True):
        if zone not in found and holder in known_there:
            found[zone] = [holder]
    return found


def zones_shown(here: Zoning, maps: Iterable[tuple[uuid.UUID, Zoning]], times: int) -> list[str]:
    """Return the zones of `here`, ascending, that lie where maps of as many releases or more have zones.

    maps: each with its release; several of one release are one map.
    """
    shown = {(release, zone) for release, one in maps for zone in shared_ground(here, one)}
    counts = Counter(zone for _, zone in shown)
    return sorted(zone for zone, count in counts.items() if count >= times)


def grounds(zones: Sequence[Iterable[str]]) -> list[int]:
    """Return a number for each set of zones, the same one for those that share a zone, at once or by way of others."""
    first: dict[str, int] = {}
    pairs = {(at, first.setdefault(zone, at)) for at, own in enumerate(zones) for zone in own}
    here, there = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    sharing = coo_array((np.ones(len(here), bool), (here, there)), shape=(len(zones), len(zones)))
    return [int(number) for number in connected_components(sharing, directed=False)[1]]


def _holders(inner: Zoning, outer: Zoning) -> tuple[Sequence[str], Sequence[str | None]]:
    """Return zones of `inner`, and the zone of the level of `outer` that each lies in."""
    if inner.geography == outer.geography:
        return inner.zones, outer.geography.find(inner.zones, outer.level)
    middles = centres({zone: inner.geography.shape(zone) for zone in inner.zones})
    places = np.array(list(middles.values()), float).reshape(-1, 2)
    return list(middles), outer.geography.locate(places[:, 1], places[:, 0], outer.level)
