"""All that is for sale, in memory: words to the datasets that have them, facets as bits, an order a way of sorting.

A search costs a few passes over bits, an eighth of a byte a dataset: flat to a million. Words are found by their stem, by
their beginning and, where nothing has either, by the nearest words there are. Nothing here reads a clock or a database.

Source: Damerau (1964), one change or transposed pair of letters; trigrams choose the words whose distance is computed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Bits = NDArray[np.uint8]
    Whole = NDArray[np.int64]

FACETS: Final = ("area", "indicator", "zones", "grain", "cadence", "price", "coverage", "latest")
PRICE_BANDS: Final = (10_000, 50_000, 200_000, 1_000_000)
"""Cents at which the next band begins."""
COVERAGE_BANDS: Final = (1_000, 2_500, 5_000)
"""Basis points at which the next band begins."""
SORTS: Final = ("fresh", "cheap", "dear", "coverage")
NO_PRICE: Final = 1 << 62
SHORT_WORD: Final = 4
"""A word of fewer letters never stands for another one."""
LONG_WORD: Final = 8
"""A word of so many letters may differ by two changes, a shorter one by one."""
MOST_CANDIDATES: Final = 60
"""Words whose distance is computed, those that share the most trigrams."""
MOST_BEGINNINGS: Final = 2_000
"""Words that one beginning stands for."""
FEW_OF: Final = 64
"""Where fewer than one dataset in so many matches, the matches are sorted; otherwise the order is walked until a page is full."""
BLOCK: Final = 4_096
FIRST_CAPACITY: Final = 1_024
MOST_VALUES: Final = 64
"""A facet of more values is counted by what the matches have, not value by value."""


class Card(Struct, frozen=True):
    """What a dataset is found by; `words`, `stems` and names of zones are each once, separated by spaces."""

    dataset: str
    is_listed: bool
    words: str
    stems: str
    area: str
    indicator: str
    zones: str
    grain: str
    cadence: str
    price_minor: int | None
    coverage_basis_points: int
    period_to: dt.datetime | None
    version: int


class Word(Struct, frozen=True):
    """A word as it was typed, in lower case without accents, and its stems in both languages."""

    typed: str
    stems: tuple[str, ...] = ()


class Asked(Struct, frozen=True):
    """What is looked for: every word, one of the chosen values of each facet, and a price of at most so many cents."""

    words: tuple[Word, ...] = ()
    chosen: dict[str, tuple[str, ...]] = {}
    most_minor: int | None = None
    sort: str = SORTS[0]


class Found(Struct, frozen=True):
    """A page of what was found, and all of it counted."""

    codes: list[str]
    total: int
    counts: dict[str, list[tuple[str, int]]]
    """Of each facet, how many more or fewer each value would leave, the most first: its own choice is left out of it."""
    instead: dict[str, str]
    """Words that nothing has, and the nearest that were looked for instead."""


class Index:
    """Cards by position; a card whose words change moves to a new position, and its old one is empty from then on."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.version = 0
        self._codes: list[str] = []
        self._place: dict[str, int] = {}
        self._worded: dict[str, tuple[str, str]] = {}
        self._postings: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._stemmed: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._vocabulary: list[str] = []
        self._fresh_words: set[str] = set()
        self._grams: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._gram_words: list[str] = []
        self._listed = _bits(FIRST_CAPACITY)
        self._facets: dict[str, dict[str, Bits]] = {facet: {} for facet in FACETS}
        self._values: list[tuple[str, ...]] = []
        self._keys = np.zeros((4, FIRST_CAPACITY), np.int64)
        """A row a column: end of the period in seconds, cents, basis points, and what decides between equals."""
        self._orders: dict[str, tuple[Whole, Whole]] = {}

    def __len__(self) -> int:
        """Return how many positions there are, empty ones too."""
        return len(self._codes)

    # ------------------------------------------------------------------ reading cards
    def put(self, cards: Sequence[Card]) -> None:
        """Read cards in the order of their versions; a card read again changes nothing."""
        for card in cards:
            self.version = max(self.version, card.version)
            at = self._place.get(card.dataset)
            if at is not None and self._worded[card.dataset] != (card.words, card.stems):
                self._unset(at)
                at = None
            if at is None:
                at = self._append(card)
            self._unset(at)
            if card.is_listed:
                self._set(at, card)
        if cards:
            self._orders.clear()

    def _append(self, card: Card) -> int:
        at = len(self._codes)
        if at == self._keys.shape[1]:
            self._grow(2 * at)
        self._codes.append(card.dataset)
        self._values.append(())
        self._place[card.dataset] = at
        self._worded[card.dataset] = (card.words, card.stems)
        for word in card.words.split():
            if word not in self._postings:
                self._fresh_words.add(word)
            self._postings[word].append(at)
        for stem in card.stems.split():
            self._stemmed[stem].append(at)
        digest = hashlib.blake2b(card.dataset.encode(), digest_size=6).digest()
        self._keys[3, at] = int.from_bytes(digest, "big")
        return at

    def _grow(self, capacity: int) -> None:
        self._keys = np.concatenate([self._keys, np.zeros((4, capacity - self._keys.shape[1]), np.int64)], axis=1)
        self._listed = _grown(self._listed, capacity)
        for values in self._facets.values():
            for value, bits in values.items():
                values[value] = _grown(bits, capacity)

    def _unset(self, at: int) -> None:
        self._listed[at >> 3] &= 255 ^ (128 >> (at & 7))
        for facet, value in zip(FACETS, self._values[at], strict=False):
            self._facets[facet][value][at >> 3] &= 255 ^ (128 >> (at & 7))
        self._values[at] = ()

    def _set(self, at: int, card: Card) -> None:
        self._values[at] = values = facet_values(card)
        self._listed[at >> 3] |= 128 >> (at & 7)
        for facet, value in zip(FACETS, values, strict=True):
            bits = self._facets[facet].get(value)
            if bits is None:
                bits = self._facets[facet][value] = _bits(self._keys.shape[1])
            bits[at >> 3] |= 128 >> (at & 7)
        self._keys[0, at] = int(card.period_to.timestamp()) if card.period_to else 0
        self._keys[1, at] = NO_PRICE if card.price_minor is None else card.price_minor
        self._keys[2, at] = card.coverage_basis_points

    # ------------------------------------------------------------------ finding
    def find(self, asked: Asked, *, skip: int, most: int) -> Found:
        """Return the `most` datasets after the first `skip` that match, how many do, and each facet's counts."""
        instead: dict[str, str] = {}
        base = self._listed.copy()
        for word in asked.words:
            base &= self._having(word, instead)
        if asked.most_minor is not None:
            cheap = np.zeros(8 * len(base), bool)
            cheap[: len(self)] = self._keys[1, : len(self)] <= asked.most_minor
            base &= np.packbits(cheap)
        chosen = {facet: self._any_of(facet, values) for facet, values in asked.chosen.items() if values}
        counts = {}
        for facet in FACETS:
            others = base.copy()
            for other, bits in chosen.items():
                if other != facet:
                    others &= bits
            counts[facet] = self._counted(facet, others, asked.chosen.get(facet, ()))
        for bits in chosen.values():
            base &= bits
        total = _count(base)
        return Found(self._page(base, total, asked.sort, skip, most), total, counts, instead)

    def _any_of(self, facet: str, values: Iterable[str]) -> Bits:
        bits = _bits(self._keys.shape[1])
        for value in values:
            if value in self._facets[facet]:
                bits |= self._facets[facet][value]
        return bits

    def _counted(self, facet: str, among: Bits, chosen: Iterable[str]) -> list[tuple[str, int]]:
        values = self._facets[facet]
        if len(values) <= MOST_VALUES:
            counts = [(value, _count(bits & among)) for value, bits in values.items()]
        else:
            here: defaultdict[str, int] = defaultdict(int)
            number = FACETS.index(facet)
            for at in np.flatnonzero(np.unpackbits(among))[:BLOCK].tolist():
                here[self._values[at][number]] += 1
            best = sorted(here, key=lambda value: (-here[value], value))[:MOST_VALUES]
            best += [value for value in chosen if value in values]
            counts = [(value, _count(values[value] & among)) for value in dict.fromkeys(best)]
        shown = {value: count for value, count in counts if count or value in chosen}
        shown |= {value: 0 for value in chosen if value not in shown}
        return sorted(shown.items(), key=lambda one: (-one[1], one[0]))

    def _page(self, match: Bits, total: int, sort: str, skip: int, most: int) -> list[str]:
        if skip >= total:
            return []
        order, rank = self._order(sort)
        if total * FEW_OF <= len(self) or total <= BLOCK // 8:
            at = np.flatnonzero(np.unpackbits(match))
            found = at[np.argsort(rank[at], kind="stable")][skip : skip + most]
            return [self._codes[one] for one in found.tolist()]
        whole, passed = np.unpackbits(match).view(bool), 0
        codes: list[str] = []
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            hits = block[whole[block]]
            if passed + len(hits) > skip:
                codes += [self._codes[one] for one in hits[max(skip - passed, 0) :][: most - len(codes)].tolist()]
                if len(codes) == most:
                    break
            passed += len(hits)
        return codes

    def _order(self, sort: str) -> tuple[Whole, Whole]:
        """Return the positions in the order of a way of sorting, and each position's place in it."""
        if sort not in self._orders:
            end, price, coverage, tie = self._keys[:, : len(self)]
            by = {"fresh": -end, "cheap": price, "dear": np.where(price == NO_PRICE, 0, -price), "coverage": -coverage}
            order = np.lexsort((tie, by[sort]))
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            self._orders[sort] = order, rank
        return self._orders[sort]

    # ------------------------------------------------------------------ words
    def _having(self, word: Word, instead: dict[str, str]) -> Bits:
        """Return the datasets that have a word: by stem or beginning, else by the nearest words, named in `instead`."""
        found = [self._stemmed[stem] for stem in word.stems if stem in self._stemmed]
        found += [self._postings[one] for one in self._beginning_with(word.typed)]
        if not found:
            near = self._near(word.typed)
            found = [self._postings[one] for one in near]
            if near:
                instead[word.typed] = near[0]
        whole = np.zeros(self._keys.shape[1], bool)
        for places in found:
            whole[np.frombuffer(places.tobytes(), np.int64)] = True
        return np.packbits(whole)

    def _beginning_with(self, typed: str) -> list[str]:
        self._learn()
        if len(typed) == 1:
            return [typed] if typed in self._postings else []
        start = bisect_left(self._vocabulary, typed)
        end = bisect_left(self._vocabulary, typed + "\U0010ffff", lo=start)
        return self._vocabulary[start : min(end, start + MOST_BEGINNINGS)]

    def _near(self, typed: str) -> list[str]:
        """Return the words that are the fewest changes from what was typed, those of most datasets first; none too far."""
        if len(typed) < SHORT_WORD:
            return []
        self._learn()
        found = [
            np.frombuffer(self._grams[gram].tobytes(), np.int64) for gram in _trigrams(typed) if gram in self._grams
        ]
        if not found:
            return []
        words, shared = np.unique(np.concatenate(found), return_counts=True)
        best = words[np.argsort(-shared, kind="stable")[:MOST_CANDIDATES]]
        most = 2 if len(typed) >= LONG_WORD else 1
        far = {word: changes(typed, word, most) for word in (self._gram_words[one] for one in best.tolist())}
        least = min(far.values(), default=most + 1)
        if least > most:
            return []
        return sorted((word for word in far if far[word] == least), key=lambda word: (-len(self._postings[word]), word))

    def _learn(self) -> None:
        """Sort what words were read since the last search into the vocabulary and its trigrams."""
        if not self._fresh_words:
            return
        fresh = sorted(self._fresh_words)
        self._fresh_words = set()
        self._vocabulary = sorted(self._vocabulary + fresh)
        for word in fresh:
            if len(word) >= SHORT_WORD - 1:
                for gram in _trigrams(word):
                    self._grams[gram].append(len(self._gram_words))
                self._gram_words.append(word)


