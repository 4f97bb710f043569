"""Columns and constraints of the layers that the operator draws on maps."""

from __future__ import annotations

from piccolo.columns import UUID, Integer, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class MapLayer(Table, db=DB, tablename="map_layer"):
    """Lines, areas or places of one kind, drawn on every map in their area until they are removed."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    kind = Text()
    title = Text()
    """Its name for stewards."""
    document = Text()
    """GeoJSON features, as the package's rules wrote them."""
    shape_count = Integer()
    corner_count = Integer()
    added_by = Text()
    added_at = Timestamptz()
    removed_by = Text(default="")
    removed_at = Timestamptz(null=True, default=None)
    known_kind = Check("kind IN ('water', 'road', 'outline', 'place')")
    has_a_title = Check("length(title) BETWEEN 1 AND 80")
    has_shapes = Check("shape_count > 0 AND corner_count > 0")
    is_removed_by_somebody = Check("(removed_at IS NULL) = (removed_by = '')")
