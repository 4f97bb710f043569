"""Events: stored raw on arrival, then handled; their content is never trusted, the object is read again.

Webhooks bring them; a sweep of Stripe's own list brings events whose webhooks were lost, and reports them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog
from msgspec import Struct
from prometheus_client import Counter

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.core.tracing import carried_by, is_on, span, under
from marketplace.money.payments.queries import SQL
from marketplace.money.payments.rules import (
    EVENTS_COME_WITHIN,
    HANDLED_EVENTS,
    THIN,
    WEBHOOK_PATH,
    DisputeStatus,
    PaymentStatus,
    SavedMethodStatus,
)
from marketplace.money.payments.statuses import next_reading, record_dispute, record_payment, record_saved_method
from marketplace.money.payments.stripe_port import DecidedError, SilentError, StripePort, verify
from marketplace.money.payments.tables import Payment, SavedMethod, StripeCursor, StripeEvent

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.core.database import Values

log = structlog.get_logger(__name__)
LOST = Counter("stripe_webhooks_lost_total", "Events that only the sweep brought, because no webhook did in time")
READS_AT_ONCE: Final = 5
BATCH_SIZE: Final = 200
OVERLAP: Final = dt.timedelta(hours=1)
BEGINNING: Final = dt.datetime.fromtimestamp(0, dt.UTC)
KINDS: Final = {
    "charge": "charge",
    "charge.dispute": "dispute",
    "checkout.session": "session",
    "payment_intent": "intent",
    "payment_method": "method",
    "refund": "refund",
}
"""The first words of an event's type → the object that is read for it."""
Arrived: TypeAlias = tuple[str, str, str, dt.datetime]
"""An event's id, type, body and instant in Stripe's time."""


class LostEvent(Struct, frozen=True):
    """An event that no webhook brought in time."""

    id: str
    type: str


class WaitingEvent(Struct, frozen=True):
    """An event to handle; `payload` is the body as it came."""

    id: str
    type: str
    payload: str


# ------------------------------------------------------------------ coming in
async def receive_event(body: bytes, signature: str | None) -> None:
    """Store a webhook as it came, once; refuse one that Stripe did not sign just now."""
    now = clock.now()
    verify(body, signature, now)
    arrived = _read_arrived(body, now)
    parent = carried_by(_thing_of(json.loads(body))) if is_on() else ""
    with span("store event", parent=parent):
        await _store_events([arrived], "webhook", now)


def _read_arrived(body: bytes, now: dt.datetime) -> Arrived:
    """Return the event of a webhook's body.

    A thin notification gives the event whose snapshot it names, under that id.
    """
    try:
        event = json.loads(body)
        event_id, event_type, created = event["id"], event["type"], event.get("created", int(now.timestamp()))
        is_thin = isinstance(created, str)
        created_at = dt.datetime.fromisoformat(created) if is_thin else dt.datetime.fromtimestamp(created, dt.UTC)
        event_id = event.get("snapshot_event") or event_id
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        raise Invalid("That is not one of Stripe's events.") from None
    if not (isinstance(event_id, str) and isinstance(event_type, str) and created_at.tzinfo):
        raise Invalid("That is not one of Stripe's events.")
    return event_id, event_type.removeprefix(THIN) if is_thin else event_type, body.decode(), created_at


async def sweep_events() -> int:
    """Fetch the handled events whose webhooks were lost, and return how many were new."""
    new, newest = 0, None
    since = await read_until("events", OVERLAP)
    async with StripePort() as port:
        async for page in port.list_events(since, HANDLED_EVENTS):
            new += await _store_events(page, "sweep", clock.now())
            newest = max(newest or page[0][3], page[0][3])
        await mark_read("events", newest)
        await note_lost_events(await _listening_since(port))
    return new


