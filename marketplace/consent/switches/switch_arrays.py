"""Switches over events, in arrays: which events of which lines are left out, by place and by time.

Each row belongs to one line: of its events before an instant, only those that this scope allows count. There is a row
for each narrowed consent of a line, which ends with the line's next record; the last one has no end. Whether an event
counts depends only on the line's own rows and the event's own instant and place. So a person's switches change at most
that person's own counts, and the bound before the noise is the same.

`bound` looks up the places in scopes, once a build; the kernel calls `refuses`, the SQL definition gets `tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.geography import H3, NOWHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.consent.switches.rules import Scope
    from marketplace.privacy.geography import Geography

WEEK_HOURS: Final = 168
THURSDAY: Final = 3
"""1970 began on a Thursday; Monday is 0."""
LAST_DAY: Final = 2**31
EPOCH_ORDINAL: Final = 719_163


@dataclass(frozen=True)
class Places:
    """A store's places, by number: the site's name or zone, or else latitude and longitude."""

    sites: Sequence[str | None]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    geographies: Sequence[Geography] = (H3,)
    """Geographies in which named zones are looked up: H3's cells, and the operator's own tables."""


@dataclass(frozen=True)
class SwitchArrays:
    """Rows of narrowed consents, by line: reference, end in microseconds since 1970, and number of the scope."""

    line: NDArray[np.int64]
    until_us: NDArray[np.int64]
    scope: NDArray[np.int32]
    scopes: Sequence[Scope]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, Scope]]) -> SwitchArrays:
        """Return the rows (reference, end, scope) in columns, by line."""
        number: dict[int, int] = {}
        scopes: list[Scope] = []
        of_row = np.empty(len(rows), np.int32)
        for at, (_, _, scope) in enumerate(rows):
            if id(scope) not in number:
                number[id(scope)] = len(scopes)
                scopes.append(scope)
            of_row[at] = number[id(scope)]
        line = np.array([row[0] for row in rows], np.int64)
        until = np.array([row[1] for row in rows], np.int64)
        order = np.argsort(line, kind="stable")
        return cls(line[order], until[order], of_row[order], scopes)

    def bound(self, number: NDArray[np.int32], places: Places) -> Bound:
        """Return the rows with lines by number (-1: unknown, left out), and with the places that scopes name."""
        known = np.flatnonzero(number >= 0)
        known = known[np.argsort(number[known], kind="stable")]
        return Bound(number[known].astype(np.int64), self.until_us[known], self.scope[known], self.scopes, places)


class Bound:
    """Switches of a store's lines (by number) at its places (by number)."""

    def __init__(
        self,
        line: NDArray[np.int64],
        until_us: NDArray[np.int64],
        scope: NDArray[np.int32],
        scopes: Sequence[Scope],
        places: Places,
    ) -> None:
        """Make arrays of the scopes; line: ascending."""
        self.line, self.until_us, self.scope = line, until_us, scope
        self.home = np.array([scope.home for scope in scopes], np.bool_)
        self.elsewhere = np.array([scope.elsewhere for scope in scopes], np.bool_)
        self.first_day = np.array([_day(scope.first_day, 0) for scope in scopes], np.int64)
        self.last_day = np.array([_day(scope.last_day, LAST_DAY) for scope in scopes], np.int64)
        self.week = np.zeros((len(scopes), WEEK_HOURS), np.bool_)
        for at, one in enumerate(scopes):
            days, hours = np.array(one.weekdays, np.int64) - 1, np.array(one.hours, np.int64)
            self.week[at, (days[:, None] * 24 + hours).ravel()] = True
        self._name(scopes, places)

    def _name(self, scopes: Sequence[Scope], places: Places) -> None:
        """Compute the places that each scope names, and whether events there count: `named`, by scope and place.

        A place that the geography of a zone cannot locate, such as a site without coordinates, counts as inside the
        zone if the zone is off: in doubt an event is left out.
        """
        areas = sorted({area for scope in scopes for area in scope.places})
        surely, perhaps = places_of(areas, places)
        scope_of: list[NDArray[np.int64]] = []
        place_of: list[NDArray[np.int64]] = []
        is_on: list[NDArray[np.bool_]] = []
        for at, scope in enumerate(scopes):
            for area, on in scope.places.items():
                there = surely[area] if on else np.union1d(surely[area], perhaps[area])
                scope_of.append(np.full(len(there), at, np.int64))
                place_of.append(there)
                is_on.append(np.full(len(there), on))
        self.places = max(len(places.sites), 1)
        key = np.concatenate([np.empty(0, np.int64), *scope_of]) * self.places
        key = key + np.concatenate([np.empty(0, np.int64), *place_of])
        which = np.concatenate([np.empty(0, np.bool_), *is_on])
        order = np.lexsort((which, key))  # a place of two zones is off if one of them is
        self.named, first = np.unique(key[order], return_index=True)
        self.named_on: NDArray[np.bool_] = which[order][first]

    @property
    def is_empty(self) -> bool:
        """Return whether no line has a switch of place or time."""
        return not len(self.line)

    def refuses(  # noqa: PLR0917 (an event has five columns)
        self,
        line: NDArray[np.int64],
        at_us: NDArray[np.int64],
        place: NDArray[np.int64],
        at_home: NDArray[np.bool_],
        day: NDArray[np.int64],
        hour: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Return for each of n events whether a switch of its line leaves it out.

        line and place: by number; day and hour: on the local clock, days since 1970.
        """
        refused = np.zeros(len(line), np.bool_)
        if self.is_empty:
            return refused
        first, last = np.searchsorted(self.line, line, "left"), np.searchsorted(self.line, line, "right")
        for turn in range(int((last - first).max(initial=0))):
            event = np.flatnonzero((first + turn < last) & ~refused)
            row = (first + turn)[event]
            event, row = (of[at_us[event] < self.until_us[row]] for of in (event, row))
            refused[event] = ~self._allows(
                self.scope[row].astype(np.int64), place[event], at_home[event], day[event], hour[event]
            )
        return refused

    def _allows(
        self,
        scope: NDArray[np.int64],
        place: NDArray[np.int64],
        at_home: NDArray[np.bool_],
        day: NDArray[np.int64],
        hour: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        allowed = self.week[scope, (day + THURSDAY) % 7 * 24 + hour]
        allowed &= (day >= self.first_day[scope]) & (day <= self.last_day[scope])
        key = scope * self.places + place
        at = np.searchsorted(self.named, key)
        is_named = (at < len(self.named)) & (np.append(self.named, -1)[at] == key)
        allowed &= ~is_named | np.append(self.named_on, True)[at]
        allowed &= ~at_home | self.home[scope]
        return np.asarray(allowed & (is_named | at_home | self.elsewhere[scope]))

    def tables(self, references: NDArray[np.int64]) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Return the same as tables for the SQL definition; references: of each line, by number."""
        scope, hour = np.nonzero(self.week)
        return {
            "switch": {
                "subscriber_id": references[self.line],
                "until_us": self.until_us,
                "scope": self.scope.astype(np.int64),
                "home": self.home[self.scope].astype(np.int64),
                "elsewhere": self.elsewhere[self.scope].astype(np.int64),
                "first_day": self.first_day[self.scope],
                "last_day": self.last_day[self.scope],
            },
            "switch_hour": {"scope": scope.astype(np.int64), "week_hour": hour.astype(np.int64)},
            "switch_place": {
                "scope": self.named // self.places,
                "place": self.named % self.places,
                "is_on": self.named_on.astype(np.int64),
            },
        }


def _day(day: object, otherwise: int) -> int:
    return otherwise if day is None else day.toordinal() - EPOCH_ORDINAL  # type: ignore[attr-defined]


def places_of(
    areas: Sequence[str], places: Places
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return for each named zone the places inside it, by number, and the places whose zone is unknown."""
    everywhere = np.arange(len(places.sites), dtype=np.int64)
    none = np.empty(0, np.int64)
    surely, perhaps = dict.fromkeys(areas, none), dict.fromkeys(areas, everywhere)
    by_level: dict[tuple[int, int], list[str]] = {}
    for area in areas:
        known = ((n, geography.level(area)) for n, geography in enumerate(places.geographies))
        where = next(((n, level) for n, level in known if level is not None), None)
        if where:
            by_level.setdefault(where, []).append(area)
    for (n, level), of_level in by_level.items():
        zone = np.array(_zones(places, places.geographies[n], level), dtype=object)
        unknown = np.flatnonzero(zone == None).astype(np.int64)  # noqa: E711 (of an array)
        order = np.argsort([str(one) for one in zone], kind="stable")
        ordered = np.array([str(one) for one in zone[order]], dtype=object)
        for area in of_level:
            low, high = np.searchsorted(ordered, area, "left"), np.searchsorted(ordered, area, "right")
            surely[area], perhaps[area] = np.sort(order[low:high]).astype(np.int64), unknown
    return surely, perhaps


def _zones(places: Places, geography: Geography, level: int) -> list[str | None]:
    """Return each place's zone of this level, NOWHERE outside all of them, None if it is unknown."""
    found: list[str | None] = [NOWHERE] * len(places.sites)
    spots = [n for n, site in enumerate(places.sites) if site is None]
    located = geography.locate(places.latitudes[spots], places.longitudes[spots], level)
    for n, zone in zip(spots, located, strict=True):
        found[n] = zone
    named = [(n, site) for n, site in enumerate(places.sites) if site is not None]
    for (n, name), there in zip(named, geography.find([name for _, name in named], level), strict=True):
        own = geography.level(name)
        found[n] = None if own is not None and own < level else there
    return found
