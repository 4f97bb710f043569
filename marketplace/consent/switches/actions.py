"""What can be done with switches: narrow a purpose, pause and resume everything, state the sector of a buyer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import list_asked_anew_since, list_choices
from marketplace.consent.purposes.rules import HERE
from marketplace.consent.switches.queries import find_pause, get_sector
from marketplace.consent.switches.rules import SECTORS, write
from marketplace.consent.switches.tables import ConsentPause, PartnerSector
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.tables import Partner

if TYPE_CHECKING:
    from marketplace.consent.switches.rules import Scope
    from marketplace.core.database import Values
    from marketplace.people.audit_trail.actions import Who


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
        await lock(f"pause {subscriber}")
        if await find_pause(subscriber) is not None:
            return 0
        given = [choice.code for choice in await list_choices(subscriber) if choice.given]
        if not given or await ConsentPause.exists().where(ConsentPause.id == form):
            return 0
        await ConsentPause.insert(ConsentPause(id=form, subscriber=subscriber, paused_at=clock.now()))
        for purpose in given:
            await consent.withdraw(subscriber, purpose, receipt=uuid.uuid5(form, purpose), channel=channel)
    return len(given)


async def resume(subscriber: int, form: uuid.UUID, *, channel: str = HERE) -> int:
    """Give again the consents that the pause withdrew and nobody changed since, and return their number.

    form: the same one again does nothing, so that a request which arrives twice ends no later pause. A purpose whose
    notice was replaced by one that asks again is left out: nobody agreed to its new words.
    """
    async with transaction():
        await lock(f"pause {subscriber}")
        paused = await find_pause(subscriber)
        if paused is None or await ConsentPause.exists().where(ConsentPause.resumed_by == form):
            return 0
        ended: Values = {ConsentPause.resumed_at: clock.now(), ConsentPause.resumed_by: form}
        await ConsentPause.update(ended).where(ConsentPause.id == paused.id)
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
        await note_action(who, "sector_stated", partner, before={"sector": before}, after={"sector": sector})