async def _listening_since(port: StripePort) -> dt.datetime | None:
    """Return when our webhook endpoint was made, in Stripe's time: no webhook brings earlier events. None: unknown."""
    try:
        return await port.find_endpoint_start(f"{settings().url}{WEBHOOK_PATH}")
    except (SilentError, DecidedError) as refusal:  # A restricted key may not read endpoints.
        log.warning("stripe endpoints not read", why=str(refusal))
        return None


async def note_lost_events(listening_since: dt.datetime | None = None) -> int:
    """Name the handled events that no webhook brought in time, once each; none if no webhooks are set up.

    listening_since: when the webhook endpoint was made; earlier events are not lost.
    """
    if not settings().stripe_webhook_secret:
        return 0
    is_late = (
        StripeEvent.type.is_in(list(HANDLED_EVENTS)),
        StripeEvent.webhook_at.is_null(),
        StripeEvent.lost_at.is_null(),
        StripeEvent.created_at < clock.now() - EVENTS_COME_WITHIN,
        StripeEvent.created_at >= (listening_since or BEGINNING),
    )
    note = StripeEvent.update({StripeEvent.lost_at: clock.now()}).where(*is_late)
    lost = await fetch_rows(LostEvent, note.returning(StripeEvent.id, StripeEvent.type))
    LOST.inc(len(lost))
    for event in lost:
        log.error("stripe webhook lost", id=event.id, type=event.type)
    return len(lost)


async def _store_events(events: Sequence[Arrived], came_by: str, now: dt.datetime) -> int:
    """Store new events and return how many; a webhook is recorded on an event that the sweep brought first."""
    ids, types, bodies, instants = zip(*events, strict=True)
    new = await fetch_scalar(int, SQL["store_events"], ids, types, bodies, instants, came_by, now)
    assert new is not None, "a count is one row"
    return new


# ------------------------------------------------------------------ how far each of Stripe's lists is read
async def read_until(name: str, overlap: dt.timedelta) -> dt.datetime | None:
    """Return where to begin reading a list again, in Stripe's time; None: at its beginning."""
    at = await fetch_scalar(dt.datetime, StripeCursor.select(StripeCursor.at).where(StripeCursor.list == name))
    return at - overlap if at else None


async def mark_read(name: str, newest: dt.datetime | None) -> None:
    """Record that everything created until `newest` is here; only after a list was read to its end."""
    if newest is not None:
        await execute(
            """INSERT INTO stripe_cursor (list, at) VALUES ($1, $2)
               ON CONFLICT (list) DO UPDATE SET at = greatest(stripe_cursor.at, excluded.at)""",
            name,
            newest,
        )


# ------------------------------------------------------------------ handling
async def handle_events() -> int:
    """Handle every stored event: read its object and record the object's present status."""
    waiting_first = (
        select(WaitingEvent, StripeEvent)
        .where(StripeEvent.handled_at.is_null())
        .order_by(StripeEvent.received_at, StripeEvent.id)
        .limit(BATCH_SIZE)
    )
    handled = 0
    while waiting := await fetch_rows(WaitingEvent, waiting_first):
        about: dict[tuple[str, str] | None, list[str]] = {}
        traces: dict[tuple[str, str] | None, str] = {}
        for event in waiting:
            body = json.loads(event.payload)
            about.setdefault(subject := subject_of(event.type, body), []).append(event.id)
            traces[subject] = traces.get(subject) or carried_by(_thing_of(body))
        await _mark_handled(about.pop(None, []), None)
        async with StripePort() as port:
            gate = asyncio.Semaphore(READS_AT_ONCE)
            refreshed = await asyncio.gather(
                *(
                    under(f"read {thing[0]}", traces[thing], _refresh(port, gate, thing, ids))
                    for thing, ids in about.items()
                    if thing
                )
            )
        handled += len(waiting) - refreshed.count(False)
        if not all(refreshed):
            break  # Stripe is silent: the rest waits for the next run.
    return handled


