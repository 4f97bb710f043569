"""Rules of searching: the words of a text, a dataset's facets, and the state in an address.

Source: Damerau (1964), one change or transposed pair of letters.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from msgspec import Struct

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

FACETS: Final = ("area", "indicator", "zones", "grain", "cadence", "price", "coverage", "latest")
"""Each is a column of the cards."""
PRICE_BANDS: Final = (10_000, 50_000, 200_000, 1_000_000)
"""Cents at which each next band begins."""
COVERAGE_BANDS: Final = (1_000, 2_500, 5_000)
"""Basis points at which each next band begins."""
SORTS: Final = ("fresh", "cheap", "dear", "coverage")
MOST_COUNTED: Final = 1_000
"""Matches of a facet's value are counted up to one more than this."""
MOST_VALUES: Final = 64
"""Values of a facet that are shown, those with the most matches."""
SHORT_WORD: Final = 4
"""A word with fewer letters is never replaced by another one."""
LONG_WORD: Final = 8
"""A word with so many letters may differ by two changes, a shorter one by one."""
FEW: Final = 200
"""Changes of datasets that a visitor waits for; the job handles more of them without a wait."""
MOST_WORDS: Final = 8
LONGEST_SEARCH: Final = 200
MOST_CHOSEN: Final = 20
"""Values of one facet that an address may choose."""
LONGEST_VALUE: Final = 200
LARGEST_CENTS: Final = 10**11
PATH: Final = "/catalogue"
WORD: Final = re.compile(r"[^\W_]+")
FIRST_COMBINING: Final = "\u0300"
"""The first character that may be an accent of the one before it."""


class State(Struct, frozen=True):
    """A visitor's search, all of it in the address; `below` is a price before VAT in cents, or None."""

    search: str = ""
    chosen: dict[str, tuple[str, ...]] = {}
    below: int | None = None
    sort: str = SORTS[0]

    @property
    def is_empty(self) -> bool:
        """Return whether it selects everything in the usual order."""
        return self == State()

    def query(self) -> str:
        """Return the address's query without unstated fields, so that one state has one address."""
        pairs: list[tuple[str, str]] = [("search", self.search)] if self.search else []
        pairs += [(facet, value) for facet in FACETS for value in sorted(self.chosen.get(facet, ()))]
        pairs += [("below", f"{self.below // 100}")] if self.below is not None else []
        pairs += [("sort", self.sort)] if self.sort != SORTS[0] else []
        return urlencode(pairs)

    def toggled(self, facet: str, value: str) -> State:
        """Return the state with one value of a facet added, or removed if it is chosen."""
        now = set(self.chosen.get(facet, ()))
        chosen = {**self.chosen, facet: tuple(sorted(now ^ {value}))}
        return State(self.search, {name: values for name, values in chosen.items() if values}, self.below, self.sort)


def read_state(pairs: Iterable[tuple[str, str]]) -> State:
    """Return the state of an address; unknown and malformed parts are ignored."""
    search, below, sort = "", None, SORTS[0]
    chosen: dict[str, set[str]] = {}
    for name, value in pairs:
        if name == "search":
            search = "".join(sign for sign in value if sign.isprintable())[:LONGEST_SEARCH]
        elif name in FACETS and 0 < len(value) <= LONGEST_VALUE and len(chosen.get(name, ())) < MOST_CHOSEN:
            chosen.setdefault(name, set()).add(value)
        elif name == "below" and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            below = int(value) * 100
        elif name == "sort" and value in SORTS:
            sort = value
    return State(search, {name: tuple(sorted(values)) for name, values in chosen.items()}, below, sort)


def unaccented(text: str) -> str:
    """Return `text` in lower case without accents: the form in which both languages are searched."""
    apart = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return "".join([sign for sign in apart if sign < FIRST_COMBINING or not unicodedata.combining(sign)])


def words_of(text: str) -> list[str]:
    """Return the words of a text, each once, in their order; everything except letters and digits separates them."""
    return list(dict.fromkeys(WORD.findall(unaccented(text))))


def bands_of(
    price_minor: int | None, coverage_basis_points: int, period_to: dt.datetime | None
) -> tuple[str, str, str]:
    """Return the bands of a price and a coverage, numbered from 0, and the month in which a period ends."""
    price = "" if price_minor is None else str(bisect_right(PRICE_BANDS, price_minor))
    coverage = str(bisect_right(COVERAGE_BANDS, coverage_basis_points))
    return price, coverage, f"{period_to:%Y-%m}" if period_to else ""


def near(typed: str, words: Iterable[str]) -> dict[str, int]:
    """Return the words that may replace a typed one, each with its number of changes."""
    most = 0 if len(typed) < SHORT_WORD else 1 if len(typed) < LONG_WORD else 2
    far = {word: changes(typed, word, most) for word in words}
    return {word: count for word, count in far.items() if count <= most}


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
