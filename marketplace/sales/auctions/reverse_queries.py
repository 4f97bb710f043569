"""Queries for pages of reverse auctions: one's own ask and outcome, and noisy counts once it is closed."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.sales.auctions.reverse_rules import FEWEST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__, "reverse_queries.sql")
Phase = Literal["announced", "open", "closing", "awarded"]


class LockedAuction(Struct, frozen=True):
    """A reverse auction with its row locked since `locked_at`, an instant of the database's clock."""

    id: uuid.UUID
    dataset: str
    opens_at: dt.datetime
    closes_at: dt.datetime
    promise_from: dt.datetime
    promise_to: dt.datetime
    state: Literal["open", "awarded"]
    locked_at: dt.datetime


class AuctionRow(Struct, frozen=True):
    """A reverse auction as listed; the last three fields are those of the subscriber who reads it, if one does."""

    id: uuid.UUID
    dataset: str
    opens_at: dt.datetime
    closes_at: dt.datetime
    promise_from: dt.datetime
    promise_to: dt.datetime
    title_fr: str
    title_en: str
    purpose_fr: str
    purpose_en: str
    phase: Phase
    own_stratum: uuid.UUID | None
    reason: str | None
    consents: bool


class StratumRow(Struct, frozen=True):
    """A stratum with its target and its result; counts have noise; None below FEWEST_SHOWN."""

    id: uuid.UUID
    auction: uuid.UUID
    title_fr: str
    title_en: str
    age_bands: list[str]
    wanted: int
    budget_micro: int
    reserve_micro: int
    answered_about: int
    price_micro: int | None
    winners_about: int | None
    price_shown_micro: int | None


class AuctionPage(Struct, frozen=True):
    """A reverse auction with its strata, and the stratum of the subscriber's ask."""

    auction: AuctionRow
    strata: list[StratumRow]
    own: StratumRow | None

    @property
    def answered_about(self) -> int:
        """How many answered in all strata, with noise; 0 below FEWEST_SHOWN."""
        count = sum(one.answered_about for one in self.strata)
        return count if count >= FEWEST_SHOWN else 0


class DatasetRow(Struct, frozen=True):
    """A dataset that may call for contributors, with its purpose."""

    code: str
    age_bands: list[str]
    title_fr: str
    title_en: str
    purpose_fr: str
    purpose_en: str


async def lock_auction(auction: uuid.UUID) -> LockedAuction:
    """Lock a reverse auction against asks and awards until the transaction ends; raises NotFound."""
    return _found(await fetch_row(LockedAuction, SQL["lock_auction"], auction))


async def share_auction(auction: uuid.UUID) -> LockedAuction:
    """Lock a reverse auction against its award until the transaction ends; others may share the lock.

    Raises NotFound.
    """
    return _found(await fetch_row(LockedAuction, SQL["share_auction"], auction))


def _found(row: LockedAuction | None) -> LockedAuction:
    if row is None:
        raise NotFound("There is no such call.")
    return row


async def list_auctions(subscriber: int | None, page: int) -> Paged[AuctionPage]:
    """List reverse auctions, the last to close first, with the subscriber's own ask and outcome (None for staff)."""
    rows = await fetch_rows(AuctionRow, SQL["list_auctions"], subscriber, None, PAGE_SIZE + 1, offset(page))
    return paged(await _with_strata(rows), page)


async def get_auction(subscriber: int, auction: uuid.UUID) -> AuctionPage:
    """Return one reverse auction as `list_auctions` does; raises NotFound."""
    rows = await fetch_rows(AuctionRow, SQL["list_auctions"], subscriber, auction, 1, 0)
    if not rows:
        raise NotFound("There is no such call.")
    return (await _with_strata(rows))[0]


async def _with_strata(auctions: Sequence[AuctionRow]) -> list[AuctionPage]:
    rows = await fetch_rows(StratumRow, SQL["list_strata"], [one.id for one in auctions], FEWEST_SHOWN)
    pages = []
    for auction in auctions:
        strata = [row for row in rows if row.auction == auction.id]
        own = next((row for row in strata if row.id == auction.own_stratum), None)
        pages.append(AuctionPage(auction, strata, own))
    return pages


async def list_datasets() -> list[DatasetRow]:
    """List the datasets that may call for contributors, by code."""
    return await fetch_rows(
        DatasetRow,
        """SELECT dataset.code, dataset.age_bands, dataset.title_fr, dataset.title_en,
                  purpose.title_fr AS purpose_fr, purpose.title_en AS purpose_en
           FROM dataset JOIN purpose ON purpose.code = dataset.purpose
           ORDER BY dataset.code LIMIT 200""",
    )
