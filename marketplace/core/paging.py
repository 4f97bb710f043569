"""Pages of a list: the number of rows, how many to skip, and whether more follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_SIZE = 25
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Paged(Generic[Row]):
    """One page of a list: its rows, its number from 1, and whether more follow."""

    rows: Sequence[Row]
    number: int
    more: bool


def offset(page: int) -> int:
    """Return how many rows precede page `page`."""
    return (max(page, 1) - 1) * PAGE_SIZE


def paged(rows: Sequence[Row], page: int) -> Paged[Row]:
    """Cut off the extra row that a query with LIMIT PAGE_SIZE + 1 fetches."""
    return Paged(rows[:PAGE_SIZE], max(page, 1), len(rows) > PAGE_SIZE)
