"""Notifications for programs, as a page: addresses with their keys, what was posted, and posting it again."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.errors import Refusal
from marketplace.identity.guards import expect, partner, recently_proved
from marketplace.identity.pages import FORM, Asked, Token
from marketplace.notifications import actions, rules
from marketplace.notifications.queries import list_deliveries, list_endpoints
from marketplace.settings import settings
from marketplace.web.pages import again, page, see

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor


class NewEndpoint(Token):
    """An address that facts are posted to."""

    url: str


async def _context(who: Actor | None) -> dict[str, Any]:
    assert who
    assert who.partner
    endpoints = await list_endpoints(who.partner)
    secret = settings().secret
    return {
        "endpoints": endpoints,
        "keys": {row.id: rules.written_key(rules.key_of(secret, row.id)) for row in endpoints if not row.disabled_at},
        "deliveries": await list_deliveries(who.partner),
        "types": [rules.PAID_TYPE, *dict.fromkeys(rules.TYPES.values())],
    }


@get("/notifications", guards=[partner, recently_proved], opt=expect("partner"))
async def notifications_page(request: Asked) -> Template:
    """Show a partner where its programs are notified, and of what."""
    return page("notifications/notifications.html", error="", form=None, **await _context(request.user))


@post("/notifications", guards=[partner, recently_proved], opt=expect("partner"))
async def add_endpoint(request: Asked, data: Annotated[NewEndpoint, Body(media_type=FORM)]) -> Redirect | Template:
    """Add an address."""
    assert request.user
    try:
        await actions.add_endpoint(request.user, data.url, endpoint_id=data.form_id)
    except Refusal as refusal:
        return again("notifications/notifications.html", refusal, form=data, **await _context(request.user))
    return see("/notifications")


@post("/notifications/{endpoint:uuid}/remove", guards=[partner], opt=expect("partner", stranger=404))
async def remove_endpoint(
    request: Asked, endpoint: FromPath[uuid.UUID], data: Annotated[Token, Body(media_type=FORM)]
) -> Redirect:
    """Post nothing more to an address."""
    del data
    assert request.user
    await actions.remove_endpoint(request.user, endpoint)
    return see("/notifications")


@post("/notifications/deliveries/{delivery:int}/replay", guards=[partner], opt=expect("partner", stranger=404))
async def replay(request: Asked, delivery: FromPath[int], data: Annotated[Token, Body(media_type=FORM)]) -> Redirect:
    """Post an event once more."""
    del data
    assert request.user
    assert request.user.partner
    await actions.replay(request.user.partner, delivery)
    return see("/notifications")


ROUTES = [notifications_page, add_endpoint, remove_endpoint, replay]
