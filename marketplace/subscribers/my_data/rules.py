"""Rules of one's own data: the scope of a form of switches, uses grouped by release, the contents of one's own map."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.consent.switches.rules import HOURS, SECTORS, SOURCES, WEEKDAYS, Scope
from marketplace.core.errors import Invalid
from marketplace.core.local_time import time_zone
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAP_LASTS: Final = dt.timedelta(minutes=10)
MAP_RESOLUTION: Final = 8
"""A resolution of H3, for places with coordinates: hexagons of about half a kilometre."""
TOP_PLACES: Final = 10
MOST_CELLS: Final = 400
NIGHT: Final = (*range(20, 24), *range(6))


class Use(Struct, frozen=True):
    """One sale of a release that a person is in: the purpose, the sector, and what it earned them."""

    licence: uuid.UUID
    release: uuid.UUID
    sector: str
    """Empty where it is not stated."""
    purpose_fr: str
    purpose_en: str
    consenting: int
    """About how many people the release counts, as published with it."""
    published_people: int
    """The sum of people over all the cells it shows, as published."""


class UsedRelease(Struct, frozen=True):
    """A release that a person is in: how often it counts them, how often it was sold, and for how much in all."""

    title_fr: str
    title_en: str
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str
    counted: int
    sales: int
    micro: int
    lines: tuple[tuple[Use, int], ...]
    """Each sale with what it earned, in micro-euros."""

    @property
    def average(self) -> float | None:
        """Return how often it counts one of its people on average, from published figures alone; None where unknown."""
        use = self.lines[0][0]
        return use.published_people / use.consenting if use.published_people and use.consenting else None


def scope_of_form(form: Any) -> Scope:  # noqa: ANN401 (a form's multi-dict)
    """Return the scope of a form's boxes; an unticked box is off."""
    first, last = (_day(str(form.get(name, "")), name) for name in ("first_day", "last_day"))
    places = {str(place): False for place in form.getall("not_there", []) if place}
    places |= {str(place): True for place in form.getall("there", []) if place}
    return Scope(
        sources=tuple(source for source in SOURCES if source in form.getall("source", [])),
        sectors=tuple(sector for sector in SECTORS if sector in form.getall("sector", [])),
        home=form.get("home") == "yes",
        elsewhere=form.get("elsewhere") == "yes",
        places=places,
        weekdays=tuple(day for day in WEEKDAYS if str(day) in form.getall("weekday", [])),
        hours=_hours(str(form.get("from_hour", "")), str(form.get("to_hour", ""))),
        first_day=first,
        last_day=last,
    )


def _hours(first: str, last: str) -> tuple[int, ...]:
    """Return the hours from the first to before the second, past midnight if the second is not later.

    The whole day is 0 to 24.
    """
    hours = first.isdecimal() and last.isdecimal() and max(len(first), len(last)) <= 2  # noqa: PLR2004 (digits)
    if not hours or int(first) not in HOURS or not 0 <= int(last) <= len(HOURS):
        raise Invalid("Choose hours from 0 to 24.", field="from_hour")
    begins, ends = int(first), int(last)
    if begins < ends:
        return tuple(range(begins, ends))
    return tuple(sorted({*range(begins, len(HOURS)), *range(ends)}))


def bounds_of(hours: Sequence[int]) -> tuple[int, int]:
    """Return the hours as a form shows them, first and end (excluded); (0, 24) for all or none."""
    if not hours or len(hours) == len(HOURS):
        return 0, len(HOURS)
    begins = next(hour for hour in hours if (hour - 1) % len(HOURS) not in hours)
    return begins, 1 + next(hour for hour in hours if (hour + 1) % len(HOURS) not in hours)


def _day(text: str, field: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("Write a day as year, month and day.", field=field) from None


def map_of(events: Iterable[Mapping[str, Any]], zone: str) -> dict[str, Any]:
    """Return the contents of a map of one's own: events by place and day, and the top places by day and by night.

    zone: the time zone of days and nights. A place is a hexagon if it has coordinates, otherwise its site.
    """
    clock = time_zone(zone)
    places: Counter[str] = Counter()
    nights: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for event in events:
        local = dt.datetime.fromisoformat(event["at"]).astimezone(clock)
        place = _place(event)
        places[place] += 1
        nights[place] += local.hour in NIGHT
        days[local.date().isoformat()] += 1
    most = places.most_common(MOST_CELLS)
    return {
        "events": sum(places.values()),
        "places": dict(most),
        "top": [[place, count, nights[place]] for place, count in most[:TOP_PLACES]],
        "days": dict(sorted(days.items())),
    }


def _place(event: Mapping[str, Any]) -> str:
    if event["latitude"] is None:
        return str(event["site"])
    import numpy as np  # noqa: PLC0415

    spot = np.array([event["latitude"]]), np.array([event["longitude"]])
    return H3.locate(*spot, MAP_RESOLUTION)[0]
