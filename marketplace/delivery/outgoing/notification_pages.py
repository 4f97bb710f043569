"""The page of notifications for programs: addresses with their keys, posts, and posting again."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.core.web.buttons import ButtonForm, Pressed
from marketplace.core.web.pages import again, page, see
from marketplace.delivery.outgoing import notification_actions, notification_rules
from marketplace.delivery.outgoing.notification_queries import list_deliveries, list_endpoints
from marketplace.people.identity.guards import VisitorRequest, expect, partner, recently_proved
from marketplace.people.identity.pages import FORM

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


class NewEndpoint(ButtonForm):
    """An address for events."""

    url: str


async def _context(who: Actor | None) -> dict[str, Any]:
    assert who
    assert who.partner
    endpoints = await list_endpoints(who.partner)
    secret = settings().secret
    return {
        "endpoints": endpoints,
        "keys": {
            row.id: notification_rules.written_key(notification_rules.key_of(secret, row.id))
            for row in endpoints
            if not row.disabled_at
        },
        "deliveries": await list_deliveries(who.partner),
        "types": [notification_rules.PAID_TYPE, *dict.fromkeys(notification_rules.TYPES.values())],
    }


@get("/notifications", guards=[partner, recently_proved], opt=expect("partner"))
async def notifications_page(request: VisitorRequest) -> Template:
    """Show a partner the addresses of its programs, and their events."""
    return page("outgoing/notifications.html", error="", form=None, **await _context(request.user))


@post("/notifications", guards=[partner, recently_proved], opt=expect("partner"))
async def add_endpoint(
    request: VisitorRequest, data: Annotated[NewEndpoint, Body(media_type=FORM)]
) -> Redirect | Template:
    """Add an address."""
    assert request.user
    try:
        await notification_actions.add_endpoint(request.user, data.url, endpoint_id=data.form_id)
    except Refusal as refusal:
        return again("outgoing/notifications.html", refusal, form=data, **await _context(request.user))
    return see("/notifications")


@post("/notifications/{endpoint:uuid}/remove", guards=[partner], opt=expect("partner", stranger=404))
async def remove_endpoint(request: VisitorRequest, endpoint: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Post nothing more to an address."""
    del data
    assert request.user
    await notification_actions.remove_endpoint(request.user, endpoint)
    return see("/notifications")


@post("/notifications/deliveries/{delivery:int}/replay", guards=[partner], opt=expect("partner", stranger=404))
async def replay(request: VisitorRequest, delivery: FromPath[int], data: Pressed) -> Redirect:
    """Post an event once more."""
    del data
    assert request.user
    assert request.user.partner
    await notification_actions.replay(request.user.partner, delivery)
    return see("/notifications")


ROUTES = [notifications_page, add_endpoint, remove_endpoint, replay]
