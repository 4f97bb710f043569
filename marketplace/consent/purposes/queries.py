"""Queries on consent: one definition of when it was given, and the rows of pages."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.consent.purposes.receipt_formats import as_jwt, as_sd_jwt, claims
from marketplace.consent.purposes.rules import CHANNELS, Receipt, document
from marketplace.consent.purposes.tables import LineKind
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.settings import settings
from marketplace.core.signing import sign
from marketplace.core.statements import load_statements
from marketplace.people.messages.links import link_token

if TYPE_CHECKING:
    from marketplace.core.words import Words

SQL: Final = load_statements(__package__)
RECORDS: Final = "consent records"
"""The lock for which every new record on consent and every new notice waits."""


class NarrowedRow(Struct, frozen=True):
    """A narrowed consent: what it covers, and when the line's next record ended it, in microseconds since 1970."""

    subscriber: int
    covers: str
    until_us: int | None
    """None if no record followed it."""


class PurposeRow(Struct, frozen=True):
    """A purpose with its latest notice; the notice's columns are None if there is none."""

    code: str
    category: str
    use: str
    title_fr: str
    title_en: str
    dpv: str
    notice: uuid.UUID | None
    version: int | None
    text_fr: str | None
    text_en: str | None


class ChoiceRow(Struct, frozen=True):
    """A purpose with its latest notice, and a subscriber's last choice with its instant and receipt."""

    code: str
    category: str
    use: str
    title_fr: str
    title_en: str
    version: int
    text_fr: str
    text_en: str
    given: bool
    at: dt.datetime | None
    receipt: uuid.UUID | None
    channel: str | None
    covers: str | None
    """What their last consent covers, as canonical JSON; None: all that the notice covers."""
    is_asked_anew: bool
    """Whether they consented, and a later notice ended that."""

    @property
    def where(self) -> Words | None:
        """Return the channel of their last choice, in words; None if they never chose."""
        return CHANNELS.get(self.channel or "")


class NoticeVersion(Struct, frozen=True):
    """One version of a purpose's notice."""

    id: uuid.UUID
    version: int
    text_fr: str
    text_en: str
    published_at: dt.datetime
    asks_anew: bool


class ReceiptRow(Struct, frozen=True):
    """A receipt in a list."""

    receipt: uuid.UUID
    given: bool
    at: dt.datetime
    purpose: str
    title_fr: str
    title_en: str
    version: int
    channel: str

    @property
    def where(self) -> Words:
        """Return the channel, in words."""
        return CHANNELS[self.channel]


async def list_narrowed(purpose: str, instant: dt.datetime) -> list[NarrowedRow]:
    """Return each consent to `purpose` by `instant` that is narrowed, by subscriber."""
    return await fetch_rows(NarrowedRow, SQL["list_narrowed"], purpose, instant)


async def get_last_record() -> int:
    """Return the number of the last record on consent, 0 before the first. The caller has the lock RECORDS, so no other is under way."""
    return await fetch_scalar(int, "SELECT coalesce(max(id), 0) FROM consent_record") or 0


async def list_ended_since(purpose: str, record: int) -> list[int]:
    """Return the lines that withdrew from `purpose`, or changed what they allow, after a record; ascending."""
    return await fetch_column(int, SQL["list_ended_since"], purpose, record)


async def list_purposes() -> list[PurposeRow]:
    """Return every purpose with its latest notice, by code."""
    return await fetch_rows(PurposeRow, SQL["list_purposes"])


async def get_purpose(code: str) -> PurposeRow:
    """Return a purpose with its latest notice; refuses NotFound."""
    return existing(
        next((row for row in await list_purposes() if row.code == code), None),
        NotFound("There is no purpose {purpose}.", purpose=code),
    )


async def list_notices(purpose: str) -> list[NoticeVersion]:
    """Return every version of a purpose's notice, the latest first."""
    return await fetch_rows(NoticeVersion, SQL["list_notices"], purpose)


async def list_choices(subscriber: int) -> list[ChoiceRow]:
    """Return every purpose that a subscriber can consent to, and whether they do."""
    return await fetch_rows(ChoiceRow, SQL["list_choices"], subscriber)


async def list_asked_anew_since(instant: dt.datetime) -> set[str]:
    """Return the purposes with a notice published after an instant that asks for consent again."""
    asked = "SELECT purpose FROM notice WHERE asks_anew AND published_at > $1"
    return set(await fetch_column(str, asked, instant))


async def list_receipts(subscriber: int, page: int = 1) -> Paged[ReceiptRow]:
    """Return one page of a subscriber's receipts, the latest first."""
    return paged(await fetch_rows(ReceiptRow, SQL["list_receipts"], subscriber, PAGE_SIZE + 1, offset(page)), page)


async def get_receipt(receipt: uuid.UUID, subscriber: int | None = None) -> Receipt:
    """Return a receipt with its purpose and notice; with `subscriber` given, only if it is theirs."""
    return existing(
        await fetch_row(Receipt, SQL["get_receipt"], receipt, subscriber), NotFound("There is no such consent receipt.")
    )


async def get_signed_receipt(receipt: uuid.UUID, subscriber: int | None = None) -> tuple[bytes, bytes]:
    """Return a receipt's canonical JSON and its Ed25519 signature; the same receipt always gives the same bytes."""
    signed = document(await get_receipt(receipt, subscriber))
    return signed, sign(signed, settings().signing_key)


async def get_kind(subscriber: int) -> str | None:
    """Return the kind of this line, one of `rules.KINDS`; None: one person's."""
    return await fetch_scalar(str, LineKind.select(LineKind.kind).where(LineKind.subscriber == subscriber))


def receipt_link(receipt: uuid.UUID) -> str:
    """Return the path where anyone who has a receipt can see and withdraw it; only the receipt contains the path."""
    return f"/receipts/{receipt}/{link_token('consent receipt', receipt)}"


async def get_token(receipt: uuid.UUID, subscriber: int | None = None, *, as_credential: bool = False) -> str:
    """Return a receipt as a signed JWT with the fields of ISO/IEC TS 27560, or (as_credential) as an SD-JWT VC."""
    issuer = settings().url.rstrip("/")
    row = await get_receipt(receipt, subscriber)
    stated = claims(row, issuer, f"{issuer}/en{receipt_link(receipt)}")
    return (as_sd_jwt if as_credential else as_jwt)(stated, settings().signing_key)
