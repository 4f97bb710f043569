"""What can be done about consent: explain a purpose, give, withdraw. Rows are added, never edited."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.consent.queries import SQL
from marketplace.consent.tables import ConsentRecord, Notice, Purpose
from marketplace.database import copy_in, fetch_row, fetch_scalar, select, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.identity.tables import Subscriber
from marketplace.locks import lock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


class Word(Struct, frozen=True):
    """What a receipt says: who gave or withdrew consent to which purpose."""

    subscriber: int
    purpose: str
    given: bool


async def define_purpose(category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Add a data category for a purpose and return its code; the same one again changes nothing."""
    if not category or not use or "." in category + use:
        raise Invalid("A purpose is a data category and a use, neither empty nor with a dot.")
    code = f"{category}.{use}"
    new = Purpose(code=code, category=category, use=use, title_fr=title_fr, title_en=title_en)
    await Purpose.insert(new).on_conflict(action="DO NOTHING", target=Purpose.code)
    return code


async def publish_notice(purpose: str, *, text_fr: str, text_en: str, at: dt.datetime | None = None) -> uuid.UUID:
    """Publish the next version of a purpose's notice and return it; earlier versions stay as they were."""
    if not text_fr.strip() or not text_en.strip():
        raise Invalid("A notice needs its text in French and in English.")
    notice = uuid.uuid4()
    async with transaction():
        await _get_purpose(purpose)
        await lock(f"notice {purpose}")
        latest = (
            Notice.select(Notice.version).where(Notice.purpose == purpose).order_by(Notice.version, ascending=False)
        )
        await Notice.insert(
            Notice(
                id=notice,
                purpose=purpose,
                version=(await fetch_scalar(int, latest.limit(1)) or 0) + 1,
                text_fr=text_fr,
                text_en=text_en,
                published_at=_past(at),
            )
        )
    return notice


async def give(
    subscriber: int, purpose: str, *, at: dt.datetime | None = None, receipt: uuid.UUID | None = None
) -> uuid.UUID:
    """Record that `subscriber` consents to `purpose` from `at` (now) on, under the notice in force; return the receipt.

    With `receipt` given (a form's id), the same one again records nothing and returns it.
    """
    return await _record(subscriber, purpose, given=True, at=at, receipt=receipt)


async def withdraw(
    subscriber: int, purpose: str, *, at: dt.datetime | None = None, receipt: uuid.UUID | None = None
) -> uuid.UUID:
    """Record that `subscriber` withdraws from `purpose` from `at` (now) on, and return the receipt.

    Every consent before ends. As easy as consenting: nothing is asked, and one who never consented gets a receipt too.
    """
    return await _record(subscriber, purpose, given=False, at=at, receipt=receipt)


async def give_many(purpose: str, subscribers: Sequence[int], at: dt.datetime) -> None:
    """Record the consent of many at one instant, as an operator brings them from its own contracts; all or none."""
    async with transaction():
        await _get_purpose(purpose)
        notice = await _notice_in_force(purpose, _past(at))
        await copy_in(
            "consent_record",
            ("subscriber", "purpose", "notice", "given", "at", "receipt"),
            ((int(subscriber), purpose, notice, True, at, uuid.uuid4()) for subscriber in subscribers),
        )


async def _record(
    subscriber: int, purpose: str, *, given: bool, at: dt.datetime | None, receipt: uuid.UUID | None
) -> uuid.UUID:
    receipt, at = receipt or uuid.uuid4(), _past(at)
    async with transaction():
        await _get_purpose(purpose)
        if not await Subscriber.exists().where(Subscriber.reference == subscriber):
            raise NotFound("There is no such line.")
        new = ConsentRecord(
            subscriber=subscriber,
            purpose=purpose,
            notice=await _notice_in_force(purpose, at),
            given=given,
            at=at,
            receipt=receipt,
        )
        insert = ConsentRecord.insert(new).on_conflict(action="DO NOTHING", target=ConsentRecord.receipt)
        if await fetch_scalar(int, insert.returning(ConsentRecord.id)) is None:
            known = await fetch_row(Word, select(Word, ConsentRecord).where(ConsentRecord.receipt == receipt))
            if known != Word(subscriber, purpose, given):
                raise Conflict("That receipt says something else; go back, reload the page and try again.")
    return receipt


async def _get_purpose(purpose: str) -> None:
    if not await Purpose.exists().where(Purpose.code == purpose):
        raise NotFound("There is no purpose {purpose}.", purpose=purpose)


async def _notice_in_force(purpose: str, at: dt.datetime) -> uuid.UUID:
    """Return the latest notice published by `at`, or the first one for a consent that was given on paper before it."""
    notice = await fetch_scalar(uuid.UUID, SQL["find_notice_in_force"], purpose, at)
    if notice is None:
        raise Conflict("No notice explains {purpose} yet, so nobody can consent to it.", purpose=purpose)
    return notice


def _past(at: dt.datetime | None) -> dt.datetime:
    now = clock.now()
    if at is None:
        return now
    assert at.tzinfo is not None, "instants are aware"
    if at > now:
        raise Invalid("Consent cannot be given or withdrawn in the future.")
    return at
