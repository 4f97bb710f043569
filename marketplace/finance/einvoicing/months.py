"""VAT month by month: for few documents summed when shown, for many summed by a job and stored for the page."""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketplace.core import clock
from marketplace.core.database import execute_long, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.locks import lock
from marketplace.finance.einvoicing.queries import SQL, Month, list_months
from marketplace.finance.einvoicing.tables import EinvoicingMonth
from marketplace.money.ledger import chart

LIVE_UP_TO: Final = 5_000
"""How many documents a page sums itself."""
MOST_AGE: Final = dt.timedelta(hours=3)
"""How old shown sums may be; the job makes new ones every hour."""


KEEP: Final = f"""
    INSERT INTO einvoicing_month (month, booked_minor, statuses_minor, reports_minor, waiting_minor, summed_at)
    SELECT month, booked_minor, statuses_minor, reports_minor, waiting_minor, $3::timestamptz
    FROM ({SQL["list_months"]}) AS summed"""


async def list_shown_months() -> tuple[list[Month], dt.datetime | None]:
    """Return the VAT of each month, the latest first, and when it was summed; None: just now."""
    if await _are_many():
        at = await fetch_scalar(
            dt.datetime, "SELECT max(summed_at) FROM einvoicing_month WHERE summed_at >= $1", clock.now() - MOST_AGE
        )
        if at is not None:
            kept = select(Month, EinvoicingMonth).order_by(EinvoicingMonth.month, ascending=False)
            return await fetch_rows(Month, kept), at
    return await list_months(), None


async def sum_many_months() -> int:
    """Sum the VAT of each month if there are many documents, and replace the stored sums; a job. Return how many."""
    return await sum_months() if await _are_many() else 0


async def sum_months() -> int:
    """Sum the VAT of each month and replace the stored sums; return how many months."""
    async with transaction():
        await lock("sum months of e-invoices")
        await EinvoicingMonth.delete(force=True)
        await execute_long(KEEP, chart.VAT_COLLECTED, chart.SUSPENSE, clock.now())
    return int(await EinvoicingMonth.count())


async def _are_many() -> bool:
    found = await fetch_scalar(bool, "SELECT count(*) > $1 FROM (SELECT FROM invoice LIMIT $1 + 1) AS few", LIVE_UP_TO)
    return bool(found)
