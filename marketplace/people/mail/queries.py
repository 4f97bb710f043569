"""Reads for sending, printing and the operator's page of letters."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.people.mail.tables import MailStop
from marketplace.people.messages.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.messages.rules import MessageKind

SQL: Final = load_statements(__package__)


class DueLetter(Struct, frozen=True):
    """A letter claimed to be sent."""

    id: uuid.UUID
    message: uuid.UUID
    person: uuid.UUID | None
    created_at: dt.datetime
    attempts: int
    open_hand_overs: int
    sealed_to: bytes | None
    """The sealed address of an erased person."""
    key_id: str | None


class Content(Struct, frozen=True):
    """A letter's message as stored, `details` as JSON; `dead` is the fingerprint of an address that gets no mail."""

    kind: str
    source_id: str
    details: str
    audience: str
    recipient: str
    created_at: dt.datetime
    is_stopped: bool
    dead: str | None


class LetterCount(Struct, frozen=True):
    """How many letters ended in one way, or are `waiting`."""

    ended: str
    letters: int


class TroubledLetter(Struct, frozen=True):
    """A letter that reached nobody, or that was tried for a while."""

    id: uuid.UUID
    kind: str
    created_at: dt.datetime
    attempts: int
    ended: str | None
    answer: str
    next_at: dt.datetime | None


class LetterToPrint(Struct, frozen=True):
    """A message that mail cannot deliver, as stored."""

    id: uuid.UUID
    kind: str
    source_id: str
    details: str
    audience: str
    recipient: str
    created_at: dt.datetime
    language: str


async def get_content(letter: DueLetter) -> Content:
    """Return a letter's content."""
    return existing(
        await fetch_row(Content, SQL["get_content"], letter.message, letter.person), NotFound("There is nothing here.")
    )


async def list_stopped(person: uuid.UUID) -> set[str]:
    """Return the codes of the kinds whose mail a person stopped."""
    return set(await fetch_column(str, MailStop.select(MailStop.kind).where(MailStop.person == person)))


async def count_letters(since: dt.datetime) -> list[LetterCount]:
    """Return how many letters wait, and how many ended in each way since then (included)."""
    return await fetch_rows(LetterCount, SQL["count_letters"], since)


async def list_troubled_letters(page: int) -> Paged[TroubledLetter]:
    """Return one page of the letters that an operator should look at, the latest first."""
    return paged(await fetch_rows(TroubledLetter, SQL["list_troubled_letters"], PAGE_SIZE + 1, offset(page)), page)


async def list_letters_to_print(limit: int) -> list[LetterToPrint]:
    """Return the oldest letters that are owed on paper."""
    by_post = [kind.code for kind in KINDS.values() if kind.by_post]
    return await fetch_rows(LetterToPrint, SQL["list_letters_to_print"], by_post, limit)


def kinds_to_choose(readers: Sequence[str]) -> list[MessageKind]:
    """Return the kinds whose mail these readers may stop, in the registry's order."""
    return [kind for kind in KINDS.values() if kind.may_stop and kind.readers in ("anyone", *readers)]
