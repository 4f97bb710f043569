"""How old what is owed is, and what the books already say of the cash to come."""

from __future__ import annotations

import datetime as dt
import math
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.money.ledger import chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGES: Final = (31, 92, 366)
"""Days that divide what is owed by its age."""


class DayMove(Struct, frozen=True):
    """What came to be owed on an account on a day, and what was paid of it, in cents."""

    account: str
    day: dt.date
    added_minor: int
    paid_minor: int


class Coming(Struct, frozen=True):
    """Cash that the books say will come (positive) or go, within so many days, in cents, and its account."""

    account: str
    within_days: int
    amount_minor: int


def ages_of(moves: Sequence[DayMove], today: dt.date) -> list[int]:
    """Return what is owed by age, youngest first, in cents: payments settle what was owed longest.

    moves: of one account, in the order of days. What was paid before it was owed settles what comes next.
    """
    open_: deque[tuple[dt.date, int]] = deque()
    ahead = 0
    for move in moves:
        open_.append((move.day, move.added_minor))
        left = move.paid_minor + ahead
        while left and open_:
            day, amount = open_.popleft()
            if amount > left:
                open_.appendleft((day, amount - left))
            left -= min(amount, left)
        ahead = left
    ages = [0] * (len(AGES) + 1)
    for day, amount in open_:
        ages[sum((today - day).days >= limit for limit in AGES)] += amount
    return ages


DUE_WITHIN: Final = {
    chart.PARTNERS: 31,
    chart.ON_CREDIT: 31,
    chart.PROVISIONS: 31,
    chart.DISPUTES: 92,
    chart.SUPPLIERS: 31,
    chart.VAT_COLLECTED: 31,
    chart.VAT_RECLAIMED: 31,
    chart.SUBSCRIBERS_PAYABLE: 31,
    chart.SUBSCRIBERS_IN_TRANSIT: 31,
    chart.BILL_CREDITS: 31,
    chart.GIFTS: 31,
    chart.BENEFITS: 31,
    chart.OPERATOR_PAYABLE: 92,
    chart.SUBSCRIBERS_HELD: 92,
}
"""Accounts of what is due → within how many days: VAT and payouts monthly, what is held when its windows end."""
AHEAD_DAYS: Final = 30
"""How far sales are forecast."""
TAIL: Final = 0.1
"""The chance that sales are fewer than a forecast says, and that they are more."""
CASH: Final = (chart.BANK, chart.STRIPE, chart.TRANSFERS)


def forecast(balances: Mapping[str, int]) -> list[Coming]:
    """Return what the books already say will come and go, the soonest first; no new sale is assumed.

    balances: debits minus credits of each account, in cents.
    """
    coming = [Coming(account, days, balances.get(account, 0)) for account, days in DUE_WITHIN.items()]
    return sorted((row for row in coming if row.amount_minor), key=lambda row: (row.within_days, row.account))


def sales_ahead(sales: int, days: int, ahead: int = AHEAD_DAYS) -> tuple[int, int]:
    """Return the least and the most sales of the next `ahead` days, with a chance of four in five of lying between.

    sales: of `days` days, at least 1. Sales are thought to come one by one, at a rate that nothing else is known of: the
    count to come is then negative binomial (Gamma-Poisson under Jeffreys' prior). A dataset that had none is so given an
    interval, too, and one of a few is given a wide one.
    """
    size, stays = sales + 0.5, days / (days + ahead)
    fixed = size * math.log(stays) - math.lgamma(size)
    low, so_far, count = -1, 0.0, 0
    while so_far < 1 - TAIL:
        so_far += math.exp(fixed + math.lgamma(count + size) - math.lgamma(count + 1) + count * math.log1p(-stays))
        if low < 0 and so_far >= TAIL:
            low = count
        count += 1
    return low, count - 1
