"""All that is for sale, in memory: words to the datasets that have them, facets as bits, an order a way of sorting.

A search costs a few passes over bits, an eighth of a byte a dataset, and looks at a bounded number of datasets: flat to a
million. Each facet's values are counted to a thousand. Words are found by their stem, by their beginning and, where nothing
has either, by the nearest words there are. Nothing here reads a clock or a database.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from msgspec import Struct

from marketplace.search.bits import count_bits, first_bits, grown, has, make_bits, set_bits, unset_bits
from marketplace.search.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Bits = NDArray[np.uint8]
    Places = NDArray[np.signedinteger[Any]]
    Members: TypeAlias = int | array[int] | Bits
    """Positions: the only one, a list of them, or bits."""
    Orders: TypeAlias = dict[str, Places]
    Keys: TypeAlias = NDArray[np.int64]

FACETS: Final = ("area", "indicator", "zones", "grain", "cadence", "price", "coverage", "latest")
PRICE_BANDS: Final = (10_000, 50_000, 200_000, 1_000_000)
"""Cents at which the next band begins."""
COVERAGE_BANDS: Final = (1_000, 2_500, 5_000)
"""Basis points at which the next band begins."""
SORTS: Final = ("fresh", "cheap", "dear", "coverage")
NO_PRICE: Final = 1 << 62
FEW_OF: Final = 64
"""What more than one dataset in so many has is kept in bits, what fewer have in a list of them: neither is the larger.
What one dataset has alone is its position: a million codes are a million words, and no object for the collector to visit."""
BLOCK: Final = 4_096
"""So many matches are few: they are counted and sorted one by one; of more, an order is walked until a page is full."""
MOST_COUNTED: Final = 1_000
"""A facet's value of more matches than these is counted as one more than them."""
FIRST_CAPACITY: Final = 1_024
MOST_VALUES: Final = 64
"""Of a facet of more values, those that the first matches have most are shown."""


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
    """Of each facet, how many each value would leave, the most first: its own choice is left out of it. `MOST_COUNTED` + 1
    stands for any number above `MOST_COUNTED`."""
    instead: dict[str, str]
    """Words that nothing has, and the nearest that were looked for instead."""


