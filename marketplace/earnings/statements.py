"""Statements: a subscriber's year to the millionth, and what a partner's licence did for the people in it, never who.

A year's statement adds up by itself: what was there when it began, each month's movements, what is there at its end.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_row
from marketplace.earnings.movements import find_mine, year_bounds
from marketplace.earnings.queries import (
    SQL,
    BalanceRow,
    MonthRow,
    Share,
    get_balance_before,
    list_months,
    list_shares,
)
from marketplace.errors import NotFound

if TYPE_CHECKING:
    from marketplace.earnings.movements import Mine

PAGES_OF_SHARES: Final = 20
"""A statement names as many shares as these pages hold; its months hold them all."""


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
    """Whether there are more than are named."""


class SoldLicence(Struct, frozen=True):
    """A licence as its partner bought it, in cents before VAT; rates in basis points. `order` and `number` are the order's."""

    order: uuid.UUID
    number: str
    company: str
    licence: uuid.UUID
    hold_until: dt.datetime
    net_minor: int
    currency: str
    subscribers_basis_points: int
    operator_basis_points: int
    platform_basis_points: int
    title_fr: str
    title_en: str
    area: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    published_people: int
    """Of all cells of the release, as noise left them; 0 where its build did not state it."""


class Division(Struct, frozen=True):
    """How a licence was divided, in cents: the sale, the fee and the rates say it, so it reveals nothing of who is in it."""

    state: str
    fee_minor: int
    distributable_minor: int
    pool_minor: int
    operator_minor: int
    platform_minor: int
    ended_at: dt.datetime | None


class LicenceStatement(Struct, frozen=True):
    """What a licence did for the people in it; `division` is None until the sale is divided."""

    sale: SoldLicence
    division: Division | None


async def get_year(subscriber: int, year: int) -> YearStatement:
    """Return a subscriber's year, in micro-euros and cents; refuses a year in which nothing moved."""
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
    """Return the shares of licences sold in between, the latest first, and whether there are more than are named."""
    found = list[Share]()
    for page in range(1, PAGES_OF_SHARES + 1):
        paged = await list_shares(subscriber, page, mine, (start, end))
        found += paged.rows
        if not paged.more:
            return found, False
    return found, True


async def get_licence_statement(partner: uuid.UUID, order: uuid.UUID) -> LicenceStatement:
    """Return what a partner's licence did for the people in it: pool and rates, never who, how many, or what of it each got.

    Refuses another partner's order, and one that has no licence.
    """
    sale = await fetch_row(SoldLicence, SQL["get_licence_of_order"], order, partner)
    if sale is None:
        raise NotFound("There is no such licence.")
    return LicenceStatement(sale, await fetch_row(Division, SQL["get_division"], sale.licence))
