"""The API of deletion after a recall."""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Any

from litestar import Request, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.deletions import actions
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner

Asked = Request[Actor, Any, Any]


class Confirmed(Struct):
    """When you first confirmed that your copies are deleted."""

    confirmed_at: dt.datetime


@post(
    "/api/v1/orders/{order:uuid}/deletion",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
    status_code=200,
)
async def confirm(request: Asked, order: FromPath[uuid.UUID]) -> Confirmed:
    """Confirm that you deleted all copies of a release that was called back; again changes nothing."""
    return Confirmed(await actions.confirm_deletion(request.user, order))


ROUTES = [confirm]
