"""What must always be true of the sums of revenue: a sentence, and the SQL that names the offenders; swept with all others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.finance.bookkeeping.business_queries import SHARES, SOLD, SQL

REVENUE: Final = (
    Invariant(
        "the sums of revenue and of shares are what the entries that do not wait for them add up to",
        SQL["list_wrong_sums"],
        (*SOLD, SHARES),
    ),
)
