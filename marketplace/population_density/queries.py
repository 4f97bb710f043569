"""What a partner may read of population density."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)


class Source(Struct, frozen=True):
    """An entitlement to presence by the hour; the period is half-open."""

    id: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str


async def list_open(partner: uuid.UUID, now: dt.datetime) -> list[Source]:
    """Return what a partner may read, the most exact first."""
    return await fetch_rows(Source, SQL["list_open"], partner, now)
