"""What can be done about consent: explain a purpose, give, withdraw. Rows are added, never edited."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import copy_in, execute, fetch_one, fetch_value, lock, transaction
from marketplace.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


async def define_purpose(category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Add a data category for a purpose and return its code; the same one again changes nothing."""
    if not category or not use or "." in category + use:
        raise Invalid("A purpose is a data category and a use, neither empty nor with a dot.")
    code = f"{category}.{use}"
    await execute(
        """INSERT INTO purpose (code, category, use, title_fr, title_en) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (code) DO NOTHING""",
        code, category, use, title_fr, title_en,
    )  # fmt: skip
    return code


async def publish_notice(purpose: str, *, text_fr: str, text_en: str, at: dt.datetime | None = None) -> uuid.UUID:
    """Publish the next version of a purpose's notice and return it; earlier versions stay as they were."""
    if not text_fr.strip() or not text_en.strip():
        raise Invalid("A notice needs its text in French and in English.")
    notice = uuid.uuid4()
    async with transaction():
        await _get_purpose(purpose)
        await lock(f"notice {purpose}")
        await execute(
            """INSERT INTO notice (id, purpose, version, text_fr, text_en, published_at)
               SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5 FROM notice WHERE purpose = $2""",
            notice, purpose, text_fr, text_en, _past(at),
        )  # fmt: skip
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
            "consent_record", ("subscriber", "purpose", "notice", "given", "at", "receipt"),
            ((int(subscriber), purpose, notice, True, at, uuid.uuid4()) for subscriber in subscribers),
        )  # fmt: skip


async def _record(
    subscriber: int, purpose: str, *, given: bool, at: dt.datetime | None, receipt: uuid.UUID | None
) -> uuid.UUID:
    receipt, at = receipt or uuid.uuid4(), _past(at)
    async with transaction():
        await _get_purpose(purpose)
        if not await fetch_value("SELECT true FROM subscriber WHERE reference = $1", subscriber):
            raise NotFound("There is no such line.")
        added = await execute(
            """INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (receipt) DO NOTHING""",
            subscriber, purpose, await _notice_in_force(purpose, at), given, at, receipt,
        )  # fmt: skip
        if not added:
            known = await fetch_one("SELECT subscriber, purpose, given FROM consent_record WHERE receipt = $1", receipt)
            if known is None or tuple(known) != (subscriber, purpose, given):
                raise Conflict("That receipt says something else; go back, reload the page and try again.")
    return receipt


async def _get_purpose(purpose: str) -> None:
    if not await fetch_value("SELECT true FROM purpose WHERE code = $1", purpose):
        raise NotFound("There is no purpose {purpose}.", purpose=purpose)


async def _notice_in_force(purpose: str, at: dt.datetime) -> uuid.UUID:
    """Return the latest notice published by `at`, or the first one for a consent that was given on paper before it."""
    notice: uuid.UUID | None = await fetch_value(
        """SELECT id FROM notice WHERE purpose = $1
           ORDER BY published_at <= $2 DESC, CASE WHEN published_at <= $2 THEN version ELSE -version END DESC
           LIMIT 1""",
        purpose, at,
    )  # fmt: skip
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
