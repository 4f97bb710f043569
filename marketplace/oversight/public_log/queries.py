"""Reads of the log: entries, heads, trees of days and their items."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.tables import DayItem, DayTree, LogEntry, LogHead
from marketplace.sales.auctions.rules import LAST_ROUND

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class Entry(Struct, frozen=True):
    """An entry of the log at its place; `content` is canonical JSON."""

    number: int
    kind: str
    subject: str
    content: bytes


class Head(Struct, frozen=True):
    """A signed head."""

    origin: str
    size: int
    root: str
    note: str
    key: str
    signed_at: dt.datetime


class Tree(Struct, frozen=True):
    """The tree over a day's hidden items of one kind."""

    id: int
    kind: str
    day: dt.date
    key: bytes
    crown: bytes


class PlacedItem(Struct, frozen=True):
    """An item at its place in a day's tree."""

    tree: int
    source: str
    place: int
    digest: bytes


class LoggedQuote(Struct, frozen=True):
    """A partner's quote: its release, instant, and signed document."""

    id: uuid.UUID
    offer: uuid.UUID
    quoted_at: dt.datetime
    document: bytes


class OwnBid(Struct, frozen=True):
    """A partner's bid: its auction, dataset and instant."""

    id: uuid.UUID
    auction: uuid.UUID
    received_at: dt.datetime
    title_fr: str
    title_en: str


class HiddenStatement(Struct, frozen=True):
    """A confidential fact: its name, and its statement as canonical JSON."""

    source: str
    document: str


class ItemName(Struct, frozen=True):
    """The name of an item."""

    source: str


async def count_entries() -> int:
    """Return how many entries the log has, published or not."""
    last = await fetch_scalar(int, LogEntry.select(LogEntry.number).order_by(LogEntry.number, ascending=False).limit(1))
    return 0 if last is None else last + 1


async def list_entries(start: int, end: int) -> list[Entry]:
    """Return the entries from one number to another, excluded."""
    numbers = (LogEntry.number >= start) & (LogEntry.number < end)
    return await fetch_rows(Entry, select(Entry, LogEntry).where(numbers).order_by(LogEntry.number))


async def find_entry(kind: str, subject: str) -> Entry | None:
    """Return the first entry of a kind about a subject."""
    about = (LogEntry.kind == kind) & (LogEntry.subject == subject)
    return await fetch_row(Entry, select(Entry, LogEntry).where(about).order_by(LogEntry.number).limit(1))


async def find_last_of(kind: str) -> Entry | None:
    """Return the latest entry of a kind."""
    latest = select(Entry, LogEntry).where(LogEntry.kind == kind).order_by(LogEntry.number, ascending=False).limit(1)
    return await fetch_row(Entry, latest)


async def find_head(size: int | None = None, origin: str = "") -> Head | None:
    """Return the last signed head, or the one of a log's first `size` entries."""
    query = select(Head, LogHead).order_by(LogHead.id, ascending=False).limit(1)
    if size is not None:
        query = query.where(LogHead.size == size, LogHead.origin == origin)
    return await fetch_row(Head, query)


async def current_origin() -> str:
    """Return the log's public name: the chosen one, else that of its beginning, else the site's address."""
    head = await find_head()
    return settings().log_origin or (head.origin if head else rules.first_origin(settings().url))


async def find_item(kind: str, source: str) -> PlacedItem | None:
    """Return the place of an item."""
    named = (DayItem.kind == kind) & (DayItem.source == source)
    return await fetch_row(PlacedItem, select(PlacedItem, DayItem).where(named))


async def get_tree(tree: int) -> Tree:
    """Return a day's tree."""
    row = await fetch_row(Tree, select(Tree, DayTree).where(DayTree.id == tree))
    assert row is not None, "items are of trees"
    return row


async def list_items_between(tree: int, first: int, end: int) -> list[PlacedItem]:
    """Return a tree's items at the places from `first` to `end`, excluded, in their order."""
    within = (DayItem.tree == tree) & (DayItem.place >= first) & (DayItem.place < end)
    return await fetch_rows(PlacedItem, select(PlacedItem, DayItem).where(within).order_by(DayItem.place))


async def list_quotes_of(partner: uuid.UUID) -> Sequence[LoggedQuote]:
    """Return a partner's ten latest quotes of posted prices."""
    return await fetch_rows(LoggedQuote, SQL["list_quotes_of"], partner)


async def list_bids_of(partner: uuid.UUID) -> list[OwnBid]:
    """Return a partner's ten latest bids, also refused ones: each has a receipt."""
    return await fetch_rows(OwnBid, SQL["list_bids_of"], partner)


async def list_latest(size: int) -> list[Entry]:
    """Return the twenty latest of the log's first `size` entries, the last one first."""
    published = select(Entry, LogEntry).where(LogEntry.number < size)
    return await fetch_rows(Entry, published.order_by(LogEntry.number, ascending=False).limit(20))


async def list_about(subject: str, size: int) -> list[Entry]:
    """Return the first fifty of the log's first `size` entries about a subject, one of its rounds, or a day."""
    rounds = [subject, *(f"{subject} {number}" for number in range(2, LAST_ROUND + 1))]
    about = LogEntry.subject.is_in(rounds) & (LogEntry.number < size)
    return await fetch_rows(Entry, select(Entry, LogEntry).where(about).order_by(LogEntry.number).limit(50))


async def list_keys() -> list[str]:
    """Return every key that has signed heads of the log, the latest first, in published form."""
    keys = await LogHead.select(LogHead.key).order_by(LogHead.id, ascending=False).output(as_list=True)
    return list(dict.fromkeys(keys))


async def list_hidden(kind: str, about: str) -> list[HiddenStatement]:
    """Return the confidential facts of a kind whose names begin with `about`, in the order they were stated."""
    return await fetch_rows(HiddenStatement, SQL["list_hidden"], kind, about)


async def find_journal_document(entry: int) -> str | None:
    """Return a journal entry as a leaf of a day's tree."""
    return await fetch_scalar(str, SQL["find_journal_document"], entry)


async def find_trail_document(link: int) -> str | None:
    """Return a link of the audit trail's chain as a leaf of a day's tree."""
    return await fetch_scalar(str, SQL["find_trail_document"], link)


async def list_trail_heads() -> list[ItemName]:
    """Return the ten latest heads of the audit trail that are in a day's tree."""
    return await fetch_rows(ItemName, SQL["list_trail_heads"])
