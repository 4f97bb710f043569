"""Reads of the shop for stewards: each dataset with its offer, and the licence terms."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers.rules import StatedOffer
from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class ShelfRow(Struct, frozen=True):
    """A dataset, its offer (None: it never had one; amounts in cents) and its latest published release, if any."""

    code: str
    title_fr: str
    title_en: str
    time_zone: str
    offer: uuid.UUID | None
    terms: str | None
    full_worth_minor: int | None
    worth_days: int | None
    floor_minor: int | None
    cap_minor: int | None
    listed_at: dt.datetime | None
    withdrawn_at: dt.datetime | None
    release: uuid.UUID | None
    period_from: dt.datetime | None
    period_to: dt.datetime | None
    changes_at: dt.datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the dataset has an offer that was not withdrawn: its published releases are on sale."""
        return self.offer is not None and self.withdrawn_at is None

    @property
    def fingerprint(self) -> str:
        """Return a word that changes with the offer's content, and with whether it is open."""
        what = (self.terms, self.full_worth_minor, self.worth_days, self.floor_minor, self.cap_minor, self.is_open)
        return hashlib.sha256(repr(what).encode()).hexdigest()[:16]

    @property
    def stated(self) -> StatedOffer | None:
        """Return the offer's content; None if there never was one."""
        if self.terms is None or self.full_worth_minor is None or self.worth_days is None:
            return None
        assert self.floor_minor is not None
        assert self.cap_minor is not None
        return StatedOffer(self.terms, self.full_worth_minor, self.worth_days, self.floor_minor, self.cap_minor)


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
