"""What is read of private offers: a partner's own while they are open, and all for stewards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import paris_day

SQL: Final = load_statements(__package__, "private_queries.sql")


class PrivateOfferRow(Struct, frozen=True):
    """A private offer with whose it is and how many licences were bought under it."""

    id: uuid.UUID
    partner: uuid.UUID
    company: str
    dataset: str
    title_fr: str
    title_en: str
    basis_points: int
    months: list[int]
    made_by: str
    made_at: dt.datetime
    ends_at: dt.datetime
    withdrawn_at: dt.datetime | None
    bought: int

    @property
    def last_day(self) -> dt.date:
        """The last day on which it can be quoted, in Paris."""
        return paris_day(self.ends_at - dt.timedelta.resolution)

    def is_open(self, now: dt.datetime) -> bool:
        """Return whether it can be quoted."""
        return self.withdrawn_at is None and now < self.ends_at


class Choice(Struct, frozen=True):
    """A partner that may be offered something."""

    id: uuid.UUID
    company: str


class DatasetOnSale(Struct, frozen=True):
    """A dataset that is on sale."""

    code: str
    title_fr: str
    title_en: str


async def list_open(partner: uuid.UUID, now: dt.datetime) -> list[PrivateOfferRow]:
    """Return a partner's own private offers that are open, the first to end first."""
    return await fetch_rows(PrivateOfferRow, SQL["list_open"], partner, now)


async def list_all(page: int) -> Paged[PrivateOfferRow]:
    """Return one page of all private offers, the latest first."""
    return paged(await fetch_rows(PrivateOfferRow, SQL["list_all"], PAGE_SIZE + 1, offset(page)), page)


async def get_private_offer(offer: uuid.UUID) -> PrivateOfferRow:
    """Return a private offer; refuses NotFound."""
    return existing(await fetch_row(PrivateOfferRow, SQL["get"], offer), NotFound("There is no such private offer."))


async def list_partners() -> list[Choice]:
    """Return the vetted partners, by name."""
    return await fetch_rows(Choice, "SELECT id, company FROM partner WHERE vetted_at IS NOT NULL ORDER BY company, id")


async def list_datasets() -> list[DatasetOnSale]:
    """Return the datasets on sale, by code."""
    return await fetch_rows(
        DatasetOnSale,
        """SELECT code, title_fr, title_en FROM offer JOIN dataset ON code = dataset
           WHERE withdrawn_at IS NULL ORDER BY code""",
    )
