"""Invariants of calls: an award answers every ask, once."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.sales.auctions.reverse_queries import SQL

CALLS: Final = (
    Invariant("every ask of an awarded call has its outcome, and no other has one", SQL["list_unanswered"]),
)
