"""What can be done with one's own data: delete a period, ask for a map of it, and make the maps that were asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.consent import actions as consent
from marketplace.consent.actions import state_kind
from marketplace.consent.queries import get_kind, list_choices
from marketplace.database import transaction
from marketplace.errors import Invalid
from marketplace.local_time import midnight
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import consent_changed_elsewhere
from marketplace.messages.queries import is_written
from marketplace.messages.rules import Recipient
from marketplace.my_data.queries import list_holding, list_maps_to_make, list_time_zones
from marketplace.my_data.rules import MAP_LASTS, map_of
from marketplace.my_data.tables import OwnMap
from marketplace.retractions.actions import ask
from marketplace.rights.own_events import read_own_events
from marketplace.sealing import public_key, seal
from marketplace.switches import actions as switches

if TYPE_CHECKING:
    import uuid

    from marketplace.database import Values
    from marketplace.my_data.queries import HeldPeriod, MapToMake
    from marketplace.switches.rules import Scope

REASON = "its holder deletes this period"
EARLIEST_DAY, LATEST_DAY = dt.date(2000, 1, 1), dt.date(2199, 12, 31)
"""Nothing was counted before the one, and nothing will be after the other."""
ZONE = "Europe/Paris"
"""Whose days people write."""


async def delete_days(line: int, first: dt.date, last: dt.date, *, by: str = "subscriber") -> list[HeldPeriod]:
    """Ask that a line's events of these days, both included, be removed; return the past releases that hold some of them.

    A day begins and ends where any dataset's does first and last: nothing of it is counted as one of these days anywhere.
    by: who asks: the subscriber, or the operator for them.
    They are gone before the next build counts anything; releases that are sealed stay as they are.
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
    """Record what somebody lets be counted, as they said it to the operator; they get a message, once a receipt."""
    async with transaction():
        await switches.choose(line, purpose, scope, receipt=receipt, channel=channel, version=version)
        await _notify(receipt, line)
    return receipt


async def pause_elsewhere(line: int, request: uuid.UUID, *, goes_on: bool, channel: str) -> int:
    """Pause everything of a line, or go on, for somebody who said so to the operator; return how many purposes it changed."""
    word = switches.resume if goes_on else switches.pause
    async with transaction():
        changed = await word(line, request, channel=channel)
        if changed:
            await _notify(request, line)
    return changed


async def delete_elsewhere(line: int, first: dt.date, last: dt.date, request: uuid.UUID) -> list[HeldPeriod]:
    """Delete days as `delete_days` does, for somebody who said so to the operator."""
    async with transaction():
        holding = await delete_days(line, first, last, by="operator")
        await _notify(request, line)
    return holding


async def state_kind_elsewhere(line: int, kind: str | None, request: uuid.UUID) -> None:
    """State what kind of line this is; its holder gets a message where that changes who may consent for it.

    The same request again changes nothing, also after another one.
    """
    async with transaction():
        await lock(f"kind of line {line}")
        if await is_written(consent_changed_elsewhere.KIND.code, str(request)):
            return
        before = await get_kind(line)
        await state_kind(line, kind)
        if kind != before:
            await _notify(request, line)


async def withdraw_by_link(line: int, purpose: str, form: uuid.UUID) -> None:
    """Withdraw for who has a receipt's link; the holder gets a message, for a link can be in other hands.

    What is withdrawn already is not withdrawn again, so that nobody is sent messages without end.
    """
    async with transaction():
        await lock(f"receipt's link {line}")
        if any(choice.given for choice in await list_choices(line) if choice.code == purpose):
            await consent.withdraw(line, purpose, receipt=form)
            await _notify(form, line)


async def _notify(request: uuid.UUID, line: int) -> None:
    await send(consent_changed_elsewhere.KIND, request, [Recipient("line", str(line))])


def map_key(session: str, map_id: uuid.UUID) -> str:
    """Return the private key, 64 hex digits, that a session's secret makes for one map: stored nowhere."""
    return hashlib.sha256(f"own map {map_id} {session}".encode()).hexdigest()


async def ask_map(map_id: uuid.UUID, person: uuid.UUID, line: int, session: str) -> None:
    """Ask for a map of one's own events, to be sealed to this session; the same one again changes nothing."""
    asked = OwnMap(
        id=map_id,
        person=person,
        subscriber=line,
        public_key=public_key(map_key(session, map_id)),
        asked_at=clock.now(),
    )
    await OwnMap.insert(asked).on_conflict(action="DO NOTHING", target=OwnMap.id)


async def make_own_maps() -> int:
    """Make the maps that were asked for, and delete those whose time is over; a job, which returns how many it made."""
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
