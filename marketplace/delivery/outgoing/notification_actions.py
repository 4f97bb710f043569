"""Actions on notifications: add and remove addresses, write events, post those that are due, replay."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct
from piccolo.query.functions import Max

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.delivery.message_kinds import WEBHOOK_DISABLED
from marketplace.delivery.outgoing import notification_rules
from marketplace.delivery.outgoing.notification_queries import SQL, list_endpoints
from marketplace.delivery.outgoing.notification_tables import PartnerEvent, WebhookDelivery, WebhookEndpoint
from marketplace.delivery.outgoing.partner_hosts import post
from marketplace.delivery.outgoing.rules import GONE, check_url, outcome_of
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

RECENT = dt.timedelta(days=7)
"""Older facts are not posted, so a site that was down for longer does not post old news."""
BATCH_SIZE = 20
"""Posts at a time."""


class DueDelivery(Struct, frozen=True):
    """A delivery to try now."""

    id: int
    endpoint: uuid.UUID
    partner: uuid.UUID
    url: str
    attempts: int
    event: int
    type: str
    at: dt.datetime
    data: str


async def add_endpoint(who: Actor, url: str, *, endpoint_id: uuid.UUID) -> None:
    """Add an address for all events from now on, beginning with a test; the same form again adds no other."""
    assert who.partner
    url, now = check_url(url, settings().webhook_networks), clock.now()
    async with transaction():
        await lock(f"webhooks of {who.partner}")
        if sum(not row.disabled_at for row in await list_endpoints(who.partner)) >= notification_rules.MOST_ENDPOINTS:
            raise Conflict(
                "At most {most} addresses are open at once: remove one first.", most=notification_rules.MOST_ENDPOINTS
            )
        last = await fetch_scalar(int, PartnerEvent.select(Max(PartnerEvent.id))) or 0
        new = WebhookEndpoint(
            id=endpoint_id, partner=who.partner, owner=who.person, url=url, created_at=now, after=last
        )
        if await WebhookEndpoint.insert(new).on_conflict(action="DO NOTHING").returning(WebhookEndpoint.id):
            test = PartnerEvent(
                partner=who.partner,
                kind=notification_rules.TEST,
                source=str(endpoint_id),
                data=json.dumps({"endpoint": str(endpoint_id)}),
                at=now,
            )
            await PartnerEvent.insert(test)
            await note_access(who, "webhook_added", endpoint_id, partner=who.partner)


async def remove_endpoint(who: Actor, endpoint: uuid.UUID) -> None:
    """Post nothing more to an address of this partner; repeating it changes nothing."""
    mine = (WebhookEndpoint.id == endpoint) & (WebhookEndpoint.partner == who.partner)
    if not await WebhookEndpoint.exists().where(mine):
        raise NotFound("There is no such address.")
    if await _disable(endpoint, "removed"):
        await note_access(who, "webhook_removed", endpoint, partner=who.partner)


async def _disable(endpoint: uuid.UUID, why: str) -> bool:
    disabled: Values = {WebhookEndpoint.disabled_at: clock.now(), WebhookEndpoint.disabled_because: why}
    is_open = (WebhookEndpoint.id == endpoint) & WebhookEndpoint.disabled_at.is_null()
    return bool(await WebhookEndpoint.update(disabled).where(is_open).returning(WebhookEndpoint.id))


async def replay(partner: uuid.UUID, delivery: int) -> None:
    """Post an event again as if for the first time."""
    if not await fetch_scalar(int, SQL["replay"], partner, delivery, clock.now()):
        raise NotFound("There is no such delivery.")


async def notify_programs() -> int:
    """Write the events that concern partners and post those that are due; a job. Return how many posts were made."""
    now = clock.now()
    async with transaction():
        await lock("partner events")  # so that a reader who saw a number has seen all lower ones
        kinds, types = list(notification_rules.TYPES), list(notification_rules.TYPES.values())
        await execute(SQL["write_from_messages"], kinds, types, now - RECENT)
        await execute(SQL["write_from_orders"], notification_rules.PAID_TYPE, now - RECENT)
        await execute(SQL["schedule"], now)
    due = await fetch_rows(DueDelivery, SQL["claim"], now, BATCH_SIZE, now + dt.timedelta(minutes=1))
    await asyncio.gather(*(_deliver(one) for one in due))
    return len(due)


async def _deliver(due: DueDelivery) -> None:
    """Post one event, and record the outcome."""
    key, now = notification_rules.key_of(settings().secret, due.endpoint), clock.now()
    stated = {"type": due.type, "timestamp": due.at.isoformat(), "data": json.loads(due.data)}
    body = json.dumps(stated, ensure_ascii=False, separators=(",", ":")).encode()
    status, answer = await post(due.url, body, notification_rules.signed_headers(key, due.event, now, body))
    is_delivered = 200 <= status < 300  # noqa: PLR2004 (HTTP's own)
    outcome = outcome_of(due.attempts, now, is_delivered=is_delivered, is_final=status == GONE)
    recorded: Values = {
        WebhookDelivery.last_answer: answer,
        WebhookDelivery.delivered_at: outcome.delivered_at,
        WebhookDelivery.next_at: outcome.next_at,
    }
    async with transaction():
        await WebhookDelivery.update(recorded).where(WebhookDelivery.id == due.id)
        if outcome.is_given_up and await _disable(due.endpoint, "gone" if status == GONE else "failing"):
            to = Recipient("partner", str(due.partner))
            await send_each(WEBHOOK_DISABLED, [(due.endpoint, to, {"url": due.url})])
