"""What is read of credit: what a partner may still buy on invoice, what is owed and by when, what waits for a decision."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.money.credit.rules import DAY, Available
from marketplace.money.credit.tables import CreditSale
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS

SQL: Final = load_statements(__package__)
SALES_BY: Final = {
    "": "due_at, credit_sale.number",
    "due": "due_at, credit_sale.number",
    "partner": "lower(partner.company), due_at, credit_sale.number",
    "owed": "total_minor - returned_minor - paid_minor DESC, due_at, credit_sale.number",
    "provision": "provision_minor DESC, due_at, credit_sale.number",
}
LIMITS_BY: Final = {
    "": "lower(company), partner",
    "partner": "lower(company), partner",
    "limit": "limit_minor DESC, lower(company), partner",
    "owed": "owed_minor DESC, lower(company), partner",
    "overdue": "overdue_minor DESC, lower(company), partner",
    "left": "greatest(limit_minor - owed_minor, 0), lower(company), partner",
}
"""How each list can be sorted: the first order is the one without a name."""


class SaleRow(Struct, frozen=True):
    """A sale on credit that owes something, or is owed money back; amounts in cents, VAT included."""

    subject: uuid.UUID
    partner: uuid.UUID
    company: str
    number: str
    total_minor: int
    returned_minor: int
    paid_minor: int
    written_off_minor: int
    provision_minor: int
    granted_at: dt.datetime
    due_at: dt.datetime
    reminders: int
    suspended_at: dt.datetime | None

    @property
    def owed_minor(self) -> int:
        """What the partner owes of it; below zero, what we owe the partner."""
        return self.total_minor - self.returned_minor - self.paid_minor

    def overdue_days(self, now: dt.datetime) -> int:
        """Return how many days ago it was due, begun ones included; zero while it is not."""
        return max(-((self.due_at - now) // DAY), 0) if now > self.due_at else 0


class LimitRow(Struct, frozen=True):
    """A partner with a limit or a debt, amounts in cents."""

    partner: uuid.UUID
    company: str
    limit_minor: int
    owed_minor: int
    overdue_minor: int

    @property
    def left_minor(self) -> int:
        """What the partner may still buy on invoice, were nothing overdue."""
        return max(self.limit_minor - self.owed_minor, 0)


class Age(Struct, frozen=True):
    """What is owed of what is overdue for a number of days, begun ones included; `owed_minor` in cents."""

    days: int
    owed_minor: int


class Totals(Struct, frozen=True):
    """What is to be transferred back of sales on credit, written off and provided for, in cents."""

    back_minor: int
    written_off_minor: int
    provided_minor: int


class DueRow(Struct, frozen=True):
    """When a sale on credit is due, since when its data is closed because it was not paid, and what is written off, in cents."""

    due_at: dt.datetime
    suspended_at: dt.datetime | None
    settled_at: dt.datetime | None
    written_off_minor: int


async def get_available(partner: uuid.UUID) -> Available:
    """Return what a partner may buy on invoice now; its limit is zero where nobody granted one."""
    row = await fetch_row(Available, SQL["get_available"], partner, clock.now())
    assert row, "an aggregate has one row"
    return row


async def has_limit(partner: uuid.UUID) -> bool:
    """Return whether a partner may pay on invoice, be it that its limit is used up."""
    return (await get_available(partner)).limit_minor > 0


async def list_sales(page: int, which: str = "", sort: str = "") -> Paged[SaleRow]:
    """Return a page of what is owed on credit, in an order of SALES_BY; `which` narrows it, see `pages.STATES`."""
    return paged(await _list_sales(None, which, sort, PAGE_SIZE + 1, offset(page)), page)


async def list_all_sales(partner: uuid.UUID | None = None, which: str = "", sort: str = "") -> list[SaleRow]:
    """Return the same in one list, of a partner or of all."""
    return await _list_sales(partner, which, sort, LARGEST_FILE_ROWS, 0)


async def _list_sales(partner: uuid.UUID | None, which: str, sort: str, limit: int, skipped: int) -> list[SaleRow]:
    sql = f"{SQL['list_sales']} ORDER BY {SALES_BY.get(sort, SALES_BY[''])} LIMIT $4 OFFSET $5"
    return await fetch_rows(SaleRow, sql, partner, which, clock.now(), limit, skipped)


async def list_ages() -> list[Age]:
    """Return what is owed on credit by how long it is overdue."""
    return await fetch_rows(Age, SQL["list_ages"], clock.now())


async def get_totals() -> Totals:
    """Return what is to be transferred back, written off and provided for."""
    row = await fetch_row(Totals, SQL["get_totals"])
    assert row, "an aggregate has one row"
    return row


async def list_limits(page: int, which: str = "", sort: str = "") -> Paged[LimitRow]:
    """Return a page of the partners that have a limit or owe something, in an order of LIMITS_BY; `which`: overdue, used."""
    return paged(await _list_limits(which, sort, PAGE_SIZE + 1, offset(page)), page)


async def list_all_limits(which: str = "", sort: str = "") -> list[LimitRow]:
    """Return the same in one list."""
    return await _list_limits(which, sort, LARGEST_FILE_ROWS, 0)


async def _list_limits(which: str, sort: str, limit: int, skipped: int) -> list[LimitRow]:
    sql = f"{SQL['list_limits']} ORDER BY {LIMITS_BY.get(sort, LIMITS_BY[''])} LIMIT $3 OFFSET $4"
    return await fetch_rows(LimitRow, sql, clock.now(), which, limit, skipped)


async def get_reclaimed(sale: uuid.UUID) -> int:
    """Return the VAT of a sale's bad debt that is reclaimed, in cents; zero where nothing of it is written off."""
    return await fetch_scalar(int, SQL["get_reclaimed"], sale, chart.VAT_RECLAIMED) or 0


async def find_due(order: uuid.UUID) -> DueRow | None:
    """Return when an order is to be paid that was sold on credit; None for any other."""
    return await fetch_row(DueRow, select(DueRow, CreditSale).where(CreditSale.subject == order))


async def get_debtor(name: str) -> uuid.UUID:
    """Return the vetted partner with that VAT number or company name; refuses none, and two of one name."""
    return existing(
        await fetch_scalar(uuid.UUID, SQL["find_debtor"], name),
        NotFound("No vetted partner, or more than one, has that name or VAT number.", field="partner"),
    )
