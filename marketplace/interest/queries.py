"""What is known of interest in what is for sale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_rows, fetch_scalar
from marketplace.interest.tables import NotBought
from marketplace.statements import load_statements

if TYPE_CHECKING:
    import datetime as dt
    import uuid

SQL: Final = load_statements(__package__)


class InterestRow(Struct, frozen=True):
    """How often a dataset's page was seen, asked about zones, and asked for a price."""

    code: str
    title_fr: str
    title_en: str
    seen: int
    previewed: int
    quoted: int


class ReasonRow(Struct, frozen=True):
    """How often partners gave a reason for not buying a dataset."""

    code: str
    reason: str
    times: int


async def list_interest(first: dt.date, last: dt.date, start: dt.datetime, end: dt.datetime) -> list[InterestRow]:
    """Return interest in each dataset, the most seen first: looks on UTC days `first` to `last`, prices from `start` until `end`."""
    return await fetch_rows(InterestRow, SQL["list_interest"], first, last, start, end)


async def list_reasons(start: dt.datetime, end: dt.datetime) -> list[ReasonRow]:
    """Return reasons for not buying, of prices that were asked for from `start` until `end`."""
    return await fetch_rows(ReasonRow, SQL["list_reasons"], start, end)


async def find_reason(quote: uuid.UUID) -> str:
    """Return why a price is not paid, or nothing."""
    return await fetch_scalar(str, NotBought.select(NotBought.reason).where(NotBought.quote == quote)) or ""
