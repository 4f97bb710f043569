"""Search with PostgreSQL's full text: each word by its stems or beginning, else by the nearest words."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from marketplace.catalogue.search.rules import FACETS, FEW, MOST_COUNTED, MOST_VALUES, MOST_WORDS, near, words_of
from marketplace.core.database import DB, fetch_row, fetch_rows
from marketplace.core.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from marketplace.catalogue.search.rules import State

SQL: Final = load_statements(__package__)
ORDERS: Final = {
    "fresh": "period_to DESC",
    "cheap": "price_minor",
    "dear": "price_minor DESC NULLS LAST",
    "coverage": "coverage_basis_points DESC",
}
MOST_ALIKE: Final = 60
"""Words whose distance from a misspelt one is computed: those that share the most trigrams."""
MOST_KEPT: Final = 100
"""Searches whose counts a process caches."""


class News(Struct, frozen=True):
    """How many changes have no updated card, up to one more than a visitor waits for, and the latest card version."""

    unseen: int
    version: int


class Stemmed(Struct, frozen=True):
    """A word with its stems in both languages; a stop word has fewer, or none."""

    word: str
    stems: list[str]
    is_common: bool


class Listed(Struct, frozen=True):
    """How many datasets for sale match something."""

    listed: int


class Alike(Struct, frozen=True):
    """A word that is spelt like another."""

    word: str


class Value(Struct, frozen=True):
    """A facet's value and how many datasets have it."""

    facet: str
    value: str
    count: int


class Code(Struct, frozen=True):
    """A dataset that was found."""

    dataset: str


class Counts(NamedTuple):
    """How many datasets match, and for each facet how many each value would leave."""

    total: int
    by_facet: dict[str, list[tuple[str, int]]]


class Found(Struct, frozen=True):
    """A page of matches, and the counts of all of them."""

    codes: list[str]
    total: int
    counts: dict[str, list[tuple[str, int]]]
    """For each facet, how many datasets each value would leave, the most first, without the facet's own choice.
    `MOST_COUNTED` + 1 means any larger number.
    """
    instead: dict[str, str]
    """Words without a match, and the nearest words searched for instead."""


async def get_news() -> News:
    """Return how many changes have no updated card, and the latest card version."""
    news = await fetch_row(News, SQL["find_news"], FEW + 1)
    assert news
    return news


async def find_cards(state: State, version: int, *, skip: int, most: int) -> Found:
    """Return the `most` datasets after the first `skip` matches, how many match, and each facet's counts."""
    words, instead = await _typed(state.search), dict[str, str]()
    counts = await _count(state, version, words)
    if not counts.total and words:
        words, instead = await _respelt(words)
        counts = await _count(state, version, words)
    narrowed = Narrowed(state, words)
    codes = await fetch_rows(
        Code,
        f"""SELECT dataset FROM search_card WHERE {narrowed.all()}
        ORDER BY {ORDERS[state.sort]}, md5(dataset) LIMIT {most:d} OFFSET {skip:d}""",
        *narrowed.values,
    )
    return Found([row.dataset for row in codes], counts.total, counts.by_facet, instead)


class Narrowed:
    """The conditions of a search as SQL, and the values of their parameters."""

    def __init__(self, state: State, words: dict[str, str]) -> None:
        """Write a state's conditions; its words are searches of the full text."""
        self.values: list[object] = []
        self.base = ["is_listed"]
        if words:
            self.base.append(f"words @@ {self._value(' & '.join(words.values()))}::text::tsquery")
        if state.below is not None:
            self.base.append(f"price_minor <= {self._value(state.below)}::bigint")
        self.chosen = {
            facet: f"{facet} = ANY ({self._value(list(values))}::text[])" for facet, values in state.chosen.items()
        }

    def _value(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def all(self) -> str:
        """Return the condition of all matches."""
        return " AND ".join([*self.base, *self.chosen.values()])

    def counting(self, facet: str) -> str:
        """Return the statement that counts a facet's values, without the facet's own choice."""
        others = [condition for other, condition in self.chosen.items() if other != facet]
        return (
            f"SELECT '{facet}' AS facet, {facet} AS value, count(*) AS count FROM base"
            f" WHERE {' AND '.join(others or ['true'])} GROUP BY {facet}"
        )


async def _count(state: State, version: int, words: dict[str, str]) -> Counts:
    """Count the matches; once for all pages and orders of a search, until a card changes."""
    narrowed, kept = Narrowed(state, words), _kept()
    key = (str(DB.config["dsn"]), version, narrowed.all(), str(narrowed.values))
    if key not in kept:
        # Words are searched once for all facets; without words each facet uses its own index or scan.
        how = "MATERIALIZED" if words else "NOT MATERIALIZED"
        base = f"SELECT {', '.join(FACETS)} FROM search_card WHERE {' AND '.join(narrowed.base)}"
        each = " UNION ALL ".join(map(narrowed.counting, FACETS))
        rows = await fetch_rows(Value, f"WITH base AS {how} ({base}) {each}", *narrowed.values)
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = _counts(rows, state.chosen)
    return kept[key]


def _counts(rows: Iterable[Value], chosen: dict[str, tuple[str, ...]]) -> Counts:
    found: dict[str, dict[str, int]] = {facet: dict.fromkeys(chosen.get(facet, ()), 0) for facet in FACETS}
    for row in rows:
        found[row.facet][row.value] = row.count
    its = chosen.get(FACETS[0])
    total = sum(count for value, count in found[FACETS[0]].items() if its is None or value in its)
    by_facet = {}
    for facet, counts in found.items():
        most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        shown = [one for at, one in enumerate(most) if at < MOST_VALUES or one[0] in chosen.get(facet, ())]
        by_facet[facet] = [(value, min(count, MOST_COUNTED + 1)) for value, count in shown]
    return Counts(total, by_facet)


@functools.cache
def _kept() -> dict[tuple[str, int, str, str], Counts]:
    return {}


# ------------------------------------------------------------------ words
async def _typed(typed: str) -> dict[str, str]:
    """Return the words to search for, each with its search, without stop words if there are others."""
    words = words_of(typed)[:MOST_WORDS]
    stemmed = await fetch_rows(Stemmed, SQL["stem_words"], words) if words else []
    rare = [one for one in stemmed if not one.is_common] or stemmed
    return {
        one.word: _either([f"'{one.word}'{':*' if len(one.word) > 1 else ''}", *map(_quoted, one.stems)])
        for one in rare
    }


async def _respelt(words: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return words that match something, with the nearest ones for those that do not; and the replacements."""
    instead = {}
    for word, listed in zip(list(words), await _listed(words.values()), strict=True):
        if listed or not (nearest := await _nearest(word)):
            continue
        instead[word] = nearest[0]
        words = words | {word: _either(map(_quoted, nearest))}
    return words, instead


async def _nearest(typed: str) -> list[str]:
    """Return the words for sale that are the fewest changes from a word without a match, the most frequent first."""
    close = near(typed, [row.word for row in await fetch_rows(Alike, SQL["list_alike"], typed, MOST_ALIKE)])
    listed = {word: count for word, count in zip(close, await _listed(map(_quoted, close)), strict=True) if count}
    least = min((close[word] for word in listed), default=0)
    return sorted((word for word in listed if close[word] == least), key=lambda word: (-listed[word], word))


async def _listed(searches: Iterable[str]) -> list[int]:
    return [row.listed for row in await fetch_rows(Listed, SQL["count_listed"], list(searches))]


def _either(searches: Iterable[str]) -> str:
    return f"({' | '.join(searches)})"


def _quoted(word: str) -> str:
    return f"'{word}'"
