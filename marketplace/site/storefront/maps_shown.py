"""The parts of a dataset's map besides its figures: layers, names, one hour, one age band, flows as arrows."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from marketplace.core.web.area_maps import Flow
from marketplace.core.web.maps import MOST_DRAWN, class_breaks
from marketplace.datasets.geography.layer_queries import name_zones, over
from marketplace.datasets.geography.layer_wording import write_where
from marketplace.datasets.geography.queries import drawn_outlines
from marketplace.datasets.pictures.pictures import numbers
from marketplace.datasets.releases.queries import cells
from marketplace.privacy.free_preview import centres, rough
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.specification import TO

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from marketplace.catalogue.offers.queries import Listing
    from marketplace.core.web.maps import Outlines
    from marketplace.datasets.pictures.pictures import Picture
    from marketplace.privacy.geography import Geography

Averages = tuple[list[dict[str, float]], dict[str, float], list[int]]
"""Average people by zone at each hour of the day, over all times, and the lower bounds of classes."""
HOURS: Final = 24
MOST_ROWS: Final = 2_000_000
"""Most rows of a release whose hours are drawn."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a release to draw: of an hour of the day, of an age band, of some zones only."""

    hour: int | None = None
    band: str = ""
    zones: frozenset[str] | None = None
    """None: all of them."""
    is_rough: bool = False
    """For a vetted partner who did not buy: only shades, by hour or by age band, not by both."""


@dataclass(frozen=True, slots=True)
class MapShown:
    """The parts of a map besides figures."""

    names: Mapping[str, str] | None
    """Names of zones; None for cells without a named place nearby."""
    over: Markup
    area: Outlines | None = None
    """The zones alone, without a map of figures."""
    asked: Figures = field(default_factory=Figures)
    figures: Mapping[str, float | None] | None = None
    """The selected average people by zone, None if withheld; without a selection, of all of them."""
    breaks: Sequence[int] = ()
    """Lower bounds of classes, the same for all hours of the day."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """The selected rough shades."""
    flows: Sequence[Flow] = ()
    middles: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def bands_of(listing: Listing) -> list[str]:
    """Return the age bands for a dataset's figures; empty if it counts by other segments, or has one band."""
    is_banded = not PRODUCTS[listing.product].segments and len(listing.age_bands) > 1
    return listing.age_bands if is_banded else []


async def draw_map(
    listing: Listing, release: uuid.UUID, picture: Picture, geography: Geography, *, asked: Figures | None
) -> MapShown:
    """Return a release's map; asked: None for a visitor who sees only the public rough map."""
    is_between = PRODUCTS[listing.product].is_between_zones
    area = None
    if is_between or not picture.glance.classes:
        area = await drawn_outlines(geography, picture.zones[:MOST_DRAWN])
        area = area if area.paths else None
    frame = (area or picture.outlines).frame
    places = centres({zone: geography.shape(zone) for zone in picture.zones[:MOST_DRAWN]})
    names = await name_zones(listing.zone_table, geography, places, write_where)
    shown: dict[str, Any] = {"names": names, "over": await over(frame), "area": area}
    if is_between:
        if asked and frame and places:
            points = frame.place(np.array(list(places.values()))).tolist()
            shown["middles"] = {zone: (x, y) for zone, (x, y) in zip(places, points, strict=True)}
            shown["flows"] = _flows((await numbers(release, picture)).averages)
        return MapShown(**shown)
    if asked:
        band = asked.band if asked.band in bands_of(listing) else ""
        hour = asked.hour if listing.grain == "hour" and not (band and asked.is_rough) else None
        asked = replace(asked, hour=hour, band=band)
        shown["asked"] = asked
        if asked.is_rough:
            shown |= await _roughly(listing.time_zone, picture, asked)
        else:
            shown |= await _asked(release, listing.time_zone, picture, asked)
    return MapShown(**shown)


async def _asked(release: uuid.UUID, time_zone: str, picture: Picture, asked: Figures) -> dict[str, Any]:
    """Return the selected figures and their classes; empty if all are selected."""
    zones = [zone for zone in zones_of(picture) if asked.zones is None or zone in asked.zones]
    if asked.hour is None and not asked.band:
        averages = (await numbers(release, picture)).averages
        return {} if asked.zones is None else {"figures": {zone: averages.get(zone) for zone in zones}}
    by_hour, whole, breaks = await _by_hour(release, time_zone, asked.band)
    found = whole if asked.hour is None else by_hour[asked.hour] if by_hour else {}
    return {"figures": {zone: found.get(zone) for zone in zones}, "breaks": breaks if asked.hour is not None else ()}


async def _roughly(time_zone: str, picture: Picture, asked: Figures) -> dict[str, Any]:
    """Return the selected shades: of the public map, or rough ones of an hour or an age band.

    They are of the public map's release, for every release on the page.
    """
    classes = picture.glance.classes
    if asked.hour is not None or asked.band:
        by_hour, whole, _ = await _by_hour(picture.drawn.id, time_zone, asked.band)
        found = whole if asked.hour is None else by_hour[asked.hour] if by_hour else {}
        classes = rough(found, picture.glance.moved) if found else classes
    return {"classes": {zone: one for zone, one in classes.items() if asked.zones is None or zone in asked.zones}}


def zones_of(picture: Picture) -> Sequence[str]:
    """Return the zones of a map of all figures: those of the rough map or, without one, as many as fit."""
    return list(picture.glance.classes) or picture.zones[:MOST_DRAWN]


def _flows(averages: Mapping[str, float]) -> list[Flow]:
    return [Flow(origin, end, people) for pair, people in averages.items() for origin, _, end in [pair.partition(TO)]]


async def _by_hour(release: uuid.UUID, time_zone: str, band: str) -> Averages:
    """Return `by_hour` of a release, or of one age band of it; empty for a huge one."""
    known = _known().get((release, band))
    if known is None:
        table = await cells(release)
        small = table.num_rows <= MOST_ROWS
        known = await asyncio.to_thread(by_hour, table, time_zone, band) if small else ([], {}, [])
        _known()[release, band] = known
        if len(_known()) > 16:  # noqa: PLR2004 (some megabytes)
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[tuple[uuid.UUID, str], Averages]:
    return {}


def by_hour(table: Any, time_zone: str, band: str = "") -> Averages:  # noqa: ANN401 (pyarrow's table)
    """Return people of published figures by zone at each hour of the day, averaged over days; over all; classes.

    table: sold cells, their people summed over segments, or of the segment `band` alone. A zone that is withheld at an
    hour on all days is absent there. The classes fit all hours.
    """
    if band:
        import pyarrow.compute as pc  # noqa: PLC0415

        table = table.filter(pc.field("segment") == band)
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
    times = days.reshape(-1, HOURS).sum(axis=1)
    whole = people.reshape(-1, HOURS).sum(axis=1) / np.maximum(times, 1)
    named_whole = {zones[at]: float(whole[at]) for at in np.flatnonzero(times).tolist()}
    return found, named_whole, class_breaks(mean[is_published].tolist())
