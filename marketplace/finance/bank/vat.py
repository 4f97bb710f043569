"""VAT due to the tax office, or due from it, as of the end of a month; one of the office's bank lines settles it whole.

Later bank lines are subtracted, so a month is never settled twice.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.finance.bank.queries import SQL
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import MATCHES
from marketplace.money.ledger.periods import bounds
from marketplace.money.ledger.queries import balance

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTHS: Final = 3
"""How many months before its own a line may settle."""
MOMENT: Final = dt.timedelta(microseconds=1)


class MovedAmount(Struct, frozen=True):
    """The movements by bank lines on an account: credits minus debits, in cents."""

    account: str
    minor: int


def months_before(day: dt.date) -> list[dt.date]:
    """Return the first days of the months that a line of this day may settle, the latest first."""
    months = [day.replace(day=1)]
    for _ in range(MONTHS):
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    return months[1:]


async def vat_due(month: dt.date) -> Mapping[str, int]:
    """Return the movement by a settling bank line on each account of VAT, in cents, signed like the line.

    month: its first day. Negative amounts are paid to the tax office; accounts without movement are left out.
    """
    _, end = bounds(month)
    settled = await fetch_rows(MovedAmount, SQL["vat_settled_since"], list(chart.VAT), end, list(MATCHES))
    since = {row.account: row.minor for row in settled}
    due = {account: await balance(account, end - MOMENT) - since.get(account, 0) for account in chart.VAT}
    return {account: minor for account, minor in due.items() if minor}
