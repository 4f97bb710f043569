"""How addresses are compared: number, street and postcode as one number, and the town as another; pure.

The operator's table and the lines that people write are brought to the same form: no accents, case or signs, short
words of streets written out, articles left out, and no leading zeros of postcodes, which spreadsheets lose. Postcodes
have four or five digits, as in most of Europe. If a line has no postcode, or the town precedes it, each way to separate
the street from the town is tried, with the postcodes that the operator's table has for that town.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.datasets.geography.layer_rules import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST: Final = 200
"""The most characters of a line that is read as an address."""
NUMBER: Final = re.compile(r"(\d{1,4})([a-z]?)")
POSTCODE: Final = re.compile(r"\d{4,5}")
REPEATED: Final = ("bis", "ter", "quater")
LEFT_OUT: Final = frozenset(("d", "de", "du", "des", "l", "la", "le", "les", "the", "of", "et"))
COUNTRY: Final = frozenset(("france", "cedex"))
WRITTEN_OUT: Final = {
    "all": "allee",
    "av": "avenue",
    "ave": "avenue",
    "bd": "boulevard",
    "bld": "boulevard",
    "blvd": "boulevard",
    "bvd": "boulevard",
    "ch": "chemin",
    "che": "chemin",
    "crs": "cours",
    "fbg": "faubourg",
    "fg": "faubourg",
    "imp": "impasse",
    "pl": "place",
    "r": "rue",
    "rte": "route",
    "sq": "square",
    "st": "saint",
    "ste": "sainte",
}
KINDS: Final = frozenset(WRITTEN_OUT.values()) - {"saint", "sainte"} | {
    *("chaussee", "cite", "corniche", "esplanade", "galerie", "grande", "hameau", "lotissement", "mail", "montee"),
    *("parvis", "passage", "promenade", "quai", "residence", "rond", "route", "ruelle", "sentier", "traverse", "villa"),
    *("voie", "zone"),
}
"""First words of streets: a line with a number and one of these is an address, known or not."""
LONGEST_TOWN: Final = 8
"""The most words of a town's name."""
QUARTER: Final = re.compile(r"(.+?) 0?(\d{1,2})(?: ?(?:er|e|eme|ieme))?(?: arrondissement| arr| ardt)?")
"""A town with the number of one of its arrondissements."""
SIGNED_64: Final = 8
"""Bytes of the numbers that represent addresses and towns."""


@dataclass(frozen=True, slots=True)
class Address:
    """The two numbers by which an address is found; they lead back to no text."""

    key: int
    """Hash of number, street and postcode."""
    town: int
    """Hash of the town, 0 if none is named."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A line as an address of a town, if it has no postcode or ends with it."""

    number: str
    suffix: str
    street: tuple[str, ...]
    town: tuple[str, ...]
    postcode: str
    """Empty if none is written."""

    @property
    def known_as(self) -> int:
        """Return the hash of the town among `names_of`."""
        return _number(_quarter(_plain(self.town)))

    def at(self, postcode: str) -> Address:
        """Return the address, in one of the town's postcodes."""
        return _address(self.number, self.suffix, self.street, postcode, self.town)


@dataclass(frozen=True, slots=True)
class Several:
    """An address in several places: of these postcodes, ascending; empty if only their towns differ."""

    postcodes: tuple[str, ...]


Whereabouts = tuple[float, float] | Several | None
"""Where an address lies: latitude and longitude in degrees; several possible places; None if the table lacks it."""


def read_line(line: str) -> Address | None:
    """Return a line's address as number, street, postcode and town; None if it is no address."""
    words = _words(line)
    at = _postcode_of(words)
    begun = _begin(words[: at or 0])
    if begun is None or at is None:
        return None
    number, suffix, street = begun
    return _address(number, suffix, street, words[at], words[at + 1 :]) if _is_street(street) else None