class Index:
    """Cards by position; a card whose words change moves to a new position, and its old one is empty from then on."""

    def __init__(self, block: int = BLOCK, most_counted: int = MOST_COUNTED) -> None:
        """Begin with nothing read. block: how much is looked at before a shorter way is sought."""
        self.version = 0
        self._block, self._most_counted = block, most_counted
        self._codes: list[str] = []
        self._place: dict[str, int] = {}
        self._worded: dict[str, int] = {}
        """Of each dataset, the hash of its words: what says that they changed."""
        self._postings: dict[str, Members] = {}
        self._stemmed: dict[str, Members] = {}
        self._words = Vocabulary(block)
        self._listed = make_bits(FIRST_CAPACITY)
        self._members: dict[str, dict[str, Members]] = {facet: {} for facet in FACETS}
        self._sizes: list[Counter[str]] = [Counter() for _ in FACETS]
        self._numbers: list[dict[str, int]] = [{} for _ in FACETS]
        self._named: list[list[str]] = [[] for _ in FACETS]
        """Of each facet, the values by their numbers."""
        self._valued = np.zeros((len(FACETS), FIRST_CAPACITY), np.int32)
        """A row a facet: the number of each position's value."""
        self._keys = np.zeros((4, FIRST_CAPACITY), np.int64)
        """A row a column: end of the period in seconds, cents, basis points, and what decides between equals."""
        self._sorting: tuple[Orders, set[int]] = ({}, set())
        """Positions in each order, and those that changed since they were sorted."""
        self._moving: set[int] | None = None
        """Those that changed since the orders began to be sorted anew, while they are."""

    def __len__(self) -> int:
        """Return how many positions there are, empty ones too."""
        return len(self._codes)

    # ------------------------------------------------------------------ reading cards
    def put(self, cards: Sequence[Card]) -> None:
        """Read cards in the order of their versions; a card read again changes nothing."""
        new: dict[str, Card] = {}
        for card in cards:
            self.version = max(self.version, card.version)
            if card.dataset in new:
                self._append(list(new.values()))
                new = {}
            at = self._place.get(card.dataset)
            if at is not None and self._worded[card.dataset] != hash((card.words, card.stems)):
                self._unset(at)
                at = None
            if at is None:
                new[card.dataset] = card
            elif card.is_listed:
                self._set(at, card)
            else:
                self._unset(at)
        self._append(list(new.values()))

    def _append(self, cards: list[Card]) -> None:
        """Read cards at new positions, all at once: each word and value that several of them have is looked for once."""
        start, listed = len(self._codes), []
        while start + len(cards) > self._keys.shape[1]:
            self._grow(2 * self._keys.shape[1])
        words: defaultdict[str, list[int]] = defaultdict(list)
        stems: defaultdict[str, list[int]] = defaultdict(list)
        for at, card in enumerate(cards, start):
            self._place[card.dataset] = at
            self._worded[card.dataset] = hash((card.words, card.stems))
            for word in card.words.split():
                words[word].append(at)
            for stem in card.stems.split():
                stems[stem].append(at)
            if card.is_listed:
                listed.append((at, card))
        self._codes += [card.dataset for card in cards]
        for word, places in words.items():
            if word not in self._postings:
                self._words.add(word)
            self._add_all(self._postings, word, places)
        for stem, places in stems.items():
            self._add_all(self._stemmed, stem, places)
        self._keys[3, start : len(self._codes)] = [_tie(card.dataset) for card in cards]
        self._move(*range(start, len(self._codes)))
        if listed:
            self._list(listed)

    def _list(self, listed: list[tuple[int, Card]]) -> None:
        """Note what datasets at new positions are found by."""
        at = np.array([at for at, _ in listed], np.int64)
        set_bits(self._listed, at)
        self._keys[:3, at] = np.array([_keys_of(card) for _, card in listed], np.int64).T
        for facet, values in enumerate(zip(*(facet_values(card) for _, card in listed), strict=True)):
            places: defaultdict[str, list[int]] = defaultdict(list)
            for one, value in zip(at.tolist(), values, strict=True):
                places[value].append(one)
            for value, its in places.items():
                self._valued[facet, its] = self._number(facet, value)
                self._sizes[facet][value] += len(its)
                self._add_all(self._members[FACETS[facet]], value, its)

    def _add_all(self, having: dict[str, Members], what: str, places: list[int]) -> None:
        """Note that several positions have something; as `_add` otherwise."""
        if len(places) == 1:
            self._add(having, what, places[0])
            return
        members = having.get(what)
        if isinstance(members, np.ndarray):
            set_bits(members, np.array(places))
            return
        if isinstance(members, array):
            members.extend(places)
        else:
            members = array("i", places if members is None else [members, *places])
        having[what] = members
        if len(members) * FEW_OF > self._keys.shape[1] + FEW_OF:
            having[what] = bits = make_bits(self._keys.shape[1])
            set_bits(bits, _places(members))

    def _add(self, having: dict[str, Members], what: str, at: int) -> None:
        """Note that a position has something: alone, in a list, and in bits once it is one position in 64."""
        members = having.get(what)
        if members is None:
            having[what] = at
        elif isinstance(members, int):
            having[what] = array("i", (members, at))
        elif not isinstance(members, array):
            members[at >> 3] |= 128 >> (at & 7)
        elif len(members) * FEW_OF <= self._keys.shape[1]:
            members.append(at)
        else:
            having[what] = bits = make_bits(self._keys.shape[1])
            set_bits(bits, _places(members))
            bits[at >> 3] |= 128 >> (at & 7)

    def _drop(self, facet: int, at: int) -> None:
        """Forget that a position has its value of a facet."""
        value = self._value(facet, int(self._valued[facet, at]))
        self._sizes[facet][value] -= 1
        having = self._members[FACETS[facet]]
        members = having[value]
        if isinstance(members, int):
            having[value] = array("i")
        elif isinstance(members, array):
            members.remove(at)
        else:
            members[at >> 3] &= 255 ^ (128 >> (at & 7))

    def _grow(self, capacity: int) -> None:
        more = capacity - self._keys.shape[1]
        self._keys = np.concatenate([self._keys, np.zeros((4, more), np.int64)], axis=1)
        self._valued = np.concatenate([self._valued, np.zeros((len(FACETS), more), np.int32)], axis=1)
        self._listed = grown(self._listed, capacity)
        for having in (self._postings, self._stemmed, *self._members.values()):
            having |= {what: grown(bits, capacity) for what, bits in having.items() if isinstance(bits, np.ndarray)}

    def _is_set(self, at: int) -> bool:
        return bool(self._listed[at >> 3] & 128 >> (at & 7))

    def _unset(self, at: int) -> None:
        self._move(at)
        if self._is_set(at):
            self._listed[at >> 3] &= 255 ^ (128 >> (at & 7))
            for facet in range(len(FACETS)):
                self._drop(facet, at)

    def _set(self, at: int, card: Card) -> None:
        """Note what a dataset for sale is found by: of one that was for sale before, what changed."""
        self._move(at)
        was_set = self._is_set(at)
        self._listed[at >> 3] |= 128 >> (at & 7)
        for facet, value in enumerate(facet_values(card)):
            number = self._number(facet, value)
            if was_set:
                if self._valued[facet, at] == number:
                    continue
                self._drop(facet, at)
            self._valued[facet, at] = number
            self._sizes[facet][value] += 1
            self._add(self._members[FACETS[facet]], value, at)
        self._keys[:3, at] = _keys_of(card)

    def _number(self, facet: int, value: str) -> int:
        """Return the number of a facet's value, a new one for a new value."""
        known = self._numbers[facet]
        if value not in known:
            known[value] = len(known)
            self._named[facet].append(value)
        return known[value]

    def _move(self, *places: int) -> None:
        orders, moved = self._sorting
        if orders:
            moved.update(places)
        if self._moving is not None:
            self._moving.update(places)

    @property
    def is_sorted(self) -> bool:
        """Return whether there are orders to walk, or too little to need any."""
        return bool(self._sorting[0]) or len(self) <= self._block

    @property
    def is_unsorted(self) -> bool:
        """Return whether so much changed since the orders were sorted that they should be sorted anew."""
        return not self.is_sorted or len(self._sorting[1]) > self._block

    def sort(self) -> None:
        """Sort every order anew."""
        self.end_sorting(in_every_order(self.begin_sorting()))

    def begin_sorting(self) -> Keys:
        """Return a copy of what `in_every_order` sorts by; cards may be read while it does, in a thread."""
        self._moving = set()
        return self._keys[:, : len(self)].copy()

    def end_sorting(self, orders: Orders) -> None:
        """Walk these orders from now on, but for what changed since the copy."""
        self._sorting, self._moving = (orders, self._moving or set()), None

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
        match = base.copy()
        for bits in chosen.values():
            match &= bits
        whole = Matches(match, self._block)
        counts = {}
        for facet in FACETS:
            among = whole
            if facet in chosen:
                others = base.copy()
                for other, bits in chosen.items():
                    if other != facet:
                        others &= bits
                among = Matches(others, self._block)
            counts[facet] = self._counted(facet, among, asked.chosen.get(facet, ()))
        return Found(self._page(whole, asked.sort, skip, most), whole.total, counts, instead)

    def _any_of(self, facet: str, values: Iterable[str]) -> Bits:
        known = self._members[facet]
        return self._union(known[value] for value in values if value in known)

    def _union(self, several: Iterable[Members]) -> Bits:
        bits = make_bits(self._keys.shape[1])
        few: list[Places] = [np.empty(0, np.int32)]
        for members in several:
            if isinstance(members, np.ndarray):
                bits |= members
            else:
                few.append(_places(members))
        set_bits(bits, np.concatenate(few))
        return bits

    def _counted(self, facet: str, among: Matches, chosen: Iterable[str]) -> list[tuple[str, int]]:
        """Return the values of what is among the matches, each with its count, up to one more than are counted.

        Few matches are counted one by one; of many, each value that the first of them have, or all where they are not many.
        """
        number = FACETS.index(facet)
        known, sizes = self._members[facet], self._sizes[number]
        here = np.bincount(self._valued[number, among.first], minlength=1)
        if among.total <= len(among.first):
            counts = {self._value(number, at): int(here[at]) for at in np.flatnonzero(here).tolist()}
        else:
            best = list(known)
            if len(known) > MOST_VALUES:
                best = [self._value(number, at) for at in np.argsort(-here, kind="stable")[:MOST_VALUES].tolist()]
            counts = {
                value: among.count(known[value], self._most_counted) for value in {*best, *chosen} if value in known
            }
        shown = {
            value: min(count, self._most_counted + 1) for value, count in counts.items() if count or value in chosen
        }
        shown |= {value: 0 for value in chosen if value not in shown}
        most = sorted(shown.items(), key=lambda one: (-one[1], -sizes[one[0]], one[0]))
        if len(most) > MOST_VALUES:
            most = [one for at, one in enumerate(most) if at < MOST_VALUES or one[0] in chosen]
        return most

    def _value(self, facet: int, number: int) -> str:
        return self._named[facet][number]

    def _page(self, match: Matches, sort: str, skip: int, most: int) -> list[str]:
        if skip >= match.total:
            return []
        if match.total <= len(match.first):
            found = self._in_order(match.first, sort)[skip : skip + most]
        else:
            orders, changed = self._sorting
            if sort not in orders:
                orders[sort] = self._in_order(np.arange(len(self)), sort)
            if changed:
                moved = np.fromiter(changed, np.int64)
                unmoved = match.bits.copy()
                unset_bits(unmoved, moved)
                first = self._walk(orders[sort], unmoved, 0, skip + most)
                found = self._in_order(np.concatenate([first, moved[has(match.bits, moved)]]), sort)[skip : skip + most]
            else:
                found = self._walk(orders[sort], match.bits, skip, most)
        return [self._codes[at] for at in found.tolist()]

    def _walk(self, order: Places, match: Bits, skip: int, most: int) -> Places:
        """Return the `most` positions after the first `skip` that match, by walking an order until they are found."""
        passed, found = 0, []
        for start in range(0, len(order), self._block):
            block = order[start : start + self._block]
            hits = block[has(match, block)]
            found.append(hits[max(skip - passed, 0) : max(skip + most - passed, 0)])
            passed += len(hits)
            if passed >= skip + most:
                break
        return np.concatenate(found)

    def _in_order(self, places: Places, sort: str) -> Places:
        return _in_order(self._keys, places, sort)

    # ------------------------------------------------------------------ words
    def _having(self, word: Word, instead: dict[str, str]) -> Bits:
        """Return the datasets that have a word: by stem or beginning, else by the nearest words, named in `instead`."""
        found = [self._stemmed[stem] for stem in word.stems if stem in self._stemmed]
        found += [self._postings[one] for one in self._words.beginning_with(word.typed)]
        if not found:
            near = sorted(self._words.near(word.typed), key=lambda one: (-_size(self._postings[one]), one))
            found = [self._postings[one] for one in near]
            if near:
                instead[word.typed] = near[0]
        return self._union(found)


