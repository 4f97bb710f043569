"""Reads of the shop for stewards: each dataset with its offer, and the licence terms."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class ShelfRow(Struct, frozen=True):
    """A dataset, its offer (None: it never had one) and its latest published release, if any."""

    code: str
    title_fr: str
    title_en: str
    time_zone: str
    offer: uuid.UUID | None
    terms: str | None
    sheet: str | None
    listed_at: dt.datetime | None
    withdrawn_at: dt.datetime | None
    release: uuid.UUID | None
    period_from: dt.datetime | None
    period_to: dt.datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the dataset has an offer that was not withdrawn: its published releases are on sale."""
        return self.offer is not None and self.withdrawn_at is None

    @property
    def fingerprint(self) -> str:
        """Return a word that changes with the offer's content, and with whether it is open."""
        what = (self.terms, self.sheet, self.is_open)
        return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


class TermsRow(Struct, frozen=True):
    """A version of licence terms, and its number of open offers."""

    code: str
    lines_fr: str
    lines_en: str
    months: int
    usage_right: str
    purposes: list[str]
    countries: list[str]
    offers: int


class MarketRow(Struct, frozen=True):
    """A market, the version in force (None before the first starts), and the datasets on sale on its sheet."""

    code: str
    title_fr: str
    title_en: str
    product: str
    grain: str
    zone_table: str | None
    h3_resolution: int
    currency: str
    number: int | None
    starts_at: dt.datetime | None
    on_sale: list[str]


class CountableRow(Struct, frozen=True):
    """A dataset whose figures a market may count."""

    code: str
    title_fr: str
    title_en: str
    age_bands: list[str]


class AreaRow(Struct, frozen=True):
    """The people of an area, as published."""

    name: str
    people: int


async def list_markets(at: dt.datetime) -> list[MarketRow]:
    """Return every market with its version in force at an instant, by code."""
    return await fetch_rows(MarketRow, SQL["list_markets"], at)


async def list_countable(sheet: str) -> list[CountableRow]:
    """Return the datasets that count the same figures as a market, by code."""
    return await fetch_rows(CountableRow, SQL["list_countable"], sheet)


async def list_every_dataset() -> list[CountableRow]:
    """Return every dataset, by code."""
    return await fetch_rows(CountableRow, SQL["list_every_dataset"])


async def list_without_market() -> list[CountableRow]:
    """Return the datasets whose figures no market counts, by code."""
    return await fetch_rows(CountableRow, SQL["list_without_market"])


async def list_people_by_area(datasets: Sequence[str]) -> dict[str, int]:
    """Return the people of each area of datasets, as their latest releases published them."""
    rows = await fetch_rows(AreaRow, SQL["list_people_by_area"], list(datasets))
    return {row.name: row.people for row in rows}


async def get_most_promised(at: dt.datetime) -> int:
    """Return the most, in cents, that a licence sold from an instant on owes contributors by promises."""
    return await fetch_scalar(int, SQL["get_most_promised"], at) or 0


async def list_shelf(page: int = 1) -> Paged[ShelfRow]:
    """Return one page of the datasets with their offers, by code."""
    return paged(await fetch_rows(ShelfRow, SQL["list_shelf"], PAGE_SIZE + 1, offset(page)), page)


async def get_shelf(code: str) -> ShelfRow:
    """Return a dataset with its offer; refuses NotFound."""
    return existing(
        await fetch_row(ShelfRow, SQL["find_shelf"], code), NotFound("There is no dataset {dataset}.", dataset=code)
    )


async def list_terms() -> Sequence[TermsRow]:
    """Return every version of licence terms, by code."""
    return await fetch_rows(TermsRow, SQL["list_terms"])
