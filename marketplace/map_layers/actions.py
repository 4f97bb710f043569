"""Adding a layer to maps, and removing it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.database import transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.locks import lock
from marketplace.map_layers.queries import list_layers
from marketplace.map_layers.rules import LARGEST_LAYER_BYTES, LONGEST_TITLE, MOST_LAYERS, read_layer
from marketplace.map_layers.tables import MapLayer

if TYPE_CHECKING:
    import uuid

    from marketplace.identity.actors import Actor


async def add_layer(who: Actor, layer: uuid.UUID, *, kind: str, title: str, text: str) -> None:
    """Draw GeoJSON features over every map that they lie on; the same `layer` again changes nothing.

    kind: water, road, outline or place. Refuses what is malformed or too large, and a layer too many.
    """
    title = " ".join(title.split())
    if not 0 < len(title) <= LONGEST_TITLE or not title.isprintable():
        raise Invalid("Give the layer a name of at most {most} signs.", most=LONGEST_TITLE, field="title")
    if len(text.encode()) > LARGEST_LAYER_BYTES:
        raise Invalid("That layer is too large; simplify its lines first.", field="file")
    document, shapes, corners = await asyncio.to_thread(read_layer, kind, text)
    async with transaction():
        await lock("map layers")
        if await MapLayer.exists().where(MapLayer.id == layer):
            return
        if len(await list_layers()) >= MOST_LAYERS:
            raise Conflict("Maps have {most} layers at most; remove one first.", most=MOST_LAYERS)
        await MapLayer.insert(
            MapLayer(
                id=layer,
                kind=kind,
                title=title,
                document=document,
                shape_count=shapes,
                corner_count=corners,
                added_by=who.name,
                added_at=clock.now(),
            )
        )
        await note_action(who, "map_layer_added", str(layer), after={"kind": kind, "title": title})


async def remove_layer(who: Actor, layer: uuid.UUID) -> None:
    """Draw a layer no more; removed already, nothing changes. Refuses one that there never was."""
    if not await MapLayer.exists().where(MapLayer.id == layer):
        raise NotFound("There is no such layer.")
    async with transaction():
        is_in_force = (MapLayer.id == layer) & MapLayer.removed_at.is_null()
        ended: dict[Any, Any] = {MapLayer.removed_at: clock.now(), MapLayer.removed_by: who.name}
        if await MapLayer.update(ended).where(is_in_force).returning(MapLayer.id):
            await note_action(who, "map_layer_removed", str(layer))
