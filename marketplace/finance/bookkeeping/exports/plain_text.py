"""What beancount and hledger share: accounts' names, and what each account holds at each month's end."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.finance.bookkeeping.queries import SQL
from marketplace.money.ledger.queries import list_accounts

if TYPE_CHECKING:
    from marketplace.finance.bookkeeping.exports.format import Days

ROOTS: Final = (
    ("40|42|43|44|45|46|47|49", "Liabilities"),
    ("2|3|41|48|5", "Assets"),
    ("6", "Expenses"),
    ("7", "Income"),
    ("1|8", "Equity"),
)
"""First digits of the chart → where beancount and hledger have such accounts; the first that fits."""


class MonthMove(Struct, frozen=True):
    """What an account moved, in cents, until a day (excluded) since the month's start before it."""

    account: str
    until: dt.date
    moved_minor: int


class MonthBalance(Struct, frozen=True):
    """What an account holds when a day begins, in cents; a debit balance is positive."""

    account: str
    day: dt.date
    minor: int


async def list_account_names() -> dict[str, str]:
    """Return every account of the chart under the name that beancount and hledger accept, by code."""
    return {account.code: account_name(account.code, account.title_en) for account in await list_accounts()}


def account_name(code: str, title: str) -> str:
    """Return an account's name: where it belongs, its code, its English title without signs."""
    root = next(root for digits, root in ROOTS if re.match(digits, code))
    letters = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", letters)
    return f"{root}:{'-'.join([code, *(word[0].upper() + word[1:] for word in words)])}"


async def list_month_balances(days: Days) -> list[MonthBalance]:
    """Return what each account holds when each month begins that follows one of the period, and the day after it.

    In the order of the days.
    """
    end = days.last + dt.timedelta(days=1)
    balance_of: dict[str, int] = {}
    moved: dict[dt.date, list[MonthMove]] = {}
    for move in await fetch_rows(MonthMove, SQL["monthly_moves"], *days.bounds):
        moved.setdefault(min(move.until, end), []).append(move)
    balances: list[MonthBalance] = []
    for day in sorted({*moved, end}):
        for move in moved.get(day, ()):
            balance_of[move.account] = balance_of.get(move.account, 0) + move.moved_minor
        if day > days.first:  # what was there before is in the first entry
            balances += [MonthBalance(account, day, balance_of[account]) for account in sorted(balance_of)]
    return balances
