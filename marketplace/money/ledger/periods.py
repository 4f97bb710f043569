"""Months that close: which are closed, where the open books begin, and the verb that closes one for ever.

Every transaction that writes an entry shares the lock that a close has alone, so no entry slips in behind a close. A
trigger refuses an entry dated before the end of the last closed month.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.core.web.formats import PARIS
from marketplace.money.ledger.queries import SQL
from marketplace.money.ledger.tables import Period

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

PERIODS_LOCK = "periods"
CLOSED_BY: Final = {
    "": "month DESC",
    "oldest": "month",
    "closed": "closed_at, month",
    "person": "lower(name), month",
}
"""What the closed months are sorted by → SQL."""


def month_of(at: dt.datetime) -> dt.date:
    """Return the first day of the month that holds an instant, in Paris."""
    return at.astimezone(PARIS).date().replace(day=1)


def next_month(month: dt.date) -> dt.date:
    """Return the first day of the month after."""
    return (month + dt.timedelta(days=31)).replace(day=1)


def bounds(month: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return a month's start (included) and end (excluded): midnights in Paris."""
    start, end = (dt.datetime.combine(day, dt.time(), PARIS) for day in (month, next_month(month)))
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


class ClosedMonth(Struct, frozen=True):
    """A closed month, half-open, with the person who closed it and what was checked (`checks` is JSON)."""

    month: dt.date
    starts_at: dt.datetime
    ends_at: dt.datetime
    closed_at: dt.datetime
    name: str
    checks: str

    @property
    def checked(self) -> list[dict[str, str]]:
        """Return what was checked, and what each check found."""
        return msgspec.json.decode(self.checks, type=list[dict[str, Any]])


async def closed_until() -> dt.datetime | None:
    """Return the first instant whose entries are still accepted; None while nothing is closed."""
    return await fetch_scalar(dt.datetime, "SELECT max(ends_at) FROM period")


async def list_closed(sort: str = "") -> list[ClosedMonth]:
    """Return the closed months in an order of `CLOSED_BY`, newest first where it names none."""
    sql = f"""SELECT month, starts_at, ends_at, closed_at, person.name, checks
              FROM period JOIN person ON person.id = closed_by ORDER BY {CLOSED_BY.get(sort, CLOSED_BY[""])}"""
    return await fetch_rows(ClosedMonth, sql)


async def list_open(now: dt.datetime) -> list[dt.date]:
    """Return the months that have ended and are not closed, oldest first, from the first entry on."""
    first = await closed_until() or await fetch_scalar(dt.datetime, "SELECT min(at) FROM journal_entry")
    months, month = [], month_of(first) if first else month_of(now)
    while bounds(month)[1] <= now:
        months.append(month)
        month = next_month(month)
    return months


async def lock_periods() -> None:
    """Let no other transaction write entries until the open one ends."""
    await lock(PERIODS_LOCK)


async def close_period(month: dt.date, person: uuid.UUID, checks: Sequence[Mapping[str, object]]) -> None:
    """Close a month for ever, inside the transaction that has locked the periods; refuse one that is closed or not over.

    Each account's balance at its end is written with it: no entry dated before can change it any more.
    """
    starts_at, ends_at = bounds(month)
    now = clock.now()
    if ends_at > now:
        raise Conflict("That month is not over yet.")
    closed = await closed_until()
    if closed is not None and ends_at <= closed:
        raise Conflict("That month is closed, and a closed month never opens again.")
    found = json.dumps(list(checks), default=str)
    period = Period(month=month, starts_at=starts_at, ends_at=ends_at, closed_at=now, closed_by=person, checks=found)
    await Period.insert(period)
    await execute(SQL["write_period_balances"], ends_at - dt.timedelta(microseconds=1), month)
