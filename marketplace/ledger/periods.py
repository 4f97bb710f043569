"""Months that close: which are closed, where the open books begin, and the verb that closes one for ever.

Whoever writes an entry shares the lock that a close holds alone, so no entry slips in behind one; a trigger refuses
what is dated before the end of the last closed month.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.database import execute, fetch, fetch_value, lock
from marketplace.errors import Conflict
from marketplace.ledger.queries import TRIAL_BALANCE
from marketplace.web.formats import PARIS

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

PERIODS_LOCK = "periods"


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


async def closed_until() -> dt.datetime | None:
    """Return the first instant whose entries are still accepted; None while nothing is closed."""
    at: dt.datetime | None = await fetch_value("SELECT max(ends_at) FROM period")
    return at


async def list_closed() -> list[dict[str, Any]]:
    """Return the closed months, newest first, with who closed each and what was checked."""
    rows = await fetch(
        """SELECT period.*, person.name FROM period JOIN person ON person.id = closed_by ORDER BY month DESC"""
    )
    return [{**row, "checks": json.loads(row["checks"])} for row in rows]


async def list_open(now: dt.datetime) -> list[dt.date]:
    """Return the months that have ended and are not closed, oldest first, from the first entry on."""
    first: dt.datetime | None = await closed_until() or await fetch_value("SELECT min(at) FROM journal_entry")
    months, month = [], month_of(first) if first else month_of(now)
    while bounds(month)[1] <= now:
        months.append(month)
        month = next_month(month)
    return months


async def hold_periods() -> None:
    """Keep every writer of entries out until the open transaction ends."""
    await lock(PERIODS_LOCK)


async def close_period(month: dt.date, person: uuid.UUID, checks: Sequence[Mapping[str, object]]) -> None:
    """Close a month for ever, inside the transaction that holds the periods; refuse one that is closed or not over.

    What every account adds up to by its end is written with it: nothing dated before can change that any more.
    """
    starts_at, ends_at = bounds(month)
    now = clock.now()
    if ends_at > now:
        raise Conflict("That month is not over yet.")
    closed = await closed_until()
    if closed is not None and ends_at <= closed:
        raise Conflict("That month is closed, and a closed month never opens again.")
    await execute(
        """INSERT INTO period (month, starts_at, ends_at, closed_at, closed_by, checks)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        month, starts_at, ends_at, now, person, json.dumps(list(checks), default=str),
    )  # fmt: skip
    await execute(
        f"""INSERT INTO period_balance (month, account, debit_minor, credit_minor)
            SELECT $3, code, debit_minor, credit_minor FROM ({TRIAL_BALANCE}) AS told""",
        ends_at - dt.timedelta(microseconds=1), False, month,  # noqa: FBT003 (by the books' date)
    )  # fmt: skip