def placed(line: str) -> list[Placed]:
    """Return the ways to read a line as an address that ends with its town, or town and postcode; shortest town first.

    With a comma before the town, or the postcode between street and town, there is at most one way.
    """
    words = _words(line)
    at = _postcode_of(words)
    if at is not None and at < len(words) - 1:
        return []
    postcode, words = ("", words) if at is None else (words[at], words[:at])
    begun = _begin(words)
    if begun is None:
        return []
    number, suffix, rest = begun
    after_comma = [_without_country(folded(part).split()) for part in line[:LONGEST].split(",")]
    named = [part for part in after_comma if part][-1][: -1 if postcode else None]
    sizes = range(1, min(LONGEST_TOWN, len(rest) - 1) + 1)
    if named and rest[-len(named) :] == named and _is_street(rest[: -len(named)]):
        sizes = range(len(named), len(named) + 1)
    parted = [(rest[:-size], rest[-size:]) for size in sizes]
    return [Placed(number, suffix, tuple(s), tuple(t), postcode) for s, t in parted if _is_street(s) and _is_town(t)]


def is_address(line: str) -> bool:
    """Return whether a line can only be an address: a number, then a first word of streets."""
    begun = _begin(_words(line))
    return begun is not None and len(begun[2]) > 1 and WRITTEN_OUT.get(begun[2][0], begun[2][0]) in KINDS


def names_of(town: str) -> set[int]:
    """Return the hashes of a town of the operator's table: of its name, and of its city if it is an arrondissement."""
    plain = _plain(word for word in folded(town).split() if word not in COUNTRY)
    part = QUARTER.fullmatch(plain)
    return {_number(name) for name in ({_quarter(plain), part[1]} if part else {plain}) if name}


def _words(line: str) -> list[str]:
    return _without_country(folded(line[:LONGEST]).split()) if line[:1].isdigit() else []


def _without_country(words: list[str]) -> list[str]:
    while words and words[-1] in COUNTRY:
        words = words[:-1]
    return words


def _postcode_of(words: Sequence[str]) -> int | None:
    return next((place for place in range(len(words) - 1, 1, -1) if POSTCODE.fullmatch(words[place])), None)


def _begin(words: Sequence[str]) -> tuple[str, str, list[str]] | None:
    """Return the number, its suffix and the rest of a line's words; None if it begins otherwise."""
    first = NUMBER.fullmatch(words[0]) if words else None
    if first is None:
        return None
    suffix, rest = first[2], list(words[1:])
    if not suffix and len(rest) > 1 and (rest[0] in REPEATED or (len(rest[0]) == 1 and rest[0].isalpha())):
        # A lone letter is a suffix only if no street begins with it: “8 r Thiers” is a rue.
        is_short = rest[0] in WRITTEN_OUT
        suffix, rest = ("", rest) if is_short else (rest[0], rest[1:])
    return first[1], suffix, rest


def _is_street(words: Sequence[str]) -> bool:
    return any(word.isalpha() and len(word) > 1 for word in words)


def _is_town(words: Sequence[str]) -> bool:
    return bool(_plain(words)) and words[0].isalpha()


def _quarter(town: str) -> str:
    """Return a town with the number of its arrondissement as people write it: lyon 2e arrondissement → lyon 2."""
    part = QUARTER.fullmatch(town)
    return f"{part[1]} {part[2]}" if part else town


def of_row(number: str, suffix: str, street: str, postcode: str, town: str) -> Address | None:
    """Return the address of a row of the operator's table; None if it has no number, street or postcode."""
    first, code = NUMBER.fullmatch(folded(number)), folded(postcode)
    if first is None or not POSTCODE.fullmatch(code) or not street:
        return None
    return _address(first[1], folded(suffix) or first[2], folded(street).split(), code, folded(town).split())


def _address(number: str, suffix: str, street: Sequence[str], postcode: str, town: Sequence[str]) -> Address:
    place = _plain(word for word in town if word not in COUNTRY)
    return Address(
        _number(f"{int(number)} {suffix} {_plain(street)} {postcode.lstrip('0')}"), _number(place) if place else 0
    )


def _plain(words: Iterable[str]) -> str:
    return " ".join(WRITTEN_OUT.get(word, word) for word in words if word not in LEFT_OUT)


def _number(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=SIGNED_64, usedforsecurity=False).digest()
    return int.from_bytes(digest, "big", signed=True)
