"""Which datasets changed, for those who follow them: triggers note it, and who looked again deletes the notes."""

from __future__ import annotations

from msgspec import Struct

from marketplace.database import fetch_rows, is_in_transaction
from marketplace.datasets.queries import SQL


class Changed(Struct, frozen=True):
    """A dataset whose offer or releases changed."""

    dataset: str


async def claim_changes(most: int) -> list[str]:
    """Return the datasets of the `most` oldest changes, each once, and forget that they changed; in the caller's transaction."""
    assert is_in_transaction(), "a change is forgotten in the transaction of what follows from it"
    return sorted({row.dataset for row in await fetch_rows(Changed, SQL["claim_changes"], most)})
