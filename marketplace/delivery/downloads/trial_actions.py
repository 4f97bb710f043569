"""Begin a partner's one trial, and open its file: no order, no entry in the books, and no earnings."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.offers.queries import get_listing, is_reserved
from marketplace.catalogue.offers.uses import check_use
from marketplace.core import clock, object_store
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.locks import lock
from marketplace.delivery.downloads import rules as delivery_rules
from marketplace.delivery.downloads.actions import CHUNK_BYTES, Download, open_sealed
from marketplace.delivery.downloads.trial_queries import (
    ALLOWED,
    find_companys_trial,
    find_trial,
    find_tryable,
    is_allowed,
)
from marketplace.delivery.downloads.trial_tables import Trial
from marketplace.people.audit_trail.actions import check_reason, note_action

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from marketplace.people.identity.actors import Actor

LASTS: Final = dt.timedelta(days=14)


async def begin(partner: uuid.UUID, dataset: str, *, trial: uuid.UUID) -> None:
    """Begin a partner's trial of a dataset's older release; the same id begins once.

    Refuses a second trial, also of another account of the company unless a steward allowed it, a dataset without an old
    enough release, one that is not for the partner's sector, and one that another partner has exclusively.
    """
    is_begun = (Trial.id == trial) & (Trial.partner == partner)
    if await Trial.exists().where(is_begun):
        return
    listing = await get_listing(dataset)
    await check_use(partner, listing.terms, dataset)
    now = clock.now()
    async with transaction():
        await lock("trials")
        if await Trial.exists().where(is_begun):
            return
        had_by = await find_companys_trial(partner)
        if had_by == partner or await Trial.exists().where(Trial.id == trial):
            raise Conflict("Your company has had its trial.")
        if had_by and not await is_allowed(partner):
            raise Conflict(
                "Another account of your company has had its trial: one with its VAT number, its name or its mail domain."
            )
        if await is_reserved(listing.offer, partner, now, now):
            raise Conflict("Another partner holds this dataset exclusively for now.")
        older = existing(
            await find_tryable(dataset, listing.sheet, now),
            Conflict("No release of it is old enough to be tried: it must be two half-lives old."),
        )
        await Trial.insert(Trial(id=trial, partner=partner, release=older.release, began_at=now, ends_at=now + LASTS))


async def allow(who: Actor, partner: uuid.UUID, reason: str) -> None:
    """Allow a partner its one trial although an account that resembles its company had one; once, in the trail.

    Refuses a company that had its own trial, and one that needs no permission.
    """
    given = check_reason(reason)
    async with transaction():
        await lock("trials")
        had_by = await find_companys_trial(partner)
        if had_by == partner:
            raise Conflict("This company has had its trial.")
        if had_by is None:
            raise Conflict("Nothing keeps this company from its trial.")
        if not await is_allowed(partner):
            await note_action(who, ALLOWED, partner, reason=given, after={"partner": str(had_by)})


async def open_file(partner: uuid.UUID, file_format: str) -> Download:
    """Return the file of a partner's trial; refuses an ended trial, and a recalled release."""
    row = existing(await find_trial(partner), NotFound("There is no such download."))
    delivery_rules.check_is_valid(row, clock.now())
    return await open_sealed(row, file_format)


async def read(file: Download) -> AsyncIterator[bytes]:
    """Yield a file in chunks of at most a mebibyte."""
    for start in range(0, file.byte_count, CHUNK_BYTES):
        yield await object_store.get_range(file.key, start, min(start + CHUNK_BYTES, file.byte_count))
