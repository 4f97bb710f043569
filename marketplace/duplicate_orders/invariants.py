"""What must always be true of duplicate orders."""

from __future__ import annotations

from typing import Final

from marketplace.duplicate_orders.queries import SQL
from marketplace.statements import Invariant

DUPLICATES: Final = (
    Invariant("of two orders of one release, not both go back as duplicates", SQL["list_both_returned"]),
)
