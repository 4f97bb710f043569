"""A person's inbox: messages with their words in one language."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import moment_in_words, percent_in_words
from marketplace.core.words import Bilingual
from marketplace.people.messages.links import link_token
from marketplace.people.messages.registry import KINDS
from marketplace.people.messages.rules import AT, IN_WORDS, SHARE, TOKEN
from marketplace.people.messages.tables import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.messages.rules import Recipient

SQL: Final = load_statements(__package__)
NEW_FOR: Final = dt.timedelta(days=90)
"""How long an unread message is new, on its page and in the count next to it. The query of sessions has the same."""


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
    """A message for which nobody has written letters yet."""

    id: uuid.UUID
    kind: str
    audience: str
    recipient: str
    created_at: dt.datetime


class MessageInWords(Struct, frozen=True):
    """A message as a letter words it; `path` leads to its page, without the language."""

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

    line_since: when another holder left the recipient's line; earlier messages to it belong to that holder.
    """
    audiences, ids = [one.audience for one in recipients], [one.id for one in recipients]
    rows = await fetch_rows(
        MessageRow, SQL["list_messages"], audiences, ids, reader, PAGE_SIZE + 1, offset(page), line_since
    )
    return paged([_readable(row, language) for row in rows], page)


async def is_written(kind: str, source_id: str) -> bool:
    """Return whether a message of this kind was written about this fact."""
    return await Message.exists().where(Message.kind == kind, Message.source_id == source_id)


async def claim_of(kind: str, source_id: str) -> uuid.UUID | None:
    """Return and claim the message of a fact; the caller writes its letter. None if it was claimed before."""
    return await fetch_scalar(uuid.UUID, SQL["claim_of"], kind, source_id)


def in_words(code: str, source_id: str, details: str, language: str) -> MessageInWords:
    """Return a message's words for a letter, the token of its link included; `details` is JSON."""
    kind = KINDS[code]
    fields = _read_details(details, language) | {TOKEN: link_token(code, source_id)}
    return MessageInWords(
        kind.subject.filled(language, fields), kind.body.filled(language, fields), kind.path.format_map(fields)
    )


def _read_details(details: str, language: str) -> dict[str, str]:
    """Return the fields of a message's words as they read in a language; `at` is an instant."""
    fields = {
        name: percent_in_words(int(value), language) if name.endswith(SHARE) else value
        for name, value in msgspec.json.decode(details, type=dict[str, str]).items()
    }
    for name in [one for one in fields if one.endswith(IN_WORDS)]:
        fields[name] = msgspec.json.decode(fields[name], type=Bilingual).filled(language, {})
    if AT in fields:
        fields[AT] = moment_in_words(dt.datetime.fromisoformat(fields[AT]), language)
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
