"""A look at one's own zones before a price is asked for, for machines."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, post
from litestar.params import HeaderParameter, JSONBody
from msgspec import Struct

from marketplace.catalogue.chosen_zones.previews import Preview, preview_zones
from marketplace.people.identity.guards import expect, vetted_partner


class PreviewRequest(Struct, forbid_unknown_fields=True):
    """A partner's own zones: a list of zones or GeoJSON, as text."""

    release: uuid.UUID
    zones: str


@post("/api/v1/previews", guards=[vetted_partner], opt=expect("vetted partner", scope="quotes"), status_code=200)
async def preview(
    request: Request[Any, Any, Any],
    data: JSONBody[PreviewRequest],
    key: Annotated[uuid.UUID, HeaderParameter(name="Idempotency-Key")],
) -> Preview:
    """Return how much of a release survives in the partner's own zones, rounded, before it pays."""
    return await preview_zones(request.scope["user"].partner, data.release, data.zones, preview_id=key)


ROUTES = [preview]