class Matches:
    """Positions that match, in bits: how many they are, and the first of them, all where they are few."""

    __slots__ = ("bits", "block", "first", "total")

    def __init__(self, bits: Bits, block: int) -> None:
        """Count what matches. block: how many make few."""
        self.bits, self.block = bits, block
        self.total = count_bits(bits)
        self.first = first_bits(bits, block)

    def count(self, members: Members, most: int) -> int:
        """Return how many match of those that have something; any number above `most` may stand for more than it."""
        found = 0
        if not isinstance(members, np.ndarray):
            places = _places(members)
            for start in range(0, len(places), self.block):
                found += int(np.count_nonzero(has(self.bits, places[start : start + self.block])))
                if found > most:
                    break
            return found
        step = self.block
        start = 0
        while start < len(members) and found <= most:
            found += count_bits(members[start : start + step] & self.bits[start : start + step])
            start, step = start + step, 2 * step
        return found


def facet_values(card: Card) -> tuple[str, ...]:
    """Return a card's value of each facet, in the order of FACETS; bands are numbered from 0, the cheapest or the least."""
    price = "" if card.price_minor is None else str(bisect_right(PRICE_BANDS, card.price_minor))
    coverage = str(bisect_right(COVERAGE_BANDS, card.coverage_basis_points))
    latest = f"{card.period_to.year:04}-{card.period_to.month:02}" if card.period_to else ""
    return (card.area, card.indicator, card.zones, card.grain, card.cadence, price, coverage, latest)


