"""What the pages of a buyer need to see across slices."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows, fetch_scalar
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
MOST_RUNNING: Final = 5


class RunningAuction(Struct, frozen=True):
    """An auction that sells a release and is not over: the leading price, None under seal or before a bid, and the reserve."""

    id: uuid.UUID
    kind: str
    currency: str
    opens_at: dt.datetime
    closes_at: dt.datetime
    price_minor: int | None
    reserve_minor: int


async def list_running(release: uuid.UUID) -> list[RunningAuction]:
    """List auctions that sell a release and are not over, the first to close first; MOST_RUNNING at most."""
    return await fetch_rows(RunningAuction, SQL["list_running"], release, MOST_RUNNING)


async def find_released(licence: uuid.UUID) -> dt.datetime | None:
    """Return when the hold on a licence's shares ended and they became the subscribers'; None where they did not, yet or ever."""
    return await fetch_scalar(dt.datetime, SQL["find_released"], licence)
