"""Actions: check a density request, and answer it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from marketplace.core import clock, object_store
from marketplace.delivery.downloads.actions import get_given, sealed_key_of
from marketplace.delivery.downloads.queries import get_entitlement
from marketplace.delivery.population_density import grid, rules
from marketplace.delivery.population_density.estimates import Exactness, Figures, estimate
from marketplace.delivery.population_density.queries import Source, list_open
from marketplace.delivery.population_density.rules import (
    Cell,
    Density,
    DensityError,
    DensityRequest,
    NoData,
    TimedCells,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.delivery.downloads.formats.file_format import FileInput

    Found = dict[tuple[dt.datetime, str], Cell]

SUPPORTED: Final = "SUPPORTED_AREA"
PARTLY: Final = "PART_OF_AREA_NOT_SUPPORTED"
OUTSIDE: Final = "AREA_NOT_SUPPORTED"


class CheckedRequest(msgspec.Struct, frozen=True):
    """A checked request: its cells and hours, and the partner's sources for them."""

    cells: list[str]
    hours: list[dt.datetime]
    sources: list[Source]


async def check(partner: uuid.UUID, asked: DensityRequest) -> CheckedRequest:
    """Return a checked request; refuses as the official document says.

    A partner without hourly presence may request nothing, and nobody may request hours before their first release.
    """
    now = clock.now()
    rules.check_sink(asked)
    hours, cells = rules.hours_of(asked, now), rules.cells_of(asked)
    rules.check_size(asked, len(cells), len(hours))
    sources = [each for each in await list_open(partner, now) if _has_whole_hours(each)]
    if not sources:
        raise DensityError("PERMISSION_DENIED")
    if hours[-1] + rules.HOUR <= min(each.period_from for each in sources):
        raise DensityError("MIN_STARTTIME_EXCEEDED")
    last = hours[-1] + rules.HOUR
    return CheckedRequest(
        cells, hours, [each for each in sources if each.period_from < last and each.period_to > hours[0]]
    )


def _has_whole_hours(source: Source) -> bool:
    """Return whether a source's hours are those of UTC, as the answer's are."""
    offset = source.period_from.astimezone(ZoneInfo(source.time_zone)).utcoffset()
    return offset is not None and not offset % rules.HOUR


async def answer(partner: uuid.UUID, asked: CheckedRequest) -> Density:
    """Return each hour's cells, each with the most precise figures that the partner has."""
    found: Found = {}
    for source in asked.sources:
        row = await get_entitlement(partner, source.id)
        given = await get_given(row, sealed_key_of(row))
        hours = [hour for hour in asked.hours if source.period_from <= hour < source.period_to]
        await asyncio.to_thread(_add, found, given, asked.cells, hours)
    timed = [
        TimedCells(hour, hour + rules.HOUR, [found.get((hour, name), NoData(name)) for name in asked.cells])
        for hour in asked.hours
    ]
    if not found:
        return Density([], OUTSIDE)
    return Density(timed, SUPPORTED if len(found) == len(asked.hours) * len(asked.cells) else PARTLY)


def _add(found: Found, given: FileInput, cells: Sequence[str], hours: Sequence[dt.datetime]) -> None:
    """Add a release's figures for cells that have no figures yet."""
    specification = given.specification
    zones = grid.zones_of(specification.geography, specification.zones)
    boxes = {name: grid.box_of(name) for name in cells}
    touched = {name: touches for name, box in boxes.items() if (touches := zones.touching(box))}
    if not touched or not hours:
        return
    figures = _figures(given, hours)
    exactness = Exactness(given.error_people, given.threshold, len(specification.segments))
    for hour in hours:
        of_hour = figures.get(hour, {})
        for name, touches in touched.items():
            if (hour, name) not in found:
                found[hour, name] = estimate(name, boxes[name], touches, of_hour, exactness)


def _figures(given: FileInput, hours: Sequence[dt.datetime]) -> dict[dt.datetime, dict[int, Figures]]:
    """Return the published figures of some hours, by hour and by a zone's position among the release's."""
    import pyarrow as pa  # noqa: PLC0415 (start-up time)
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    instants = pa.scalar(hours[0], pa.timestamp("us", "UTC")), pa.scalar(hours[-1], pa.timestamp("us", "UTC"))
    within = (pc.field("starts_at") >= instants[0]) & (pc.field("starts_at") <= instants[1])
    file = pa.PythonFile(object_store.ObjectFile(given.cells_key), mode="r")
    cells = pq.read_table(file, columns=["zone", "starts_at", "people"], filters=within)
    least = pc.max_element_wise(pc.subtract(cells["people"], given.error_people), 0)
    added = cells.append_column("least", least).group_by(["zone", "starts_at"])
    places = {zone: place for place, zone in enumerate(given.specification.zones)}
    found: dict[dt.datetime, dict[int, Figures]] = {}
    for row in added.aggregate([("people", "sum"), ("people", "count"), ("least", "sum")]).to_pylist():
        if (place := places.get(row["zone"])) is not None:  # sums over parents have no position
            of_hour = found.setdefault(row["starts_at"].astimezone(dt.UTC), {})
            of_hour[place] = Figures(row["people_count"], row["people_sum"], row["least_sum"])
    return found
