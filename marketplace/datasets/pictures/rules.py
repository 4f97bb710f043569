"""Which zones of two datasets lie on the same ground, and which datasets share zones; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace.privacy.free_preview import centres

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from marketplace.privacy.geography import Geography


@dataclass(frozen=True, slots=True)
class Zoning:
    """The zones of a dataset's key set, with their geography and level."""

    zones: Sequence[str]
    geography: Geography
    level: int


def shared_ground(here: Zoning, there: Zoning) -> dict[str, list[str]]:
    """Return, for each zone of `here` on ground of `there`, the zones of `there` in it, or else the one around it.

    A zone's position is its middle or, without an outline, the one that its geography states.
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
    """Return the zones of `here`, ascending, on ground shown by maps of at least `times` releases.

    maps: each with its release; several of one release count as one map.
    """
    shown = {(release, zone) for release, one in maps for zone in shared_ground(here, one)}
    counts = Counter(zone for _, zone in shown)
    return sorted(zone for zone, count in counts.items() if count >= times)


def grounds(zones: Sequence[Iterable[str]]) -> list[int]:
    """Return a number for each set of zones, the same for sets that share a zone, directly or through others."""
    from scipy.sparse import coo_array  # noqa: PLC0415 (half a second that a command which starts need not wait for)
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 (as above)

    first: dict[str, int] = {}
    pairs = {(at, first.setdefault(zone, at)) for at, own in enumerate(zones) for zone in own}
    here, there = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    sharing = coo_array((np.ones(len(here), bool), (here, there)), shape=(len(zones), len(zones)))
    return [int(number) for number in connected_components(sharing, directed=False)[1]]


def _holders(inner: Zoning, outer: Zoning) -> tuple[Sequence[str], Sequence[str | None]]:
    """Return zones of `inner`, and for each the zone of `outer`'s level that contains it."""
    if inner.geography == outer.geography:
        return inner.zones, outer.geography.find(inner.zones, outer.level)
    middles = centres({zone: inner.geography.shape(zone) for zone in inner.zones})
    places = np.array(list(middles.values()), float).reshape(-1, 2)
    return list(middles), outer.geography.locate(places[:, 1], places[:, 0], outer.level)
