"""Statements of a subscriber's year, to the millionth, and of what a licence did for its contributors, without names.

A year's statement adds up by itself: the opening balance, each month's movements, the closing balance.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row
from marketplace.core.errors import NotFound, existing
from marketplace.subscribers.earnings.movements import find_mine, year_bounds
from marketplace.subscribers.earnings.queries import (
    SQL,
    BalanceRow,
    MonthRow,
    Share,
    get_balance_before,
    list_months,
    list_shares,
)

if TYPE_CHECKING:
    from marketplace.subscribers.earnings.movements import Mine

PAGES_OF_SHARES: Final = 20
"""A statement names at most the shares that fit on this many pages; its months include all of them."""


class YearStatement(Struct, frozen=True):
    """A subscriber's year: balances at both ends, months, shares by licence; `line` is the subscriber's reference."""

    year: int
    line: int
    months: list[MonthRow]
    """The latest first."""
    opening: BalanceRow
    closing: BalanceRow
    shares: list[Share]
    more_shares: bool
    """Whether more shares exist than are named."""


class SoldLicence(Struct, frozen=True):
    """A licence as its partner bought it, in cents before VAT; the people's rate in basis points.

    `order` and `number` are the order's.
    """

    order: uuid.UUID
    lot: int
    number: str
    company: str
    licence: uuid.UUID
    hold_until: dt.datetime
    posted_minor: int
    net_minor: int
    currency: str
    subscribers_basis_points: int
    title_fr: str
    title_en: str
    area: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    published_people: int
    """The sum of all cells of the release, with their noise; 0 where its build did not state it."""


class Division(Struct, frozen=True):
    """How a licence was divided, in cents; sale, fee and rates determine it, so it reveals nothing about people.

    What is not the pool is the operator's and the platform's.
    """

    state: str
    fee_minor: int
    distributable_minor: int
    pool_minor: int
    ended_at: dt.datetime | None


class LicenceStatement(Struct, frozen=True):
    """What a licence did for its contributors; `division` is None until the sale is divided."""

    sale: SoldLicence
    division: Division | None


async def get_year(subscriber: int, year: int) -> YearStatement:
    """Return a subscriber's year, in micro-euros and cents; raises NotFound for a year without movements."""
    if not dt.MINYEAR < year < dt.MAXYEAR:
        raise NotFound("Nothing moved in {year}.", year=year)
    start, end = year_bounds(year)
    mine = await find_mine(subscriber)
    months = await list_months(subscriber, year, mine)
    if not months:
        raise NotFound("Nothing moved in {year}.", year=year)
    shares, more = await _shares_of(subscriber, mine, start, end)
    opening = await get_balance_before(subscriber, start, mine)
    closing = await get_balance_before(subscriber, end, mine)
    return YearStatement(year, subscriber, months, opening, closing, shares, more)


async def _shares_of(subscriber: int, mine: Mine, start: dt.datetime, end: dt.datetime) -> tuple[list[Share], bool]:
    """Return the shares of licences sold between two instants, the latest first, and whether there are more."""
    found = list[Share]()
    for page in range(1, PAGES_OF_SHARES + 1):
        paged = await list_shares(subscriber, page, mine, (start, end))
        found += paged.rows
        if not paged.more:
            return found, False
    return found, True


async def get_licence_statement(partner: uuid.UUID, order: uuid.UUID, lot: int = 1) -> LicenceStatement:
    """Return what the licence of a lot did for its contributors: pool and rates, never who, how many or how much each.

    Raises NotFound for another partner's order, and for an order without a licence.
    """
    sold = await fetch_row(SoldLicence, SQL["get_licence_of_order"], order, partner, lot)
    sale = existing(sold, NotFound("There is no such licence."))
    return LicenceStatement(sale, await fetch_row(Division, SQL["get_division"], sale.licence))
