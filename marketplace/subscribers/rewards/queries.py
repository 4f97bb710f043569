"""Queries of rewards: the offer, a person's rewards, the lines that billing has still to answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import copy_out, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.subscribers.earnings.movements import year_bounds
from marketplace.subscribers.payouts.queries import PeopleSum
from marketplace.subscribers.rewards.tables import Association, Benefit, GiftPayment
from pricing.money import EUR

SQL: Final = load_statements(__package__)
MONTHS_SHOWN: Final = 12


class AssociationRow(Struct, frozen=True):
    """An association that can be given to."""

    code: str
    name: str
    pays_to: str


class BenefitRow(Struct, frozen=True):
    """A benefit and its price in cents."""

    code: str
    title_fr: str
    title_en: str
    price_minor: int


class WayRow(Struct, frozen=True):
    """How a line wants its money: bank, bill, gift or kept; and to which association a gift goes."""

    way: str
    gift_to: str | None


class RewardRow(Struct, frozen=True):
    """One reward of a person."""

    id: uuid.UUID
    way: str
    amount_minor: int
    state: str
    reason: str
    made_at: dt.datetime
    title_fr: str
    title_en: str


class GiftsRow(Struct, frozen=True):
    """What somebody gave to one association in a year, in cents."""

    name: str
    amount_minor: int
    gifts: int


class RunRow(Struct, frozen=True):
    """A run of rewards, and how many of its lines are unanswered or were refused."""

    id: uuid.UUID
    way: str
    amount_minor: int
    people: int
    made_at: dt.datetime
    open: int
    refused: int


class GiftMonth(Struct, frozen=True):
    """A month's gifts: cents, number of associations, and whether all of them were paid."""

    month: dt.date
    amount_minor: int
    associations: int
    is_paid: bool


class PaymentRow(Struct, frozen=True):
    """One payment of a month's gifts to an association."""

    id: uuid.UUID
    name: str
    iban: str
    amount_minor: int
    people: int
    made_at: dt.datetime


async def list_associations() -> list[AssociationRow]:
    """Return the associations that people can give to, by name."""
    listed = select(AssociationRow, Association).where(Association.ended_at.is_null())
    return await fetch_rows(AssociationRow, listed.order_by(Association.name))


async def list_benefits() -> list[BenefitRow]:
    """Return the benefits on offer, the cheapest first."""
    listed = select(BenefitRow, Benefit).where(Benefit.ended_at.is_null())
    return await fetch_rows(BenefitRow, listed.order_by(Benefit.price_minor))


async def get_way(line: int) -> WayRow:
    """Return how a line's holder wants the money: by transfer by default."""
    return await fetch_row(WayRow, SQL["get_way"], line) or WayRow("bank", None)


async def get_spendable(line: int) -> int:
    """Return what a line can spend, in micro-euros: closed money, less payouts under way."""
    return await fetch_scalar(int, SQL["get_spendable"], line) or 0


async def list_rewards(line: int, page: int = 1) -> Paged[RewardRow]:
    """Return one page of a line's rewards to its holder, other than transfers, the latest first."""
    return paged(await fetch_rows(RewardRow, SQL["list_rewards"], line, PAGE_SIZE + 1, offset(page)), page)


async def list_gifts_of_year(line: int, year: int) -> list[GiftsRow]:
    """Return the gifts of a line's holder in a year, by association, for the receipt."""
    return await fetch_rows(GiftsRow, SQL["list_gifts_of_year"], line, *year_bounds(year))


async def get_due(way: str) -> PeopleSum:
    """Return how many people are due by a way, and the sum."""
    return await fetch_row(PeopleSum, SQL["sum_due"], way) or PeopleSum(0, 0)


async def list_runs(page: int = 1) -> Paged[RunRow]:
    """Return one page of the runs, the latest first."""
    return paged(await fetch_rows(RunRow, SQL["list_runs"], PAGE_SIZE + 1, offset(page)), page)


async def list_gift_months() -> list[GiftMonth]:
    """Return the latest months with gifts, the latest first."""
    return await fetch_rows(GiftMonth, SQL["list_gift_months"], MONTHS_SHOWN)


async def list_payments(month: dt.date) -> list[PaymentRow]:
    """Return the payments of a month's gifts, by association."""
    of_month = select(PaymentRow, GiftPayment).where(GiftPayment.month == month)
    return await fetch_rows(PaymentRow, of_month.order_by(GiftPayment.association))


async def write_billing_file() -> bytes:
    """Return the file for the operator's billing: every line it has not answered, as CSV."""
    parts = [b"id,reference,what,amount_minor,currency\n"]

    async def sink(part: bytes) -> None:
        parts.append(part)

    await copy_out(SQL["list_open_lines"], EUR, sink=sink)
    return b"".join(parts)
