"""What is read of credit: what a partner may still buy on invoice, what is owed and by when, what waits for a decision."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace import clock
from marketplace.credit.rules import DAY, Available
from marketplace.credit.tables import CreditSale
from marketplace.database import fetch_row, fetch_rows, select
from marketplace.errors import NotFound
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
DECIDED_SHOWN: Final = 20


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
    overdue_minor: int | None


class ProposalRow(Struct, frozen=True):
    """A proposal with the names of both people; `number` is the order's, empty for a limit; `amount_minor` in cents."""

    id: uuid.UUID
    kind: str
    company: str
    number: str
    amount_minor: int
    reason: str
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None


class DueRow(Struct, frozen=True):
    """When a sale on credit is due, and since when its data is closed because it was not paid."""

    due_at: dt.datetime
    suspended_at: dt.datetime | None
    settled_at: dt.datetime | None


class Debtor(Struct, frozen=True):
    """A partner."""

    id: uuid.UUID


async def get_available(partner: uuid.UUID) -> Available:
    """Return what a partner may buy on invoice now; its limit is zero where nobody granted one."""
    row = await fetch_row(Available, SQL["get_available"], partner, clock.now())
    assert row, "an aggregate has one row"
    return row


async def list_sales(partner: uuid.UUID | None = None) -> list[SaleRow]:
    """Return what is owed on credit, by a partner or by all, what is due first before."""
    return await fetch_rows(SaleRow, SQL["list_sales"], partner)


async def list_limits() -> list[LimitRow]:
    """Return the partners that have a limit, or owe something on credit."""
    return await fetch_rows(LimitRow, SQL["list_limits"], clock.now())


async def list_proposals() -> list[ProposalRow]:
    """Return what waits for a second person, then what was decided last."""
    return await fetch_rows(ProposalRow, SQL["list_proposals"], DECIDED_SHOWN)


async def find_due(order: uuid.UUID) -> DueRow | None:
    """Return when an order is to be paid that was sold on credit; None for any other."""
    return await fetch_row(DueRow, select(DueRow, CreditSale).where(CreditSale.subject == order))


async def get_debtor(name: str) -> uuid.UUID:
    """Return the vetted partner with that VAT number or company name; refuses none, and two of one name."""
    row = await fetch_row(Debtor, SQL["find_debtor"], name)
    if row is None:
        raise NotFound("No vetted partner, or more than one, has that name or VAT number.", field="partner")
    return row.id
