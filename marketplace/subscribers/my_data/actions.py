"""Actions on one's own data: delete a period, request a map of it; and the job that makes the requested maps."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.actions import state_kind
from marketplace.consent.purposes.queries import get_kind, list_choices
from marketplace.consent.switches import actions as switches
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Invalid
from marketplace.core.local_time import midnight
from marketplace.core.locks import lock
from marketplace.core.sealing import public_key, seal
from marketplace.datasets.builds.own_events import read_own_events
from marketplace.datasets.retractions.actions import ask
from marketplace.people.messages.actions import send
from marketplace.people.messages.queries import is_written
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.message_kinds import CONSENT_CHANGED_ELSEWHERE
from marketplace.subscribers.my_data.queries import list_holding, list_maps_to_make, list_time_zones
from marketplace.subscribers.my_data.rules import MAP_LASTS, map_of
from marketplace.subscribers.my_data.tables import OwnMap

if TYPE_CHECKING:
    import uuid

    from marketplace.consent.switches.rules import Scope
    from marketplace.core.database import Values
    from marketplace.subscribers.my_data.queries import HeldPeriod, MapToMake

REASON = "its holder deletes this period"
EARLIEST_DAY, LATEST_DAY = dt.date(2000, 1, 1), dt.date(2199, 12, 31)
"""No release counts an event before the first or after the second."""
ZONE = "Europe/Paris"
"""The time zone of the days that people write."""


async def delete_days(line: int, first: dt.date, last: dt.date, *, by: str = "subscriber") -> list[HeldPeriod]:
    """Request the removal of a line's events of these days, both included.

    Return the past releases that have some of them.

    The interval covers the days in every time zone of a dataset, so that no dataset counts any of it. by: the
    subscriber, or the operator for them. The events are removed before the next build counts anything; sealed releases
    do not change.
    """
    if last < first:
        raise Invalid("The last day is before the first one.", field="last")
    first, last = (min(max(day, EARLIEST_DAY), LATEST_DAY) for day in (first, last))
    zones = {ZONE} | await list_time_zones()
    starts_at = min(midnight(first, zone) for zone in zones)
    ends_at = min(max(midnight(last + dt.timedelta(days=1), zone) for zone in zones), clock.now())
    await ask(starts_at, ends_at, subscriber=line, reason=REASON, by=by)
    return await list_holding(line, starts_at, ends_at)


async def choose_elsewhere(
    line: int, purpose: str, scope: Scope, *, receipt: uuid.UUID, channel: str, version: int
) -> uuid.UUID:
    """Record a consent that a subscriber stated to the operator; they get a message, once a receipt."""
    async with transaction():
        await switches.choose(line, purpose, scope, receipt=receipt, channel=channel, version=version)
        await _notify(receipt, line)
    return receipt


async def pause_elsewhere(line: int, request: uuid.UUID, *, goes_on: bool, channel: str) -> int:
    """Pause everything of a line, or resume it, for a subscriber who asked the operator.

    Return how many purposes changed.
    """
    word = switches.resume if goes_on else switches.pause
    async with transaction():
        changed = await word(line, request, channel=channel)
        if changed:
            await _notify(request, line)
    return changed


async def delete_elsewhere(line: int, first: dt.date, last: dt.date, request: uuid.UUID) -> list[HeldPeriod]:
    """Delete days as `delete_days` does, for a subscriber who asked the operator."""
    async with transaction():
        holding = await delete_days(line, first, last, by="operator")
        await _notify(request, line)
    return holding


async def state_kind_elsewhere(line: int, kind: str | None, request: uuid.UUID) -> None:
    """State what kind of line this is; its holder gets a message if that changes who may consent for it.

    Sending the same request again changes nothing, even after a later one.
    """
    async with transaction():
        await lock(f"kind of line {line}")
        if await is_written(CONSENT_CHANGED_ELSEWHERE.code, str(request)):
            return
        before = await get_kind(line)
        await state_kind(line, kind)
        if kind != before:
            await _notify(request, line)


async def withdraw_by_link(line: int, purpose: str, form: uuid.UUID) -> None:
    """Withdraw on behalf of the person with a receipt's link.

    The holder gets a message, because others may have the link.

    A consent that is already withdrawn is not withdrawn again, so that nobody is sent messages without end.
    """
    async with transaction():
        await lock(f"receipt's link {line}")
        if any(choice.given for choice in await list_choices(line) if choice.code == purpose):
            await consent.withdraw(line, purpose, receipt=form)
            await _notify(form, line)


async def _notify(request: uuid.UUID, line: int) -> None:
    await send(CONSENT_CHANGED_ELSEWHERE, request, [Recipient("line", str(line))])


def map_key(session: str, map_id: uuid.UUID) -> str:
    """Return the private key, 64 hex digits, that a session's secret gives for one map; it is never stored."""
    return hashlib.sha256(f"own map {map_id} {session}".encode()).hexdigest()


async def ask_map(map_id: uuid.UUID, person: uuid.UUID, line: int, session: str) -> None:
    """Request a map of one's own events, sealed to this session; the same request again changes nothing."""
    asked = OwnMap(
        id=map_id,
        person=person,
        subscriber=line,
        public_key=public_key(map_key(session, map_id)),
        asked_at=clock.now(),
    )
    await OwnMap.insert(asked).on_conflict(action="DO NOTHING", target=OwnMap.id)


async def make_own_maps() -> int:
    """Make the requested maps, and delete the expired ones; a job, which returns how many it made."""
    await OwnMap.delete().where(OwnMap.asked_at <= clock.now() - MAP_LASTS)
    waiting = await list_maps_to_make()
    for one in waiting:
        made: Values = {OwnMap.sealed: await asyncio.to_thread(_made, one)}
        await OwnMap.update(made).where(OwnMap.id == one.id)
    return len(waiting)


def _made(one: MapToMake) -> bytes:
    events = read_own_events(one.subscriber, one.since)
    shown: dict[str, Any] = {"events": -1} if events is None else map_of(events, ZONE)
    return seal(shown, one.id, one.public_key)
