"""What must always be true of private offers."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.sales.agreed.private_queries import SQL

PRIVATE_OFFERS: Final = (
    Invariant(
        "a private price is its partner's, while it is offered, not under the least charge, and moves no public price and no share",
        SQL["list_misused"],
    ),
)
