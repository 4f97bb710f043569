"""Rules of requests for data: when two are identical, and which are valid."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

import rfc8785
from msgspec import Struct

from marketplace.catalogue.search.rules import words_of
from marketplace.core.errors import Invalid
from marketplace.privacy.product_registry import PRODUCTS

GRAINS: Final = ("hour", "day", "week")
ANSWERS: Final = ("offered", "call", "refused")
LONGEST_PLACE: Final = 4_000
LONGEST_TEXT: Final = 2_000
LONGEST_DAYS: Final = 3_660
REQUESTS_A_DAY: Final = 20
"""How many requests a partner may make within a day."""


class RequestedData(Struct, frozen=True):
    """Requested data: zones or names, product, grain, and the first and the last day."""

    place: str
    product: str
    grain: str
    starts_on: dt.date
    ends_on: dt.date

    def digest(self) -> str:
        """Return the digest that identical requests share, hex; the place's words in any order and case."""
        stated = [sorted(words_of(self.place)), self.product, self.grain, str(self.starts_on), str(self.ends_on)]
        return hashlib.sha256(rfc8785.dumps(stated)).hexdigest()


def check_wanted(wanted: RequestedData) -> None:
    """Refuse an unanswerable request at its wrong field."""
    if not words_of(wanted.place) or len(wanted.place) > LONGEST_PLACE:
        raise Invalid("Name the zones or places you need.", field="place")
    if wanted.product not in PRODUCTS:
        raise Invalid("Choose what is to be counted.", field="product")
    if wanted.grain not in GRAINS:
        raise Invalid("Choose by hour, day or week.", field="grain")
    if wanted.ends_on < wanted.starts_on:
        raise Invalid("The last day is not before the first.", field="ends_on")
    if (wanted.ends_on - wanted.starts_on).days > LONGEST_DAYS:
        raise Invalid("Ask for ten years at most.", field="ends_on")


def check_answer(answer: str, *, dataset: str, reason_fr: str, reason_en: str) -> None:
    """Refuse an offer without a dataset, and a refusal without a reason in both languages."""
    if answer not in ANSWERS:
        raise Invalid("Choose an answer.", field="answer")
    if answer == "refused" and not (reason_fr.strip() and reason_en.strip()):
        raise Invalid("A refusal says why, in both languages.", field="reason_fr")
    if answer != "refused" and not dataset:
        raise Invalid("Name the dataset.", field="dataset")
