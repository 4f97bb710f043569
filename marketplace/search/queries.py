"""What is found: the index of this process, brought up to date before each search."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import DB, fetch_row, fetch_rows, is_in_transaction
from marketplace.search.index import Card, Index, Word, in_every_order
from marketplace.search.rules import FEW, MOST_WORDS, words_of
from marketplace.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)
CARDS_AT_ONCE: Final = 5_000
CARDS_BETWEEN: Final = 500
"""Cards read before others of this process have their turn."""
MOST_STEMS: Final = 20_000
"""Words whose stems a process remembers."""


class News(Struct, frozen=True):
    """How many changes no card follows yet, and the latest version of any card; the numbers of the last change and of transactions.

    Changes are counted to one more than a visitor waits for.
    """

    unseen: int
    version: int
    last_change: int
    oldest_running: int
    next_to_begin: int


class Settling(Struct, frozen=True):
    """A change's number that no later change has; settled once every transaction before `ends_before` has ended."""

    change: int
    ends_before: int | None = None
    """None: not known yet; a transaction that has a number up to `change` began before the next look."""


class Stemmed(Struct, frozen=True):
    """A word with its stems in both languages; one that is too common to be looked for has fewer, or none."""

    word: str
    stems: list[str]
    is_common: bool


@dataclass(slots=True)
class IndexOfDatabase:
    """The index of one database, and who reads it anew at the moment."""

    index: Index = field(default_factory=Index)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    gone: int = 0
    """No change up to this number is left, or will be."""
    settling: Settling | None = None
    sorting: asyncio.Task[None] | None = None
    """What sorts the index anew beside searches."""

    def settle(self, news: News) -> None:
        """Learn from news without a change, of a look that began after `settling` was written."""
        if self.settling is None:
            self.settling = Settling(news.last_change) if news.last_change > self.gone else None
        elif self.settling.ends_before is None:
            self.settling = Settling(self.settling.change, news.next_to_begin)
        elif news.oldest_running >= self.settling.ends_before:
            self.gone, self.settling = self.settling.change, None


async def current(news: News) -> Index:
    """Return this process's index of the database, with every card up to the version of the news."""
    own = _of_database(DB.config["dsn"])
    if news.version == own.index.version:
        return own.index
    async with own.reading:
        if news.version < own.index.version:  # The database was restored to an earlier instant.
            own.index = Index()
        while own.index.version < news.version:
            cards = await fetch_rows(Card, SQL["list_cards"], own.index.version, CARDS_AT_ONCE)
            for start in range(0, len(cards), CARDS_BETWEEN):
                own.index.put(cards[start : start + CARDS_BETWEEN])
                await asyncio.sleep(0)
            if not cards:
                break
        if not own.index.is_sorted:
            await _sort(own.index)
    if own.index.is_unsorted and (own.sorting is None or own.sorting.done()):
        own.sorting = asyncio.create_task(_sort(own.index))
    return own.index


async def _sort(index: Index) -> None:
    """Sort the index anew in a thread; what changed in between is looked at beside the old orders, and then the new ones."""
    index.end_sorting(await asyncio.to_thread(in_every_order, index.begin_sorting()))


async def get_news() -> News:
    """Return how many changes no card follows yet, and the latest version of any card."""
    own = _of_database(DB.config["dsn"])
    settling = own.settling
    news = await fetch_row(News, SQL["find_news"], own.gone, FEW + 1)
    assert news
    if news.last_change < own.gone:  # The database was restored to an earlier instant.
        own.gone, own.settling = 0, None
        return await get_news()
    # Another look's numbers are not compared with this one's; and what our own transaction deletes may come back.
    if settling is own.settling and not news.unseen and not is_in_transaction():
        own.settle(news)
    return news


async def words_typed(typed: str) -> tuple[Word, ...]:
    """Return the words to look for: those too common in either language are left out where others are not."""
    stemmed = await stem(words_of(typed)[:MOST_WORDS])
    rare = [one for one in stemmed if not one.is_common] or stemmed
    return tuple(Word(one.word, tuple(one.stems)) for one in rare)


async def stem(words: Sequence[str]) -> list[Stemmed]:
    """Return words with their stems, from memory where they are known."""
    known = _stems()
    if unknown := [word for word in words if word not in known]:
        if len(known) + len(unknown) > MOST_STEMS:
            known.clear()
        known |= {one.word: one for one in await fetch_rows(Stemmed, SQL["stem_words"], list(words))}
    return [known[word] for word in words]


@functools.lru_cache(maxsize=1)
def _of_database(dsn: str) -> IndexOfDatabase:
    del dsn
    return IndexOfDatabase()


@functools.cache
def _stems() -> dict[str, Stemmed]:
    return {}
