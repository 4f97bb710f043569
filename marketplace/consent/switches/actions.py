"""What can be done with switches: narrow a purpose, pause and resume everything, state the sector of a buyer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import list_asked_anew_since, list_choices
from marketplace.consent.purposes.rules import HERE
from marketplace.consent.switches.queries import find_pause, get_sector
from marketplace.consent.switches.rules import SECTORS, write
from marketplace.consent.switches.tables import ConsentPause, PartnerSector
from marketplace.core import clock
from marketplace.core.database import fetch_row, select, transaction
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.core.notes.actions import await_notes, state_note
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.actions import add_subscribers
from marketplace.people.identity.tables import Partner

if TYPE_CHECKING:
    from marketplace.consent.switches.rules import Scope
    from marketplace.people.audit_trail.actions import Who


class NotedPause(Struct, frozen=True):
    """A pause as it is noted outside the database; its fields are columns of `ConsentPause`."""

    id: uuid.UUID
    subscriber: int
    paused_at: dt.datetime
    resumed_at: dt.datetime | None = None
    resumed_by: uuid.UUID | None = None


class NotedSector(Struct, frozen=True):
    """A partner's sector as it is noted outside the database, and who stated it."""

    partner: uuid.UUID
    sector: str
    name: str


async def choose(
    subscriber: int,
    purpose: str,
    scope: Scope,
    *,
    receipt: uuid.UUID | None = None,
    channel: str = HERE,
    version: int | None = None,
) -> uuid.UUID:
    """Record what a subscriber allows for a purpose from now on, and return the receipt.

    A scope that allows nothing is a withdrawal. With `receipt` given, the same one again records nothing.
    """
    covers = write(scope)
    if not scope.allows_something:
        return await consent.withdraw(subscriber, purpose, receipt=receipt, channel=channel, version=version)
    return await consent.give(subscriber, purpose, receipt=receipt, channel=channel, version=version, covers=covers)


async def pause(subscriber: int, form: uuid.UUID, *, channel: str = HERE) -> int:
    """Withdraw from everything until the subscriber resumes, and return the number of purposes.

    form: the same one again does nothing. No later release has events from before the pause, as after any withdrawal;
    resuming gives the same consents again, as narrow as they were.
    """
    async with transaction():
        await_notes()
        await lock(f"pause {subscriber}")
        if await find_pause(subscriber) is not None:
            return 0
        given = [choice.code for choice in await list_choices(subscriber) if choice.given]
        if not given or await ConsentPause.exists().where(ConsentPause.id == form):
            return 0
        await write_pause(NotedPause(form, subscriber, clock.now()))
        for purpose in given:
            await consent.withdraw(subscriber, purpose, receipt=uuid.uuid5(form, purpose), channel=channel)
    return len(given)


async def resume(subscriber: int, form: uuid.UUID, *, channel: str = HERE) -> int:
    """Give again the consents that the pause withdrew and nobody changed since, and return their number.

    form: the same one again does nothing, so that a request which arrives twice ends no later pause. A purpose whose
    notice was replaced by one that asks again is left out: nobody agreed to its new words.
    """
    async with transaction():
        await_notes()
        await lock(f"pause {subscriber}")
        paused = await find_pause(subscriber)
        if paused is None or await ConsentPause.exists().where(ConsentPause.resumed_by == form):
            return 0
        await write_pause(NotedPause(paused.id, subscriber, paused.paused_at, clock.now(), form))
        asked_anew = await list_asked_anew_since(paused.paused_at)
        again = [
            choice.code
            for choice in await list_choices(subscriber)
            if choice.receipt == uuid.uuid5(paused.id, choice.code) and choice.code not in asked_anew
        ]
        for purpose in again:
            receipt = uuid.uuid5(paused.id, f"resumed {purpose}")
            await consent.give(subscriber, purpose, receipt=receipt, channel=channel)
    return len(again)


async def repeat_pause(noted: NotedPause) -> bool:
    """Write a pause, or its end, that a restored database lacks, and return whether it lacked it."""
    known = await fetch_row(NotedPause, select(NotedPause, ConsentPause).where(ConsentPause.id == noted.id))
    if known is not None and (known == noted or noted.resumed_at is None):
        return False
    await add_subscribers([noted.subscriber])
    await write_pause(noted)
    return True


async def write_pause(pause: NotedPause) -> None:
    """Write a pause, or its end, and note it."""
    async with transaction():
        row = ConsentPause(**structs.asdict(pause))
        ended = [ConsentPause.resumed_at, ConsentPause.resumed_by]
        await ConsentPause.insert(row).on_conflict(action="DO UPDATE", target=ConsentPause.id, values=ended)
        await state_note("pause", pause)


async def state_sector(partner: uuid.UUID, sector: str, who: Who, name: str) -> None:
    """State a partner's sector, decided by the person `who` called `name`; the same again changes nothing."""
    if sector not in SECTORS:
        raise Invalid("A source or a sector is not one of those listed.")
    async with transaction():
        await lock(f"sector {partner}")
        if not await Partner.exists().where(Partner.id == partner):
            raise NotFound("There is no such partner.")
        before = await get_sector(partner)
        if before == sector:
            return
        stated = PartnerSector(partner=partner, sector=sector, stated_by=name, stated_at=clock.now())
        changed = [PartnerSector.sector, PartnerSector.stated_by, PartnerSector.stated_at]
        await PartnerSector.insert(stated).on_conflict(action="DO UPDATE", target=PartnerSector.partner, values=changed)
        await state_note("sector", NotedSector(partner, sector, name))
        await note_action(who, "sector_stated", partner, before={"sector": before}, after={"sector": sector})
