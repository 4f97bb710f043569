"""How likely two things are the same money: a score from 0 to 100, with its reasons."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from marketplace.core.web import formats

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Clue:
    """The facts about one side of a possible match."""

    amount_minor: int
    day: dt.date
    references: Sequence[str] = ()
    """Its names: numbers and ids."""
    words: str = ""
    """Its texts, in which a reference of the other side may be found."""
    name: str = ""


EQUAL, CLOSE, NAMED, SOON, LATER, ALIKE = 50, 20, 30, 10, 5, 10
CLOSE_BY, SOON_DAYS, LATER_DAYS, LIKENESS = 50, 3, 10, 0.75
OUR_NAME, DAY = "CSV ", re.compile(r"\d{4}-\d{2}-\d{2}")
"""The beginning of the name of a statement from a CSV; its days follow."""
SHORTEST_REFERENCE: Final = 4
NUMBER: Final = re.compile(r"P(?=(-[0-9A-Z-]{4,16})?)(?=(?:[^0-9A-Z]*([0-9]{4})[^0-9A-Z]*([0-9]{6,9}))?)")
PAYOUT, STRIPE_PAYOUT = re.compile(r"pt[pb]([0-9a-f]{32})"), re.compile(r"po[^0-9a-z]?([0-9a-z_]+)")


def score(one: Clue, other: Clue) -> tuple[int, list[str]]:
    """Return how likely two things are the same money, from 0 to 100, and why."""
    points, reasons = 0, []
    difference = abs(one.amount_minor - other.amount_minor)
    if not difference:
        points, reasons = EQUAL, ["amount_equal"]
    elif difference * CLOSE_BY <= abs(one.amount_minor):
        points, reasons = CLOSE, ["amount_close"]
    if _names(one, other) or _names(other, one):
        points, reasons = points + NAMED, [*reasons, "reference_found"]
    days = abs((one.day - other.day).days)
    if days <= LATER_DAYS:
        points += SOON if days <= SOON_DAYS else LATER
        reasons.append("same_days" if days <= SOON_DAYS else "near_days")
    if one.name and other.name and likeness(one.name, other.name) >= LIKENESS:
        points, reasons = points + ALIKE, [*reasons, "name_alike"]
    return points, reasons


def _names(one: Clue, other: Clue) -> bool:
    words = _plain(other.words)
    return any(len(_plain(name)) >= SHORTEST_REFERENCE and _plain(name) in words for name in one.references)


def orders_in(words: str) -> list[str]:
    """Return possible numbers of orders in a text, even with spaces in them or more after them."""
    found = set[str]()
    for plain, year, place in NUMBER.findall(words.upper()):
        found |= {f"P{plain[:end]}" for end in range(SHORTEST_REFERENCE + 1, len(plain) + 1)}
        found |= {f"P-{year}-{place[:end]}" for end in range(6, len(place) + 1)}
    return sorted(found)


def payouts_in(words: str) -> list[uuid.UUID]:
    """Return the ids of subscribers' payouts and of their batches whose references are in a text."""
    return [uuid.UUID(found) for found in PAYOUT.findall(_plain(words))]


def stripe_payouts_in(words: str) -> list[str]:
    """Return possible ids of Stripe's payouts in a text, in lower case."""
    return [f"po_{found}" for found in STRIPE_PAYOUT.findall(words.lower())]


def likeness(one: str, other: str) -> float:
    """Return the similarity of two names, from 0 to 1, ignoring case, marks and legal form."""
    first, second = _name(one), _name(other)
    if first and second and (first in second or second in first):
        return 1.0
    return SequenceMatcher(None, first, second).ratio()


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _name(text: str) -> str:
    return " ".join(
        word
        for word in re.sub(r"[^\w ]", " ", text.lower()).split()
        if word not in {"sas", "sa", "sarl", "ltd", "gmbh", "inc"}
    )


def shown_name(statement: str) -> str:
    """Return the name of a statement; the days in a CSV's name are written as on the page."""
    if not statement.startswith(OUR_NAME):
        return statement
    return DAY.sub(lambda day: formats.date(dt.date.fromisoformat(day[0])), statement)
