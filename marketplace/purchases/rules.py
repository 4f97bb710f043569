"""Rules of buying: how long an entitlement lasts; numbers are `purchases.numbers`'s. VAT is `catalogue.vat`'s."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt

MONTHS_A_YEAR: Final = 12


def months_later(instant: dt.datetime, months: int) -> dt.datetime:
    """Return the same day and time `months` later, or the last day of a shorter month."""
    year, month = divmod(instant.year * MONTHS_A_YEAR + instant.month - 1 + months, MONTHS_A_YEAR)
    last_day = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last_day))
