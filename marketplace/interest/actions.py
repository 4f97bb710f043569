"""Counting looks, in memory for some seconds and then by day; and writing down why a price is not paid."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.catalogue.queries import get_quote
from marketplace.database import execute
from marketplace.errors import Conflict, Invalid
from marketplace.interest.queries import SQL
from marketplace.interest.rules import REASONS, is_program
from marketplace.interest.tables import NotBought

if TYPE_CHECKING:
    import uuid

    from marketplace.identity.actors import Actor

WRITTEN_EVERY: Final = dt.timedelta(seconds=5)
"""A page that is looked at often costs a row's lock every some seconds, not every time."""
SEEN, PREVIEWED = 0, 1


class _Counts:
    """What this process counted since it last wrote: looks and questions by dataset and UTC day."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, dt.date], list[int]] = {}
        self.written_at: dt.datetime | None = None


@functools.cache
def _counts() -> _Counts:
    return _Counts()


async def count_look(dataset: str, user_agent: str, actor: Actor | None) -> None:
    """Count that a dataset's page was looked at, by a person who is not staff; nothing of who it is is kept."""
    if not (actor and actor.role) and not is_program(user_agent):
        await _count(dataset, SEEN)


async def count_preview(dataset: str, actor: Actor | None) -> None:
    """Count that somebody, who is not staff, asked about zones of a dataset."""
    if not (actor and actor.role):
        await _count(dataset, PREVIEWED)


async def _count(dataset: str, what: int) -> None:
    now, counts = clock.now(), _counts()
    counts.counted.setdefault((dataset, now.astimezone(dt.UTC).date()), [0, 0])[what] += 1
    if counts.written_at is None or not dt.timedelta() <= now - counts.written_at < WRITTEN_EVERY:
        await write_counts()


async def write_counts() -> None:
    """Write what this process counted; a process that is killed loses some seconds of it."""
    counts = _counts()
    counted, counts.counted, counts.written_at = counts.counted, {}, clock.now()
    if counted:
        datasets, days = zip(*counted, strict=True)
        seen, previewed = zip(*counted.values(), strict=True)
        await execute(SQL["add_looks"], list(datasets), list(days), list(seen), list(previewed))


async def give_reason(partner: uuid.UUID, quote: uuid.UUID, reason: str) -> None:
    """Write down why a partner does not pay its own quote; a later reason replaces it. Refuses one that was ordered."""
    if reason not in REASONS:
        raise Invalid("Choose one of the reasons.", field="reason")
    if (await get_quote(quote, partner)).is_ordered:
        raise Conflict("This quote has been ordered.")
    given: dict[Any, Any] = {NotBought.quote: quote, NotBought.reason: reason, NotBought.given_at: clock.now()}
    await NotBought.insert(NotBought(given)).on_conflict(
        action="DO UPDATE", target=NotBought.quote, values=[NotBought.reason, NotBought.given_at]
    )