def facet_values(card: Card) -> tuple[str, ...]:
    """Return a card's value of each facet, in the order of FACETS; bands are numbered from 0, the cheapest or the least."""
    price = "" if card.price_minor is None else str(np.searchsorted(PRICE_BANDS, card.price_minor, side="right"))
    coverage = str(np.searchsorted(COVERAGE_BANDS, card.coverage_basis_points, side="right"))
    latest = card.period_to.strftime("%Y-%m") if card.period_to else ""
    return (card.area, card.indicator, card.zones, card.grain, card.cadence, price, coverage, latest)


def changes(one: str, other: str, most: int) -> int:
    """Return how many letters must be changed, added, dropped or swapped with the next to make one word the other.

    `most` + 1 stands for anything above `most`.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        two_before, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _trigrams(word: str) -> set[str]:
    framed = f"  {word} "
    return {framed[at : at + 3] for at in range(len(framed) - 2)}


def _bits(capacity: int) -> Bits:
    return np.zeros(-(-capacity // 64) * 8, np.uint8)


def _grown(bits: Bits, capacity: int) -> Bits:
    more = _bits(capacity)
    more[: len(bits)] = bits
    return more


def _count(bits: Bits) -> int:
    return int(np.bitwise_count(bits.view(np.uint64)).sum())
