"""What a dataset's map shows beside its zones' figures: layers, names, one hour of the day, flows as arrows."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from marketplace.datasets.queries import cells
from marketplace.glance import centres
from marketplace.map_layers.queries import name_zones, over
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.specification import TO
from marketplace.web.area_maps import Flow
from marketplace.web.i18n import gettext
from marketplace.web.maps import MOST_DRAWN, class_breaks
from marketplace.zones.queries import drawn_outlines

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from marketplace.catalogue.queries import Listing, Picture
    from marketplace.privacy.geography import Geography
    from marketplace.web.maps import Outlines

HOURS: Final = 24
MOST_ROWS: Final = 2_000_000
"""Of a release whose hours are drawn."""


@dataclass(frozen=True, slots=True)
class MapShown:
    """What is drawn beside figures."""

    names: Mapping[str, str] | None
    """What zones are called; None where they are cells that lie near no named place."""
    over: Markup
    area: Outlines | None = None
    """The zones alone, where no map of figures is drawn."""
    hour: int | None = None
    of_hour: Mapping[str, float | None] = field(default_factory=dict)
    """People on average at that hour by zone, None where they are withheld."""
    breaks: Sequence[int] = ()
    """Of classes, the same for all hours of the day."""
    flows: Sequence[Flow] = ()
    middles: Mapping[str, tuple[int, int]] = field(default_factory=dict)


async def draw_map(
    listing: Listing, release: uuid.UUID, picture: Picture, geography: Geography, *, hour: int | None, is_bought: bool
) -> MapShown:
    """Return what a release's map shows; an hour, or flows, only to who bought it."""
    is_between = PRODUCTS[listing.product].is_between_zones
    area = None
    if is_between or not picture.glance.classes:
        area = await drawn_outlines(geography, picture.zones[:MOST_DRAWN])
        area = area if area.paths else None
    frame = (area or picture.outlines).frame
    places = centres({zone: geography.shape(zone) for zone in picture.zones[:MOST_DRAWN]})
    names = await name_zones(listing.zone_table, geography, places, gettext("near {place}"))
    shown: dict[str, Any] = {"names": names, "over": await over(frame), "area": area}
    if is_between:
        if is_bought and frame and places:
            points = frame.place(np.array(list(places.values()))).tolist()
            shown["middles"] = {zone: (x, y) for zone, (x, y) in zip(places, points, strict=True)}
            shown["flows"] = _flows(picture.glance.whole.averages)
        return MapShown(**shown)
    if hour is not None and listing.grain == "hour":
        by_hour, breaks = await _by_hour(release, listing.time_zone)
        of_hour = by_hour[hour] if by_hour else {}
        shown |= {"hour": hour, "of_hour": {zone: of_hour.get(zone) for zone in zones_of(picture)}}
        shown["breaks"] = breaks
    return MapShown(**shown)


def zones_of(picture: Picture) -> Sequence[str]:
    """Return the zones that a map of all figures draws: those of the rough one, or, where none is drawn, as many as fit."""
    return list(picture.glance.classes) or picture.zones[:MOST_DRAWN]


def _flows(averages: Mapping[str, float]) -> list[Flow]:
    return [Flow(origin, end, people) for pair, people in averages.items() for origin, _, end in [pair.partition(TO)]]


async def _by_hour(release: uuid.UUID, time_zone: str) -> tuple[list[dict[str, float]], list[int]]:
    """Return, for each hour of the day, people on average by zone, and classes that suit them all; nothing of huge ones."""
    known = _known().get(release)
    if known is None:
        table = await cells(release)
        known = await asyncio.to_thread(by_hour, table, time_zone) if table.num_rows <= MOST_ROWS else ([], [])
        _known()[release] = known
        if len(_known()) > 16:  # noqa: PLR2004 (some megabytes)
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[uuid.UUID, tuple[list[dict[str, float]], list[int]]]:
    return {}


def by_hour(table: Any, time_zone: str) -> tuple[list[dict[str, float]], list[int]]:  # noqa: ANN401 (pyarrow's table)
    """Return people of published figures by zone at each of the day's 24 hours, on average over the days, and classes.

    table: cells as sold, their people summed over segments. A zone that is withheld at an hour on all days is absent there.
    """
    sums = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    zone = ZoneInfo(time_zone)
    instants = sums["starts_at"].combine_chunks().dictionary_encode()
    hours = np.array([when.as_py().astimezone(zone).hour for when in instants.dictionary], np.int64)
    named = sums["zone"].combine_chunks().dictionary_encode()
    zones = named.dictionary.to_pylist()
    place = named.indices.to_numpy() * HOURS + hours[instants.indices.to_numpy()]
    people = np.bincount(place, sums["people_sum"].to_numpy().astype(float), minlength=len(zones) * HOURS)
    days = np.bincount(place, minlength=len(zones) * HOURS)
    mean = (people / np.maximum(days, 1)).reshape(-1, HOURS)
    is_published = (days > 0).reshape(-1, HOURS)
    found = [
        {zones[at]: float(mean[at, hour]) for at in np.flatnonzero(is_published[:, hour]).tolist()}
        for hour in range(HOURS)
    ]
    return found, class_breaks(mean[is_published].tolist())
