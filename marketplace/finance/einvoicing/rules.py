"""The period in which a sale or a payment is reported, and when a period may be reported."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Final

DECADES: Final = (1, 11, 21)
"""The days on which a period of sales begins: a third of a month, for companies that declare VAT each month."""
GRACE: Final = dt.timedelta(hours=1)
"""How long after its end a period is reported: documents numbered just before are committed by then."""


def period_of(kind: str, day: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first and last day of the reporting period of a day: a third of a month; for payments the month."""
    last = calendar.monthrange(day.year, day.month)[1]
    if kind == "payments":
        return day.replace(day=1), day.replace(day=last)
    first = max(start for start in DECADES if start <= day.day)
    ends = {1: 10, 11: 20, 21: last}
    return day.replace(day=first), day.replace(day=ends[first])
