"""Adding a layer to maps, and removing it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.datasets.geography.layer_queries import list_layers
from marketplace.datasets.geography.layer_rules import LARGEST_LAYER_BYTES, LONGEST_TITLE, MOST_LAYERS, read_layer
from marketplace.datasets.geography.layer_tables import MapLayer
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor


async def add_layer(who: Actor, layer: uuid.UUID, *, kind: str, title: str, text: str) -> None:
    """Draw GeoJSON features over every map in their area; the same `layer` again changes nothing.

    kind: water, road, outline or place. Refuses a malformed or too large document, and a layer too many.
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
    """Remove a layer from maps; if it is already removed, nothing changes. Refuses one that never existed."""
    if not await MapLayer.exists().where(MapLayer.id == layer):
        raise NotFound("There is no such layer.")
    async with transaction():
        is_in_force = (MapLayer.id == layer) & MapLayer.removed_at.is_null()
        ended: dict[Any, Any] = {MapLayer.removed_at: clock.now(), MapLayer.removed_by: who.name}
        if await MapLayer.update(ended).where(is_in_force).returning(MapLayer.id):
            await note_action(who, "map_layer_removed", str(layer))
