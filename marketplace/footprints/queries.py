"""Which datasets may lie on the same ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST_NEAR: Final = """
SELECT mine.dataset, other.dataset AS near
FROM footprint AS mine
JOIN footprint AS other
    ON box(point(other.east, other.north), point(other.west, other.south))
        && box(point(mine.east, mine.north), point(mine.west, mine.south))
WHERE mine.dataset = ANY($1)
  AND other.dataset <> mine.dataset
ORDER BY mine.dataset, other.dataset
"""


class Near(Struct, frozen=True):
    """Two datasets whose boxes meet."""

    dataset: str
    near: str


async def list_near(datasets: Sequence[str]) -> list[Near]:
    """Return the datasets whose boxes meet those of some; all that have a release are measured."""
    return await fetch_rows(Near, LIST_NEAR, list(datasets))
