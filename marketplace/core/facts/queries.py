"""Facts of the public log in the order they were stated."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from marketplace.core.database import fetch_rows, select
from marketplace.core.facts.tables import LogFact


class Fact(Struct, frozen=True):
    """One fact as stated; `statement` is JSON."""

    id: int
    kind: str
    subject: str
    statement: str
    at: dt.datetime


async def list_facts(after: int = 0, limit: int = 1000) -> list[Fact]:
    """Return up to `limit` facts with numbers greater than `after`, in their order."""
    query = select(Fact, LogFact).where(LogFact.id > after).order_by(LogFact.id).limit(limit)
    return await fetch_rows(Fact, query)
