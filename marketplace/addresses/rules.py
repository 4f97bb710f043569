"""How an address is compared with others: number, street and postcode as one number, and its town as another; pure.

Both sides, the operator's table and what people write, are brought to the same form: without accents, case and signs,
short words of streets written out, articles left out, and the zeros that postcodes begin with, which spreadsheets lose.
Postcodes have four or five digits, as in most of Europe.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.map_layers.rules import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST: Final = 200
"""Signs of a line that is read as an address."""
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
SIGNED_64: Final = 8
"""Bytes of the numbers that addresses and towns are kept as."""


@dataclass(frozen=True, slots=True)
class Address:
    """What an address is found by: two numbers, which lead back to no text."""

    key: int
    """Of number, street and postcode."""
    town: int
    """0 where none is named."""


def read_line(line: str) -> Address | None:
    """Return the address that a line says, as number, street, postcode and town; None where it says something else."""
    words = folded(line[:LONGEST]).split() if line[:1].isdigit() else []
    at = next((place for place in range(len(words) - 1, 1, -1) if POSTCODE.fullmatch(words[place])), 0)
    first = NUMBER.fullmatch(words[0]) if at else None
    if first is None:
        return None
    suffix, street = first[2], words[1:at]
    if not suffix and len(street) > 1 and (street[0] in REPEATED or (len(street[0]) == 1 and street[0].isalpha())):
        # What is alone a letter is a suffix only where no street begins so: “8 r Thiers” is a rue.
        is_short = street[0] in WRITTEN_OUT
        suffix, street = ("", street) if is_short else (street[0], street[1:])
    if not any(word.isalpha() and len(word) > 1 for word in street):
        return None
    return _address(first[1], suffix, street, words[at], words[at + 1 :])


def of_row(number: str, suffix: str, street: str, postcode: str, town: str) -> Address | None:
    """Return the address of a row of the operator's table; None where it has no number, street or postcode."""
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
