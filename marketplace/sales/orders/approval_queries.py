"""What is read of orders that wait for an approval."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from marketplace.sales.orders.approval_rules import PurchaseDocument

SQL: Final = load_statements(__package__, "approval_queries.sql")


class RequestRow(Struct, frozen=True):
    """An order that needs approval, with the names of both; `approved` None until somebody decides."""

    id: uuid.UUID
    quote: uuid.UUID
    asked_by: uuid.UUID | None
    api_key: uuid.UUID | None
    document: bytes
    document_sha256: str
    asked_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    asker: str
    decider: str
    expires_at: dt.datetime
    level: int
    purchase_order: uuid.UUID | None
    code: str
    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime

    def read(self) -> PurchaseDocument:
        """Return what would be ordered."""
        return msgspec.json.decode(self.document, type=PurchaseDocument)


async def find_request(quote: uuid.UUID, partner: uuid.UUID) -> RequestRow | None:
    """Return the request about a partner's own quote, or None."""
    return await fetch_row(RequestRow, SQL["find_request"], quote, partner)


async def get_request(quote: uuid.UUID, partner: uuid.UUID) -> RequestRow:
    """Return the request about a partner's own quote; refuses any other with NotFound."""
    missing = NotFound("Nobody asked for the approval of this order.")
    return existing(await find_request(quote, partner), missing)


async def list_requests(partner: uuid.UUID, now: dt.datetime) -> list[RequestRow]:
    """Return a partner's orders that wait for an approver and whose price still holds, the oldest first."""
    return await fetch_rows(RequestRow, SQL["list_requests"], partner, now)
