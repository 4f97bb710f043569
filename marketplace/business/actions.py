"""Business's verb: add entries of sales and returns to the sums of their days."""

from __future__ import annotations

from typing import Final

from marketplace.business.queries import SHARES, SOLD, SQL
from marketplace.database import fetch_scalar

BATCH_SIZE: Final = 50_000
"""Entries that are summed in one statement."""


async def sum_revenue() -> int:
    """Keep the entries that wait, and add them to the sums of their days; a job. Return how many."""
    summed = 0
    while count := await fetch_scalar(int, SQL["sum_revenue"], *SOLD, SHARES, BATCH_SIZE):
        summed += count
    return summed
