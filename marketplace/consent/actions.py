"""What can be done about consent: explain a purpose, give, withdraw. Rows are added, never edited."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.consent.queries import SQL, list_choices
from marketplace.consent.tables import ConsentRecord, Notice, Purpose
from marketplace.database import copy_in, fetch_row, fetch_scalar, select, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.identity.tables import Subscriber
from marketplace.locks import lock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


WORD: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""A data category, or a use."""


class Word(Struct, frozen=True):
    """What a receipt says: who gave or withdrew consent to which purpose."""

    subscriber: int
    purpose: str
    given: bool


class Titles(Struct, frozen=True):
    """What a purpose is called."""

    title_fr: str
    title_en: str


class NoticeText(Struct, frozen=True):
    """What a notice says of which purpose."""

    purpose: str
    text_fr: str
    text_en: str


async def define_purpose(category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Add a data category for a purpose and return its code; the same one again changes nothing.

    Refuses one that exists under other titles.
    """
    if not WORD.fullmatch(category) or not WORD.fullmatch(use):
        raise Invalid("A data category and a use are written in small letters, digits and hyphens.")
    if not title_fr.strip() or not title_en.strip():
        raise Invalid("A purpose needs its title in French and in English.")
    code = f"{category}.{use}"
    titles = Titles(title_fr.strip(), title_en.strip())
    new = Purpose(code=code, category=category, use=use, title_fr=titles.title_fr, title_en=titles.title_en)
    await Purpose.insert(new).on_conflict(action="DO NOTHING", target=Purpose.code)
    if await fetch_row(Titles, select(Titles, Purpose).where(Purpose.code == code)) != titles:
        raise Conflict("The purpose {purpose} exists already, under another title.", purpose=code)
    return code


async def publish_notice(
    purpose: str,
    *,
    text_fr: str,
    text_en: str,
    at: dt.datetime | None = None,
    asks_anew: bool = False,
    notice: uuid.UUID | None = None,
) -> uuid.UUID:
    """Publish the next version of a purpose's notice and return it; earlier versions stay as they were.

    asks_anew: consent given under earlier versions ends now, and people are asked anew; else it goes on. With `notice`
    given (a form's id), the same one again publishes nothing and returns it.
    """
    if not text_fr.strip() or not text_en.strip():
        raise Invalid("A notice needs its text in French and in English.")
    notice = notice or uuid.uuid4()
    async with transaction():
        await _get_purpose(purpose)
        await lock(f"notice {purpose}")
        known = await fetch_row(NoticeText, select(NoticeText, Notice).where(Notice.id == notice))
        if known is not None:
            if known != NoticeText(purpose, text_fr, text_en):
                raise Conflict("That notice was published already, with another text; reload the page and try again.")
            return notice
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
                asks_anew=asks_anew,
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


async def withdraw_everything(subscriber: int, form: uuid.UUID) -> int:
    """Withdraw `subscriber` from every purpose they consent to, all or none, and return from how many.

    form: the same one again records nothing, for the receipts' ids follow from it.
    """
    async with transaction():
        given = [choice.code for choice in await list_choices(subscriber) if choice.given]
        for purpose in given:
            await withdraw(subscriber, purpose, receipt=uuid.uuid5(form, purpose))
    return len(given)


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
