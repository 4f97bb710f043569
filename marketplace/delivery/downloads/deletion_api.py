"""The API of deletion after a recall."""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)

from litestar import post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.web.pages import LotNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.delivery.downloads import deletion_actions
from marketplace.people.identity.guards import ActorRequest, expect, partner


class DeletionConfirmation(Struct):
    """When you first confirmed that your copies are deleted."""

    confirmed_at: dt.datetime


@post(
    "/api/v1/orders/{order:uuid}/deletion",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["purchases"],
    status_code=200,
)
async def confirm(request: ActorRequest, order: FromPath[uuid.UUID], lot: LotNumber = 1) -> DeletionConfirmation:
    """Confirm that you deleted all copies of a release that was called back; again changes nothing."""
    return DeletionConfirmation(await deletion_actions.confirm_deletion(request.user, order, lot))


ROUTES = [confirm]