def subject_of(event_type: str, event: dict[str, Any]) -> tuple[str, str] | None:
    """Return what to read for an event, as its kind and id; None if it moves nothing of ours.

    event: the body of a snapshot, or of a thin notification, which has only its object's id.
    """
    if event_type not in HANDLED_EVENTS:
        return None
    thing = _thing_of(event)
    name, noun = str(thing.get("id")), event_type.rpartition(".")[0]
    if noun in ("charge", "refund") and "payment_intent" in thing:
        return ("intent", thing["payment_intent"]) if isinstance(thing["payment_intent"], str) else None
    return KINDS[noun], name


def _thing_of(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    found = (data.get("object") if isinstance(data, dict) else None) or event.get("related_object")
    return found if isinstance(found, dict) else {}


async def refresh_payment(subject: uuid.UUID) -> None:
    """Read an open payment again at Stripe: a person waits for it, and its webhook may be late or lost."""
    is_open = (Payment.subject == subject, Payment.state.is_in(["open", "processing"]))
    await _refresh_page(await fetch_scalar(str, Payment.select(Payment.session_id).where(*is_open)))


async def refresh_saved_method(saved: uuid.UUID) -> None:
    """Read the page of a payment method again at Stripe: a person waits for the method to be saved."""
    is_open = (SavedMethod.id == saved, SavedMethod.state == "open")
    await _refresh_page(await fetch_scalar(str, SavedMethod.select(SavedMethod.session_id).where(*is_open)))


async def _refresh_page(session: str | None) -> None:
    if session is not None:
        async with StripePort() as port:
            await _refresh(port, asyncio.Semaphore(1), ("session", session), [])


async def _refresh(port: StripePort, gate: asyncio.Semaphore, thing: tuple[str, str], events: list[str]) -> bool:
    """Read the object of some events and record it; False if Stripe is silent."""
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
        errors = [why for each in found if (why := await _record(each, reading))]
        if thing[0] == "method" and not found:
            was_saved = (SavedMethod.method_id == thing[1], SavedMethod.state == "saved")
            await SavedMethod.update({SavedMethod.state: "forgotten"}).where(*was_saved)
        await _mark_handled(events, " ".join(errors) or None)
    return True


async def _read(
    port: StripePort, kind: str, name: str
) -> Sequence[PaymentStatus | SavedMethodStatus | DisputeStatus | str]:
    """Read an object: a page, the page or bare payment of an intent, a dispute; a method only while it is attached."""
    if kind == "session":
        return [await port.get_page(name)]
    if kind == "dispute":
        return [await port.get_dispute(name)]
    if kind == "method":
        return [name] if await port.is_attached(name) else []
    if kind in ("charge", "refund"):
        intent = await port.find_intent_behind(kind, name)
        return await _read(port, "intent", intent) if intent else []
    sessions = await port.list_sessions_of(name)
    if sessions:
        return sessions
    status = await port.get_intent(name)
    is_ours = status.subject is not None and await Payment.exists().where(Payment.subject == status.subject)
    return [status] if is_ours else []


async def _record(found: PaymentStatus | SavedMethodStatus | DisputeStatus | str, reading: int) -> str | None:
    if isinstance(found, PaymentStatus):
        return await record_payment(found, reading)
    if isinstance(found, SavedMethodStatus):
        return await record_saved_method(found, reading)
    if isinstance(found, DisputeStatus):
        return await record_dispute(found, reading)
    return None


async def _mark_handled(events: list[str], error: str | None) -> None:
    if events:
        handled: Values = {StripeEvent.handled_at: clock.now(), StripeEvent.error: error}
        await StripeEvent.update(handled).where(StripeEvent.id.is_in(events))


async def empty_old_calls(before: dt.datetime) -> None:
    """Empty the bodies of handled events and the parameters of finished commands from before an instant."""
    while await fetch_scalar(int, "SELECT empty_old_calls($1, $2)", before, BATCH_SIZE):
        pass
