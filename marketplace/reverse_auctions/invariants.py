"""What must always be true of calls: an award answers every ask, once."""

from __future__ import annotations

from typing import Final

from marketplace.reverse_auctions.queries import SQL
from marketplace.statements import Invariant

CALLS: Final = (
    Invariant("every ask of an awarded call has its outcome, and no other has one", SQL["list_unanswered"]),
)
