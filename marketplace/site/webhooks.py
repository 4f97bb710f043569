"""Stripe's webhooks: each is verified, stored unchanged and answered at once; a job processes it."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, post
from litestar.status_codes import HTTP_200_OK

from marketplace.core.errors import Invalid, Refusal
from marketplace.money.payments.events import receive_event
from marketplace.money.payments.rules import WEBHOOK_PATH
from marketplace.people.identity.guards import expect

log = structlog.get_logger(__name__)


@post(WEBHOOK_PATH, opt=expect("Stripe"), status_code=HTTP_200_OK, include_in_schema=False)
async def stripe_webhook(request: Request[Any, Any, Any]) -> dict[str, bool]:
    """Receive one event; anything that Stripe did not sign is malformed (400)."""
    try:
        await receive_event(await request.body(), request.headers.get("stripe-signature"))
    except Invalid as refusal:
        log.warning("a webhook is refused", why=str(refusal))
        raise Refusal(refusal.sentence, **refusal.fields) from None
    return {"received": True}


ROUTES = [stripe_webhook]
