"""Rules of one's own data: what a form of switches says, uses put together by release, and what a map of one's own has."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.errors import Invalid
from marketplace.local_time import time_zone
from marketplace.privacy.geography import H3
from marketplace.switches.rules import HOURS, SECTORS, SOURCES, WEEKDAYS, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAP_LASTS: Final = dt.timedelta(minutes=10)
MAP_RESOLUTION: Final = 8
"""H3's, for places that have coordinates: hexagons of about half a kilometre."""
TOP_PLACES: Final = 10
MOST_CELLS: Final = 400
NIGHT: Final = (*range(20, 24), *range(6))


class Use(Struct, frozen=True):
    """One sale of a release that a person is in: what for, to which sector, and what it earned them."""

    licence: uuid.UUID
    release: uuid.UUID
    sector: str
    """Empty where nobody stated it."""
    purpose_fr: str
    purpose_en: str
    consenting: int
    """About how many people it is of: published with the release."""
    published_people: int
    """People over all the cells it shows, as published."""


class UsedRelease(Struct, frozen=True):
    """A release that a person is in: how often they count in it, how often it was sold, and for how much in all.

    counted: None where a sale of it was shared by the exact rule of before: beside its share it would reveal the total.
    """

    title_fr: str
    title_en: str
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str
    counted: int | None
    sales: int
    micro: int
    lines: tuple[tuple[Use, int], ...]
    """Each sale with what it earned, in micro-euros."""

    @property
    def average(self) -> float | None:
        """Return how often it counts one of its people on average, out of published figures alone; None where unknown."""
        use = self.lines[0][0]
        return (
            use.published_people / use.consenting if self.counted and use.published_people and use.consenting else None
        )


def scope_of_form(form: Any) -> Scope:  # noqa: ANN401 (a form's multi-dict)
    """Return the scope that a form's boxes say; what is not ticked is off."""
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
    """Return the hours from one to before another, past midnight where the second is not later; all day from 0 to 24."""
    hours = first.isdecimal() and last.isdecimal() and max(len(first), len(last)) <= 2  # noqa: PLR2004 (digits)
    if not hours or int(first) not in HOURS or not 0 <= int(last) <= len(HOURS):
        raise Invalid("Choose hours from 0 to 24.", field="from_hour")
    begins, ends = int(first), int(last)
    if begins < ends:
        return tuple(range(begins, ends))
    return tuple(sorted({*range(begins, len(HOURS)), *range(ends)}))


def bounds_of(hours: Sequence[int]) -> tuple[int, int]:
    """Return the hours as a form shows them: from which to before which; (0, 24) for all or none."""
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
    """Return what a map of one's own shows: how many events by place and by day, and the places seen most, by day and night.

    zone: the time zone of days and nights. A place is a hexagon where it has coordinates, or else its site.
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
