"""Rules of switches: what one consent covers. Pure; anything that a consent does not name is off.

A scope is the column `covers` of a consent record, as canonical JSON: sources, buyers' sectors, places, hours and days.
A record without one covers all that its notice covers; the operator's systems and files bring such consents.

An event counts only if every scope in force from its instant until the build allows it. So widening a scope restores
nothing from before, and narrowing one applies to existing events, as giving and withdrawing do.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec
import rfc8785
from msgspec import Struct, structs

from marketplace.core.errors import Invalid
from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SOURCES: Final = {
    "presence": Words("Presence: the zone the line is in, hour by hour"),
    "movements": Words("Movements: from one zone to another"),
    "nights": Words("Nights: the zone where the line spends the night"),
}
"""A source read from a line's events → its words; each product of datasets names one."""
SECTORS: Final = {
    "public": Words("local authorities and public services"),
    "research": Words("research and teaching"),
    "transport": Words("transport"),
    "tourism": Words("tourism and events"),
    "retail": Words("retail"),
    "property": Words("property and construction"),
    "energy": Words("energy"),
    "health": Words("health"),
    "media": Words("press and media"),
    "advertising": Words("advertising"),
    "bank": Words("banks"),
    "insurance": Words("insurance"),
    "police": Words("police and security"),
    "other": Words("other sectors"),
}
"""Sector of a buyer → its words. A buyer without a stated sector buys what all may buy."""
WEEKDAYS: Final = tuple(range(1, 8))
"""Monday to Sunday, as ISO 8601 numbers them."""
HOURS: Final = tuple(range(24))
MOST_PLACES: Final = 30
LONGEST_PLACE: Final = 64


class Scope(Struct, frozen=True, forbid_unknown_fields=True):
    """What one consent covers; anything not named is off. Hours and days are local to the event."""

    sources: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    home: bool = False
    """In the line's home zone."""
    elsewhere: bool = False
    """Neither at home nor in a named place."""
    places: dict[str, bool] = {}
    """Zone of H3 or of the operator → whether events there count. If several zones contain an event, all must allow
    it."""
    weekdays: tuple[int, ...] = ()
    """1 is Monday."""
    hours: tuple[int, ...] = ()
    """0 is from midnight to one o'clock."""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    """Only events from the first to the last day, both included; None: no such limit."""

    @property
    def allows_something(self) -> bool:
        """Return whether any event at all can be covered."""
        somewhere = self.home or self.elsewhere or any(self.places.values())
        return bool(self.sources and self.sectors and somewhere and self.weekdays and self.hours)

    @property
    def is_everywhere_and_always(self) -> bool:
        """Return whether neither place nor time leaves anything out."""
        whole_week = self.weekdays == WEEKDAYS and self.hours == HOURS
        unbounded = self.first_day is None and self.last_day is None
        return self.home and self.elsewhere and all(self.places.values()) and whole_week and unbounded

    def allows_use(self, source: str, sectors: Collection[str]) -> bool:
        """Return whether a dataset of this source may count the line; sectors: those it may be sold to, empty: all."""
        return source in self.sources and set(sectors or SECTORS) <= set(self.sectors)


EVERYTHING: Final = Scope(tuple(SOURCES), tuple(SECTORS), True, True, {}, WEEKDAYS, HOURS)  # noqa: FBT003 (fields in order)
PRESETS: Final = {
    "everything": (Words("Everything"), EVERYTHING),
    "public_good": (
        Words("For the public good only"),
        structs.replace(EVERYTHING, sectors=("public", "research", "transport", "health")),
    ),
    "not_at_home": (
        Words("Everything but at home"),
        structs.replace(EVERYTHING, home=False),
    ),
    "working_hours": (
        Words("On weekdays, from 8 to 20"),
        structs.replace(EVERYTHING, weekdays=WEEKDAYS[:5], hours=HOURS[8:20]),
    ),
}
"""Presets for people who want one choice: name, and what it covers."""


def write(scope: Scope) -> str:
    """Return a scope as canonical JSON, each list in one order, to be recorded; refuses one that no switch makes."""
    _check(scope)
    plain = msgspec.to_builtins(
        structs.replace(
            scope,
            sources=tuple(source for source in SOURCES if source in scope.sources),
            sectors=tuple(sector for sector in SECTORS if sector in scope.sectors),
            weekdays=tuple(sorted(set(scope.weekdays))),
            hours=tuple(sorted(set(scope.hours))),
        )
    )
    return rfc8785.dumps(plain).decode()


def read(covers: str) -> Scope:
    """Return a recorded scope; refuses an invalid one."""
    try:
        scope = msgspec.json.decode(covers, type=Scope)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise Invalid("That is no choice of switches.") from None
    _check(scope)
    return scope


def _check(scope: Scope) -> None:
    if set(scope.sources) - SOURCES.keys() or set(scope.sectors) - SECTORS.keys():
        raise Invalid("A source or a sector is not one of those listed.")
    if set(scope.weekdays) - set(WEEKDAYS) or set(scope.hours) - set(HOURS):
        raise Invalid("Weekdays are numbered from 1 to 7, and hours from 0 to 23.")
    if len(scope.places) > MOST_PLACES:
        raise Invalid("Name {most} places at most.", most=MOST_PLACES)
    if any(not 1 <= len(place) <= LONGEST_PLACE or not place.isprintable() for place in scope.places):
        raise Invalid("A place is named by a zone of the map.")
    if scope.first_day and scope.last_day and scope.first_day > scope.last_day:
        raise Invalid("The last day is before the first one.")


def sectors_in_order(sectors: Sequence[str]) -> list[str]:
    """Return sectors once each, in display order; refuses an unknown one."""
    if set(sectors) - SECTORS.keys():
        raise Invalid("A source or a sector is not one of those listed.")
    return [sector for sector in SECTORS if sector in sectors]
