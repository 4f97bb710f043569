"""Events: stored raw as they come, then looked into; what they tell is never trusted, the object is read again.

Webhooks bring them; a sweep of Stripe's own list brings those whose webhooks were lost, and says so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Invalid
from marketplace.payments.cursors import has_read, read_until
from marketplace.payments.rules import EVENTS_COME_WITHIN, Contest, Kept, Standing
from marketplace.payments.standing import apply, apply_contest, apply_kept, next_reading
from marketplace.payments.stripe_port import DecidedError, SilentError, StripePort, verify
from marketplace.settings import settings

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

log = structlog.get_logger(__name__)
LOST = Counter("stripe_webhooks_lost_total", "Events that only the sweep brought, because no webhook did in time")
READS_AT_ONCE = 5
EVENTS_AT_A_TIME = 200
OVERLAP = dt.timedelta(hours=1)
Arrived = tuple[str, str, str, dt.datetime]
"""An event's id, type, body and instant in Stripe's time."""


async def take_event(body: bytes, signature: str | None) -> None:
    """Store a webhook as it came, once; refuse what Stripe did not sign just now."""
    now = clock.now()
    verify(body, signature, now)
    try:
        event = json.loads(body)
        event_id, event_type, created = event["id"], event["type"], event.get("created", int(now.timestamp()))
        created_at = dt.datetime.fromtimestamp(created, dt.UTC)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        raise Invalid("That is not one of Stripe's events.") from None
    if not (isinstance(event_id, str) and isinstance(event_type, str)):
        raise Invalid("That is not one of Stripe's events.")
    await _store_events([(event_id, event_type, body.decode(), created_at)], "webhook", now)


async def sweep_events() -> int:
    """Fetch the events whose webhooks were lost, and return how many were new."""
    new, newest = 0, None
    since = await read_until("events", OVERLAP)
    async with StripePort() as port:
        async for page in port.list_events(since):
            new += await _store_events(page, "sweep", clock.now())
            newest = max(newest or page[0][3], page[0][3])
    await has_read("events", newest)
    await note_lost_events()
    return new


async def note_lost_events() -> int:
    """Name the events that no webhook brought in time, once each; none where no webhooks are set up."""
    if not settings().stripe_webhook_secret:
        return 0
    lost = await fetch(
        """UPDATE stripe_event SET lost_at = $1
           WHERE webhook_at IS NULL AND lost_at IS NULL AND created_at < $2 RETURNING id, type""",
        clock.now(), clock.now() - EVENTS_COME_WITHIN,
    )  # fmt: skip
    LOST.inc(len(lost))
    for event in lost:
        log.error("stripe webhook lost", id=event["id"], type=event["type"])
    return len(lost)


async def _store_events(events: Sequence[Arrived], came_by: str, now: dt.datetime) -> int:
    """Store events that are new and return how many; a webhook is noted on one that the sweep brought first."""
    ids, types, bodies, instants = zip(*events, strict=True)
    new = await fetch_value(
        """WITH stored AS (
               INSERT INTO stripe_event AS known (id, type, payload, came_by, received_at, created_at, webhook_at)
               SELECT id, type, payload, $5, $6, at, CASE WHEN $5 = 'webhook' THEN $6::timestamptz END
               FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS event (id, type, payload, at)
               ON CONFLICT (id) DO UPDATE SET webhook_at = excluded.webhook_at
                   WHERE known.webhook_at IS NULL AND excluded.webhook_at IS NOT NULL
               RETURNING xmax = 0 AS is_new
           ) SELECT count(*) FROM stored WHERE is_new""",
        ids, types, bodies, instants, came_by, now,
    )  # fmt: skip
    return int(new)


async def handle_events() -> int:
    """Look into every stored event: read the object it speaks of and record where that stands now."""
    handled = 0
    while waiting := await fetch(
        "SELECT id, type, payload FROM stripe_event WHERE handled_at IS NULL ORDER BY received_at, id LIMIT $1",
        EVENTS_AT_A_TIME,
    ):
        about: dict[tuple[str, str] | None, list[str]] = {}
        for event in waiting:
            about.setdefault(subject_of(event["type"], json.loads(event["payload"])), []).append(event["id"])
        await _mark_handled(about.pop(None, []), None)
        async with StripePort() as port:
            gate = asyncio.Semaphore(READS_AT_ONCE)
            looked = await asyncio.gather(
                *(_look_into(port, gate, thing, ids) for thing, ids in about.items() if thing)
            )
        handled += len(waiting) - looked.count(False)
        if not all(looked):
            break  # Stripe is silent: the rest waits for the next run.
    return handled


def subject_of(event_type: str, event: dict[str, Any]) -> tuple[str, str] | None:
    """Return what to read for an event, as its kind and id; None when it moves nothing of ours."""
    told = (event.get("data") or {}).get("object") or {}
    name = str(told.get("id"))
    if event_type.startswith("checkout.session."):
        return ("setup" if told.get("mode") == "setup" else "session"), name
    if event_type.startswith("payment_intent."):
        return "intent", name
    if event_type.startswith("charge.dispute."):
        return "dispute", name
    if event_type.startswith(("charge.", "refund.")) and isinstance(told.get("payment_intent"), str):
        return "intent", told["payment_intent"]
    if event_type == "payment_method.detached":
        return "method", name
    return None


async def read_again(subject: uuid.UUID) -> None:
    """Ask Stripe where an open payment stands now: someone waits for it, and its webhook may be late or lost."""
    session = await fetch_value(
        "SELECT session_id FROM payment WHERE subject = $1 AND state IN ('open', 'processing')", subject
    )
    if session is not None:
        async with StripePort() as port:
            await _look_into(port, asyncio.Semaphore(1), ("session", session), [])


async def read_method_again(saved: uuid.UUID) -> None:
    """Ask Stripe whether a payment method is kept by now: someone waits for it."""
    session = await fetch_value("SELECT session_id FROM saved_method WHERE id = $1 AND state = 'open'", saved)
    if session is not None:
        async with StripePort() as port:
            await _look_into(port, asyncio.Semaphore(1), ("setup", session), [])


async def _look_into(port: StripePort, gate: asyncio.Semaphore, thing: tuple[str, str], events: list[str]) -> bool:
    """Read the object behind some events and apply it; False when Stripe is silent."""
    async with gate:
        reading = await next_reading()
        try:
            found = await _read(port, *thing)
        except SilentError as silence:
            log.warning("stripe event waits", events=events, why=str(silence))
            return False
        except DecidedError as refusal:
            await _mark_handled(events, str(refusal))
            return True
    async with transaction():
        amiss = [why for each in found if (why := await _write(each, reading))]
        if thing[0] == "method" and not found:
            await execute(
                "UPDATE saved_method SET state = 'forgotten' WHERE method_id = $1 AND state = 'saved'", thing[1]
            )
        await _mark_handled(events, " ".join(amiss) or None)
    return True


async def _read(port: StripePort, kind: str, name: str) -> Sequence[Standing | Kept | Contest | str]:
    """Read an object: a page, the page or bare payment behind an intent, a dispute; a method only while it is kept."""
    if kind == "session":
        return [await port.get_session(name)]
    if kind == "setup":
        return [await port.get_setup(name)]
    if kind == "dispute":
        return [await port.get_dispute(name)]
    if kind == "method":
        return [name] if await port.is_kept(name) else []
    sessions = await port.list_sessions_of(name)
    if sessions:
        return sessions
    told = await port.get_intent(name)
    return [told] if told.subject and await fetch_one("SELECT 1 FROM payment WHERE subject = $1", told.subject) else []


async def _write(found: Standing | Kept | Contest | str, reading: int) -> str | None:
    if isinstance(found, Standing):
        return await apply(found, reading)
    if isinstance(found, Kept):
        return await apply_kept(found, reading)
    if isinstance(found, Contest):
        return await apply_contest(found, reading)
    return None


async def _mark_handled(events: list[str], error: str | None) -> None:
    if events:
        await execute(
            "UPDATE stripe_event SET handled_at = $2, error = $3 WHERE id = ANY($1)", events, clock.now(), error
        )
