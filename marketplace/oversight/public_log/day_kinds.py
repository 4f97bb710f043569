"""The items of days' trees: each kind's new items, from the packages that own them."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.consent.purposes.rules import Receipt, document
from marketplace.core.database import fetch_rows
from marketplace.oversight.public_log.queries import SQL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


CONSENT, JOURNAL, TRAIL, PRICES = "consent_receipts", "journal_entries", "audit_trail", "price_inputs"


class NewItem(Struct, frozen=True):
    """An item that is in no tree yet: its name, and its document; ids increase."""

    id: int
    source: str
    document: str


class NewReceipt(Struct, frozen=True):
    """A receipt of consent that is in no tree yet."""

    id: int
    receipt: uuid.UUID
    subscriber: int
    given: bool
    at: dt.datetime
    purpose: str
    notice: uuid.UUID
    channel: str
    covers: str | None


class NoticeText(Struct, frozen=True):
    """The text of a notice, read once for all its receipts: millions of them refer to a few notices."""

    id: uuid.UUID
    version: int
    text_fr: str
    text_en: str


async def _receipts(until: dt.datetime, most: int, after: int) -> list[NewItem]:
    rows = await fetch_rows(NewReceipt, SQL["list_new_receipts"], until, most, after)
    notices = {row.id: row for row in await fetch_rows(NoticeText, "SELECT id, version, text_fr, text_en FROM notice")}
    return await asyncio.to_thread(lambda: [_written(row, notices[row.notice]) for row in rows])


def _written(row: NewReceipt, notice: NoticeText) -> NewItem:
    receipt = Receipt(
        receipt=row.receipt,
        subscriber=row.subscriber,
        given=row.given,
        at=row.at,
        purpose=row.purpose,
        title_fr="",
        title_en="",
        version=notice.version,
        text_fr=notice.text_fr,
        text_en=notice.text_en,
        channel=row.channel,
        covers=row.covers,
    )
    return NewItem(row.id, str(row.receipt), document(receipt).decode())


async def _journal_entries(until: dt.datetime, most: int, after: int) -> list[NewItem]:
    return await fetch_rows(NewItem, SQL["list_new_journal_entries"], until, most, after)


async def _trail_heads(until: dt.datetime, most: int, after: int) -> list[NewItem]:
    return await fetch_rows(NewItem, SQL["list_new_trail_heads"], until, most, after)


async def _prices(until: dt.datetime, most: int, after: int) -> list[NewItem]:
    return await fetch_rows(NewItem, SQL["list_new_hidden_facts"], until, most, after, PRICES)


DAY_KINDS: Final[dict[str, Callable[[dt.datetime, int, int], Awaitable[list[NewItem]]]]] = {
    CONSENT: _receipts,
    JOURNAL: _journal_entries,
    TRAIL: _trail_heads,
    PRICES: _prices,
}
"""Kind → its new items until an instant, with ids above one, limited in number. Each kind has one leaf a day, also an
empty one.
"""
