"""Rules of searching: words out of what is typed or said of a dataset, and the state that an address holds."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from msgspec import Struct

from marketplace.search.index import FACETS, SORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

FEW: Final = 200
"""Changes of datasets that a visitor waits for; the job follows more of them, and nobody waits."""
MOST_WORDS: Final = 8
LONGEST_SEARCH: Final = 200
MOST_CHOSEN: Final = 20
"""Values of one facet that an address may choose."""
LONGEST_VALUE: Final = 200
LARGEST_CENTS: Final = 10**11
PATH: Final = "/catalogue"
WORD: Final = re.compile(r"[^\W_]+")
FIRST_COMBINING: Final = "\u0300"
"""The first sign that may be an accent of the one before it."""


class State(Struct, frozen=True):
    """What a visitor looks for, all of it in the address; `below` is a price before VAT in cents, or None."""

    search: str = ""
    chosen: dict[str, tuple[str, ...]] = {}
    below: int | None = None
    sort: str = SORTS[0]

    @property
    def is_empty(self) -> bool:
        """Return whether everything is looked for, in the usual order."""
        return self == State()

    def query(self) -> str:
        """Return the address's query: what is not stated is left out, so that one state has one address."""
        pairs: list[tuple[str, str]] = [("search", self.search)] if self.search else []
        pairs += [(facet, value) for facet in FACETS for value in sorted(self.chosen.get(facet, ()))]
        pairs += [("below", f"{self.below // 100}")] if self.below is not None else []
        pairs += [("sort", self.sort)] if self.sort != SORTS[0] else []
        return urlencode(pairs)

    def toggled(self, facet: str, value: str) -> State:
        """Return the state with one value of a facet chosen, or not chosen any more."""
        now = set(self.chosen.get(facet, ()))
        chosen = {**self.chosen, facet: tuple(sorted(now ^ {value}))}
        return State(self.search, {name: values for name, values in chosen.items() if values}, self.below, self.sort)


def read_state(pairs: Iterable[tuple[str, str]]) -> State:
    """Return the state of an address; what it does not know, or states badly, is as if it were not there."""
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
    """Return `text` in lower case without accents: what both languages' words are searched by."""
    apart = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return "".join([sign for sign in apart if sign < FIRST_COMBINING or not unicodedata.combining(sign)])


def words_of(text: str) -> list[str]:
    """Return the words of a text, each once, in their order: everything but letters and digits separates them."""
    return list(dict.fromkeys(WORD.findall(unaccented(text))))
