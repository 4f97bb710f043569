"""Figures of the business: revenue by what was sold, to whom and how; months; what is owed by age; cash to come.

Everything is read from the books, by sums of days: those of revenue, with what entries of sales and returns moved that is
not in them yet, and those of accounts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import PARIS
from marketplace.finance.bookkeeping.business_rules import CASH, Coming, DayMove, ages_of, forecast
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import trial_balance

SQL: Final = load_statements(__package__, "business_queries.sql")
SIDES: Final = ("dataset", "partner", "sector", "way", "vat")
"""What revenue is shown by."""
SOLD: Final = (chart.LICENCES_SOLD, chart.VAT_COLLECTED)
"""The accounts of revenue and of its VAT."""
SHARES: Final = [chart.SUBSCRIBERS_SHARES, chart.OPERATOR_SHARE]
"""The accounts of what of a sale is others'."""
OWED: Final = (chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE, chart.OPERATOR_PAYABLE)
SPENT: Final = (chart.SUBSCRIBERS_SHARES, chart.OPERATOR_SHARE, chart.STRIPE_FEES)
"""Where an euro that was sold goes, before what stays."""


class RevenueRow(Struct, frozen=True):
    """What was sold less what went back of one dataset, partner, sector, way or VAT rule, in cents before VAT, and its VAT."""

    key: str
    name_fr: str
    name_en: str
    orders: int
    """How many were sold in these days, those that went back too."""
    net_minor: int
    vat_minor: int


class MonthMove(Struct, frozen=True):
    """Credits minus debits of an account in a month, in cents."""

    month: dt.date
    account: str
    earned_minor: int


class OrderedAhead(Struct, frozen=True):
    """Subscriptions that run, the releases they still bring, and what these cost at the most, in cents before VAT."""

    subscriptions: int
    releases: int
    at_most_minor: int


class PricedRow(Struct, frozen=True):
    """How often partners asked for a dataset's price."""

    code: str
    title_fr: str
    title_en: str
    quoted: int


class Prospect(Struct, frozen=True):
    """Since when a dataset has something to sell, and what its subscriptions still bring at the most, in cents before VAT."""

    code: str
    sold_since: dt.datetime
    due_releases: int
    due_minor: int


class MonthRow(Struct, frozen=True):
    """What was sold in a month before VAT and where it went, in cents."""

    month: dt.date
    sold_minor: int
    subscribers_minor: int
    operator_minor: int
    fees_minor: int

    @property
    def kept_minor(self) -> int:
        """Return what stays."""
        return self.sold_minor - self.subscribers_minor - self.operator_minor - self.fees_minor

    @property
    def subscribers_part(self) -> float:
        """Return the subscribers' part of each euro sold."""
        return self.subscribers_minor / self.sold_minor if self.sold_minor > 0 else 0.0


class OwedRow(Struct, frozen=True):
    """What is owed on an account by age, youngest first, in cents; see `rules.AGES`."""

    account: str
    ages: list[int]


class Cash(Struct, frozen=True):
    """What is there now, in cents, and what the books say will come and go."""

    now_minor: int
    coming: Sequence[Coming]

    def after(self, days: int) -> int:
        """Return what is there after so many days."""
        return self.now_minor + sum(row.amount_minor for row in self.coming if row.within_days <= days)


def bounds_of(first: dt.date, last: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return the instant a day begins, and that after which another is over, in Paris."""
    start, end = (dt.datetime.combine(day, dt.time(), PARIS) for day in (first, last + dt.timedelta(days=1)))
    return start, end


async def list_revenue(side: str, first: dt.date, last: dt.date) -> list[RevenueRow]:
    """Return revenue between two days, both included, by a side of `SIDES`, largest first."""
    return await fetch_rows(RevenueRow, SQL["list_revenue"], *SOLD, *bounds_of(first, last), side)


async def list_months(first: dt.date, last: dt.date) -> list[MonthRow]:
    """Return the months between two days that moved something, oldest first, with where what was sold went."""
    accounts = [chart.LICENCES_SOLD, *SPENT]
    moved: dict[dt.date, dict[str, int]] = {}
    for row in await fetch_rows(MonthMove, SQL["list_months"], first, last + dt.timedelta(days=1), accounts):
        moved.setdefault(row.month, {})[row.account] = row.earned_minor
    return [
        MonthRow(month, its.get(chart.LICENCES_SOLD, 0), *(-its.get(account, 0) for account in SPENT))
        for month, its in moved.items()
    ]


async def moved_on(account: str, first: dt.date, last: dt.date) -> int:
    """Return credits minus debits of an account between two days, both included, in cents."""
    rows = await fetch_rows(MonthMove, SQL["list_months"], first, last + dt.timedelta(days=1), [account])
    return sum(row.earned_minor for row in rows)


async def list_priced(start: dt.datetime, end: dt.datetime) -> list[PricedRow]:
    """Return how often the price of each dataset was asked for from `start` until `end`, auctions left out."""
    return await fetch_rows(PricedRow, SQL["list_priced"], start, end)


async def list_prospects() -> dict[str, Prospect]:
    """Return what is known of the sales to come of each dataset that was published, by its code."""
    return {row.code: row for row in await fetch_rows(Prospect, SQL["list_prospects"])}


async def list_owed(today: dt.date) -> list[OwedRow]:
    """Return what is owed to subscribers and the operator by age."""
    moves = await fetch_rows(DayMove, SQL["list_day_moves"], list(OWED))
    return [OwedRow(account, ages_of([row for row in moves if row.account == account], today)) for account in OWED]


async def get_cash() -> Cash:
    """Return the cash there is and what the books already say of it."""
    balances = {row.code: row.balance_minor for row in await trial_balance()}
    return Cash(sum(balances[account] for account in CASH), forecast(balances))


async def count_ordered_ahead() -> OrderedAhead:
    """Return what subscriptions still have to bring."""
    row = await fetch_row(OrderedAhead, SQL["count_ordered_ahead"])
    assert row, "an aggregate has one row"
    return row
