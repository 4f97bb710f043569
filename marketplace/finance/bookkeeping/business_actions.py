"""Business's verb: add entries of sales and returns to the sums of their days."""

from __future__ import annotations

from typing import Final

from marketplace.core.database import execute, transaction
from marketplace.finance.bookkeeping.business_queries import SHARES, SOLD, SQL
from marketplace.money.ledger.actions import claim_unsummed

BATCH_SIZE: Final = 50_000
"""Entries that are summed in one transaction."""


async def sum_revenue() -> int:
    """Keep the entries that wait, and add them to the sums of their days; a job. Return how many."""
    summed = 0
    while True:
        async with transaction():
            if not (entries := await claim_unsummed(BATCH_SIZE)):
                return summed
            await execute(SQL["sum_revenue"], *SOLD, SHARES, entries)
        summed += len(entries)
