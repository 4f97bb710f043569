"""VAT that is due to the tax office, or comes back from it, as of the end of a month: what one of its bank lines settles whole.

What bank lines settled since is subtracted, so a month is never settled twice.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.bank.queries import SQL
from marketplace.database import fetch_rows
from marketplace.ledger import chart
from marketplace.ledger.entry_kinds import MATCHES
from marketplace.ledger.periods import bounds
from marketplace.ledger.queries import balance

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTHS: Final = 3
"""How many months before a line's own it may settle."""
MOMENT: Final = dt.timedelta(microseconds=1)


class Settled(Struct, frozen=True):
    """What bank lines moved on an account: credits minus debits, in cents."""

    account: str
    minor: int


def months_before(day: dt.date) -> list[dt.date]:
    """Return the first days of the months that a line of this day may settle, the latest first."""
    months = [day.replace(day=1)]
    for _ in range(MONTHS):
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    return months[1:]


async def vat_due(month: dt.date) -> Mapping[str, int]:
    """Return what a bank line that settles a month moves on each account of VAT, in cents, signed like the line.

    month: its first day. Below zero is paid to the tax office; accounts that move nothing are left out.
    """
    _, end = bounds(month)
    settled = await fetch_rows(Settled, SQL["vat_settled_since"], list(chart.VAT), end, list(MATCHES))
    since = {row.account: row.minor for row in settled}
    due = {account: await balance(account, end - MOMENT) - since.get(account, 0) for account in chart.VAT}
    return {account: minor for account, minor in due.items() if minor}
