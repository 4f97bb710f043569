"""What is read of duplicate orders: what became of one."""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_row
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)


class Duplicate(Struct, frozen=True):
    """What became of a duplicate order, and the order that was paid first, with its number."""

    state: str
    first: uuid.UUID
    number: str


async def find_duplicate(order: uuid.UUID) -> Duplicate | None:
    """Return what was decided of an order as a duplicate of another one, or None."""
    return await fetch_row(Duplicate, SQL["find_duplicate"], order)
