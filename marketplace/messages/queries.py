"""What a person's inbox shows: messages with their words in one language."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows, fetch_scalar
from marketplace.messages.links import link_token
from marketplace.messages.registry import KINDS
from marketplace.messages.rules import AT, SHARE, TOKEN
from marketplace.messages.tables import Message
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.statements import load_statements
from marketplace.web.formats import moment_in_words, percent_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.messages.rules import Recipient

SQL: Final = load_statements(__package__)
NEW_FOR: Final = dt.timedelta(days=90)
"""How long a message that nobody opened is new, on its page as in the count beside it, which the query of sessions has."""


class MessageRow(Struct, frozen=True):
    """A message as stored; `details` is JSON, `read_at` the reader's."""

    id: uuid.UUID
    kind: str
    details: str
    created_at: dt.datetime
    read_at: dt.datetime | None


class ReadableMessage(Struct, frozen=True):
    """A message in words, and the path of the page it leads to."""

    id: uuid.UUID
    subject: str
    body: str
    path: str
    created_at: dt.datetime
    is_read: bool


class UnmailedMessage(Struct, frozen=True):
    """A message that nobody has addressed letters for yet."""

    id: uuid.UUID
    kind: str
    audience: str
    recipient: str
    created_at: dt.datetime


class MessageInWords(Struct, frozen=True):
    """A message as a letter says it; `path` leads to its page, without the language."""

    subject: str
    body: str
    path: str


async def list_messages(
    recipients: Sequence[Recipient],
    reader: uuid.UUID,
    language: str,
    page: int,
    line_since: dt.datetime | None = None,
) -> Paged[ReadableMessage]:
    """Return one page of the messages to these recipients, the latest first, as `reader` would read them.

    line_since: when another holder left the line that is a recipient; messages to it before that are another's.
    """
    audiences, ids = [one.audience for one in recipients], [one.id for one in recipients]
    rows = await fetch_rows(
        MessageRow, SQL["list_messages"], audiences, ids, reader, PAGE_SIZE + 1, offset(page), line_since
    )
    return paged([_readable(row, language) for row in rows], page)


async def is_written(kind: str, source_id: str) -> bool:
    """Return whether a message of this kind was written of this fact."""
    return await Message.exists().where(Message.kind == kind, Message.source_id == source_id)


async def claim_of(kind: str, source_id: str) -> uuid.UUID | None:
    """Return the message of a fact, and claim it: the caller addresses its letter. None where it was claimed before."""
    return await fetch_scalar(uuid.UUID, SQL["claim_of"], kind, source_id)


def in_words(code: str, source_id: str, details: str, language: str) -> MessageInWords:
    """Return a message's words for a letter, the token of its link included; `details` is JSON."""
    kind = KINDS[code]
    fields = _read_details(details, language) | {TOKEN: link_token(code, source_id)}
    return MessageInWords(
        kind.subject.filled(language, fields), kind.body.filled(language, fields), kind.path.format_map(fields)
    )


def _read_details(details: str, language: str) -> dict[str, str]:
    """Return the fields of a message's words as they read in a language; `at` is an instant, in UTC where it names no zone."""
    fields = {
        name: percent_in_words(int(value), language) if name.endswith(SHARE) else value
        for name, value in msgspec.json.decode(details, type=dict[str, str]).items()
    }
    if AT in fields:
        at = dt.datetime.fromisoformat(fields[AT])
        fields[AT] = moment_in_words(at if at.tzinfo else at.replace(tzinfo=dt.UTC), language)
    return fields


def _readable(row: MessageRow, language: str) -> ReadableMessage:
    kind, details = KINDS[row.kind], _read_details(row.details, language)
    return ReadableMessage(
        id=row.id,
        subject=kind.subject.filled(language, details),
        body=kind.body.filled(language, details),
        path=kind.path.format_map(details),
        created_at=row.created_at,
        is_read=row.read_at is not None or row.created_at <= clock.now() - NEW_FOR,
    )
