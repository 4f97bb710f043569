"""What auctions' awards that were not paid brought in: each defaulter's debt beside its deposits and penalties in the books."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.sorting import Columns, euros
from marketplace.finance.reconciliation.base_pages import finance_page
from marketplace.finance.reconciliation.queries import SQL
from marketplace.money.ledger import chart
from marketplace.money.ledger.base_pages import READERS, books_file
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS, balance
from marketplace.people.identity.guards import expect

FILE_COLUMNS: Final[Columns[Penalty]] = {
    "Partner": lambda row: row.company,
    "Since": lambda row: paris_day(row.decided_at),
    "Owes": lambda row: euros(row.owed_minor),
    "Deposits kept": lambda row: euros(row.deposits_minor),
    "Penalties": lambda row: euros(row.penalties_minor),
    "Went back": lambda row: euros(row.back_minor),
    "Left to pay": lambda row: euros(row.left_minor),
}


class Penalty(Struct, frozen=True):
    """What a winner who did not pay owes, what of it the books hold, what of that went back, and what is left; cents."""

    id: uuid.UUID
    auction: uuid.UUID
    company: str
    owed_minor: int
    decided_at: dt.datetime
    settled_at: dt.datetime | None
    barred_until: dt.datetime
    deposits_minor: int
    penalties_minor: int
    back_minor: int
    left_minor: int


async def list_penalties(page: int = 1) -> Paged[Penalty]:
    """Return winners who did not pay, the latest first."""
    return paged(await fetch_rows(Penalty, SQL["list_penalties"], PAGE_SIZE + 1, offset(page)), page)


@get("/finance/penalties", guards=READERS, opt=expect("finance", "auditor"))
async def penalties(page_number: PageNumber = 1) -> Template:
    """Show what winners who did not pay owe, what they paid, and what the books hold of it."""
    return finance_page(
        "penalties.html",
        rows=await list_penalties(page_number),
        deposits_minor=-await balance(chart.FORFEITED_DEPOSITS),
        penalties_minor=-await balance(chart.PENALTIES),
    )


ROUTES = [
    penalties,
    books_file(
        "/finance/penalties.csv",
        "unpaid-awards.csv",
        FILE_COLUMNS,
        lambda _which, _sort: fetch_rows(Penalty, SQL["list_penalties"], LARGEST_FILE_ROWS, 0),
    ),
]
