"""A dataset's map: of a simulated week for strangers, of a release's figures for those who bought it."""

from __future__ import annotations

import asyncio
import functools
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from markupsafe import Markup

from marketplace.core.web.area_maps import Flow
from marketplace.core.web.i18n import gettext
from marketplace.core.web.maps import MAP_WIDTH, MOST_DRAWN, Outlines, busiest, class_breaks
from marketplace.datasets.geography.layer_queries import name_zones, over
from marketplace.datasets.geography.layer_wording import write_where
from marketplace.datasets.geography.queries import drawn_outlines, get_geography
from marketplace.datasets.releases.figures import figures_of
from marketplace.datasets.releases.queries import cells
from marketplace.privacy.geography import centres
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.specification import TO

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.catalogue.offers.queries import Listing
    from marketplace.catalogue.sheets.simulated import SimulatedWeek

Averages = tuple[list[dict[str, float]], dict[str, float], list[int]]
"""Average people by zone at each hour of the day, over all times, and the lower bounds of classes."""
HOURS: Final = 24
FOOT: Final = 40
"""How far the mark of a simulated map stays above its lower edge."""
MOST_ROWS: Final = 2_000_000
"""Most rows of a release whose hours are drawn."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a release to draw: of an hour of the day, of an age band, of some zones only."""

    hour: int | None = None
    band: str = ""
    zones: frozenset[str] | None = None
    """None: all of them."""


@dataclass(frozen=True, slots=True)
class MapShown:
    """A map of figures, or of flows between zones."""

    names: Mapping[str, str] | None
    """Names of zones; None for cells without a named place nearby."""
    over: Markup
    area: Outlines
    """The zones that are drawn."""
    figures: Mapping[str, float | None]
    """The selected average people by zone, None if withheld; of flows none."""
    asked: Figures = field(default_factory=Figures)
    breaks: Sequence[int] = ()
    """Lower bounds of classes, the same for all hours of the day; empty: they follow from the figures."""
    flows: Sequence[Flow] = ()
    middles: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def bands_of(listing: Listing) -> list[str]:
    """Return the age bands for a dataset's figures; empty if it counts by other segments, or has one band."""
    is_banded = not PRODUCTS[listing.product].segments and len(listing.age_bands) > 1
    return listing.age_bands if is_banded else []


async def draw_simulated(listing: Listing, week: SimulatedWeek) -> MapShown:
    """Return the map of a dataset's simulated week, marked across the picture."""
    if PRODUCTS[listing.product].is_between_zones:
        drawn = await _drawn(listing, week.zones[:MOST_DRAWN], week.figures.averages, {})
    else:
        shown = busiest(week.figures.averages)
        drawn = await _drawn(listing, list(shown), {}, shown)
    return replace(drawn, over=drawn.over + marked(drawn.area.height))


async def draw_bought(listing: Listing, release: uuid.UUID, zones: Sequence[str], asked: Figures) -> MapShown:
    """Return the map of a release's figures, for a partner who bought it. zones: the dataset's."""
    averages = (await figures_of(release, zones)).averages
    if PRODUCTS[listing.product].is_between_zones:
        return await _drawn(listing, zones[:MOST_DRAWN], averages, {})
    band = asked.band if asked.band in bands_of(listing) else ""
    asked = replace(asked, hour=asked.hour if listing.grain == "hour" else None, band=band)
    some = list(busiest({zone: averages.get(zone) for zone in zones}))
    breaks: Sequence[int] = ()
    if asked.hour is not None or asked.band:
        hours, whole, breaks = await _by_hour(release, listing.time_zone, asked.band)
        averages = whole if asked.hour is None else hours[asked.hour] if hours else {}
    figures = {zone: averages.get(zone) for zone in some if asked.zones is None or zone in asked.zones}
    drawn = await _drawn(listing, some, {}, figures)
    return replace(drawn, asked=asked, breaks=breaks if asked.hour is not None else ())


async def _drawn(
    listing: Listing, zones: Sequence[str], flows: Mapping[str, float], figures: Mapping[str, float | None]
) -> MapShown:
    geography = await get_geography(listing.zone_table)
    area = await drawn_outlines(geography, tuple(sorted(zones)))
    places = centres({zone: geography.shape(zone) for zone in sorted(zones)})
    names = await name_zones(listing.zone_table, geography, places, write_where)
    middles: dict[str, tuple[int, int]] = {}
    if flows and area.frame and places:
        points = area.frame.place(np.array(list(places.values()))).tolist()
        middles = {zone: (x, y) for zone, (x, y) in zip(places, points, strict=True)}
    return MapShown(names, await over(area.frame), area, figures, flows=_flows(flows), middles=middles)


def marked(height: int) -> Markup:
    """Return a word at the foot of a map of this height: a copy of the picture says that it is simulated."""
    return Markup('<text class="simulated" x="{}" y="{}">{}</text>').format(
        MAP_WIDTH // 2, height - FOOT, gettext("Simulated")
    )


def classes_of(averages: Mapping[str, float | None]) -> tuple[dict[str, int], int]:
    """Return each zone's class for a map without words, from 0 up, and the number of classes."""
    shown = {zone: people for zone, people in busiest(averages).items() if people is not None}
    bounds = class_breaks(shown.values())
    return {zone: max(bisect_right(bounds, people) - 1, 0) for zone, people in shown.items()}, max(len(bounds), 1)


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
