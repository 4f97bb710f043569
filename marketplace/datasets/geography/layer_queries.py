"""The layers in force: what they name, and their drawing over a map."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import uuid
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup
from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar, select
from marketplace.core.web.maps import MOST_TITLED_HEXES
from marketplace.datasets.geography.layer_drawing import draw
from marketplace.datasets.geography.layer_rules import MOST_LAYERS, Shape, folded, shapes_of
from marketplace.datasets.geography.layer_tables import MapLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketplace.core.web.maps import Frame
    from marketplace.privacy.geography import Geography

EARTH_METRES: Final = 111_320
"""Metres in a degree of latitude."""
MOST_KNOWN: Final = 4 * MOST_LAYERS


class LayerRow(Struct, frozen=True):
    """A layer in the stewards' list."""

    id: uuid.UUID
    kind: str
    title: str
    shape_count: int
    corner_count: int
    added_by: str
    added_at: dt.datetime


class Layer(Struct, frozen=True):
    """A layer with its shapes."""

    id: uuid.UUID
    kind: str
    shapes: tuple[Shape, ...]


class Near(Struct, frozen=True):
    """The position of a zone's centre relative to a place, in metres."""

    place: str
    east: float
    north: float


async def list_layers() -> list[LayerRow]:
    """Return the layers in force, the earliest first."""
    in_force = select(LayerRow, MapLayer).where(MapLayer.removed_at.is_null())
    return await fetch_rows(LayerRow, in_force.order_by(MapLayer.added_at, MapLayer.id))


async def read_layers() -> tuple[Layer, ...]:
    """Return the layers in force with their shapes, read once a process."""
    return tuple([Layer(row.id, row.kind, await _shapes(row.id)) for row in await list_layers()])


async def _shapes(layer: uuid.UUID) -> tuple[Shape, ...]:
    known = _known().get(layer)
    if known is None:
        document = await fetch_scalar(str, MapLayer.select(MapLayer.document).where(MapLayer.id == layer))
        assert document is not None, "layers are never deleted"
        known = await asyncio.to_thread(shapes_of, document)
        _known()[layer] = known
        if len(_known()) > MOST_KNOWN:
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[uuid.UUID, tuple[Shape, ...]]:
    return {}


async def over(frame: Frame | None) -> Markup:
    """Return the drawing of the layers in force over a map of this frame; empty without a map."""
    if frame is None:
        return Markup()
    layers = await read_layers()
    key = tuple(layer.id for layer in layers), frame
    drawn = _drawn().get(key)
    if drawn is None:
        drawn = await asyncio.to_thread(draw, [(layer.kind, layer.shapes) for layer in layers], frame)
        _drawn()[key] = drawn
        if len(_drawn()) > 200:  # noqa: PLR2004 (a drawing a map)
            _drawn().pop(next(iter(_drawn())))
    return drawn


@functools.cache
def _drawn() -> dict[tuple[tuple[uuid.UUID, ...], Frame], Markup]:
    return {}


async def name_zones(
    table: str | None,
    geography: Geography,
    places: Mapping[str, tuple[float, float]],
    write: Callable[[Mapping[str, Near]], dict[str, str]],
) -> dict[str, str] | None:
    """Return the names of zones: from the operator's table or, for H3's cells, their position from the nearest place.

    places: centres, longitude and latitude. write: the page's wording of positions, a different one for each zone.
    """
    if table:
        return {zone: geography.name(zone) for zone in places}
    if len(places) > MOST_TITLED_HEXES:
        return None
    return write(near(await read_layers(), places)) or None


def near(layers: Sequence[Layer], centres: Mapping[str, tuple[float, float]]) -> dict[str, Near]:
    """Return the position of each zone's centre (longitude, latitude) from the nearest place; empty without places."""
    places = [(shape.name, shape.parts[0][0]) for one in layers if one.kind == "place" for shape in one.shapes]
    if not places or not centres:
        return {}
    where, points = np.array(list(centres.values())), np.array([place for _, place in places])
    shrink = np.cos(np.radians(where[:, 1].mean()))
    offsets = (where[:, None] - points[None]) * [shrink, 1.0] * EARTH_METRES
    nearest = (offsets**2).sum(axis=-1).argmin(axis=1)
    return {
        zone: Near(places[at][0], float(east), float(north))
        for zone, at, (east, north) in zip(
            centres, nearest.tolist(), offsets[range(len(where)), nearest].tolist(), strict=True
        )
    }


def named_areas(layers: Sequence[Layer]) -> dict[str, list[Shape]]:
    """Return the areas of names and postcodes, such as communes and districts, by the folded name."""
    found: dict[str, list[Shape]] = {}
    for layer in layers:
        for shape in layer.shapes if layer.kind == "outline" else ():
            for word in {folded(word) for word in (shape.name, *shape.postcodes) if word and shape.is_area}:
                found.setdefault(word, []).append(shape)
    return found