def _keys_of(card: Card) -> tuple[int, int, int]:
    """Return what a card is sorted by: end of the period in seconds, cents, basis points."""
    end = int(card.period_to.timestamp()) if card.period_to else 0
    return end, NO_PRICE if card.price_minor is None else card.price_minor, card.coverage_basis_points


def _tie(dataset: str) -> int:
    """Return what decides between equals: a number that says nothing of a dataset."""
    return int.from_bytes(hashlib.blake2b(dataset.encode(), digest_size=6).digest(), "big")


def in_every_order(keys: Keys) -> Orders:
    """Return all positions in the order of each way of sorting."""
    return {sort: _in_order(keys, np.arange(keys.shape[1]), sort) for sort in SORTS}


def _in_order(keys: Keys, places: Places, sort: str) -> Places:
    """Return positions in the order of a way of sorting."""
    end, price, coverage, tie = keys[:, places]
    by = {"fresh": -end, "cheap": price, "dear": np.where(price == NO_PRICE, 0, -price), "coverage": -coverage}
    return places[np.lexsort((tie, by[sort]))]


def _places(members: int | array[int]) -> Places:
    return np.array((members,), np.int32) if isinstance(members, int) else np.frombuffer(members.tobytes(), np.int32)


def _size(members: Members) -> int:
    return count_bits(members) if isinstance(members, np.ndarray) else 1 if isinstance(members, int) else len(members)
