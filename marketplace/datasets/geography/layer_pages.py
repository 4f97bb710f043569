"""The steward's page of map layers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, page, see
from marketplace.datasets.geography import layer_actions
from marketplace.datasets.geography.layer_queries import list_layers
from marketplace.datasets.geography.layer_rules import LARGEST_LAYER_BYTES
from marketplace.people.identity.guards import ActorRequest, expect, staff

if TYPE_CHECKING:
    from collections.abc import Mapping

reader, steward = staff("steward", "auditor"), staff("steward")


@get("/steward/map-layers", guards=[reader], opt=expect("steward", "auditor"))
async def show_layers() -> Template:
    """Show the layers of maps, and let a steward add one."""
    return page("geography/layers.html", layers=await list_layers(), kind="water", title="", error="")


@post(
    "/steward/map-layers", guards=[steward], opt=expect("steward"), request_max_body_size=LARGEST_LAYER_BYTES + 10_000
)
async def add(request: ActorRequest) -> Redirect | Template:
    """Draw a file's features on maps."""
    form: Mapping[str, Any] = {}
    try:
        try:
            form = await request.form()
        except (ClientException, ValueError):
            raise Invalid("The file could not be read; send it again.") from None
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise Invalid("Choose a file of GeoJSON first.", field="file")
        try:
            text = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Invalid("The file is not text in UTF-8.", field="file") from None
        finally:
            await file.close()
        try:
            layer = uuid.UUID(str(form.get("form_id", "")))
        except ValueError:
            raise Invalid("This form is incomplete; reload the page and try again.") from None
        await layer_actions.add_layer(
            request.user, layer, kind=str(form.get("kind", "")), title=str(form.get("title", "")), text=text
        )
    except Refusal as refusal:
        shown = {"kind": str(form.get("kind", "water")), "title": str(form.get("title", ""))}
        return again("geography/layers.html", refusal, layers=await list_layers(), **shown)
    return see("/steward/map-layers")


@post("/steward/map-layers/{layer:uuid}/removal", guards=[steward], opt=expect("steward", stranger=200))
async def remove(
    request: ActorRequest,
    layer: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Remove a layer from maps."""
    del data
    await layer_actions.remove_layer(request.user, layer)
    return see("/steward/map-layers")


ROUTES = [show_layers, add, remove]
