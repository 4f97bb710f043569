"""Reads for a buyer's pages across packages."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__)
MOST_RUNNING: Final = 5


class RunningAuction(Struct, frozen=True):
    """An auction of a release that has not ended: the leading price (None if sealed or without a bid), the reserve."""

    id: uuid.UUID
    kind: str
    currency: str
    opens_at: dt.datetime
    closes_at: dt.datetime
    price_minor: int | None
    reserve_minor: int


async def list_running(release: uuid.UUID) -> list[RunningAuction]:
    """List auctions of a release that have not ended, the first to close first; MOST_RUNNING at most."""
    return await fetch_rows(RunningAuction, SQL["list_running"], release, MOST_RUNNING)


async def find_released(licence: uuid.UUID) -> dt.datetime | None:
    """Return when a licence's shares became the subscribers', after their hold, or None."""
    return await fetch_scalar(dt.datetime, SQL["find_released"], licence)
