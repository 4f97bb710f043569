"""Which datasets changed, for those who follow them: triggers record it, followers delete what they have read."""

from __future__ import annotations

from marketplace.core.database import fetch_column, is_in_transaction
from marketplace.datasets.releases.queries import SQL


async def claim_changes(most: int) -> list[str]:
    """Return the datasets of the `most` oldest changes, each once, and delete these, in the caller's transaction."""
    assert is_in_transaction(), "a change is forgotten in the transaction of what follows from it"
    return sorted(set(await fetch_column(str, SQL["claim_changes"], most)))
