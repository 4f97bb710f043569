"""What a subscriber sees of their money: sums of accruals, and shares computed from splits and manifests."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import astuple

from marketplace.database import fetch_row, fetch_rows
from marketplace.datasets.queries import find_contribution, get_published_figures
from marketplace.earnings import movements
from marketplace.earnings.promises import promises_to
from marketplace.earnings.rules import SplitFigures, expected_after
from marketplace.errors import NotFound
from marketplace.ledger import chart
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.statements import load_statements
from pricing.public_shares import expected_difference_micro

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.datasets.queries import Contribution

CONTRIBUTIONS_KEPT: Final = 200_000
LOOKUPS_AT_ONCE: Final = 8
MONTHS_SHOWN: Final = 12
SQL: Final = load_statements(__package__)


class BalanceRow(Struct, frozen=True):
    """What a subscriber has, in micro-euros."""

    held_micro: int
    payable_micro: int


class HoldsRow(Struct, frozen=True):
    """When the first and the last hold ends; None with nothing held."""

    first: dt.datetime | None
    last: dt.datetime | None


class Balance(Struct, frozen=True):
    """What a subscriber has, in micro-euros, and until when the rest is held."""

    payable_micro: int
    held_micro: int
    held_until: dt.datetime | None
    """When the last of what is held is due, if nothing is refunded; None with nothing held."""
    next_until: dt.datetime | None
    """When the first of it is due."""


class MonthRow(Struct, frozen=True):
    """What moved for a subscriber in a month, in micro-euros."""

    month: dt.date
    """Its first day in Paris."""
    earned_micro: int
    released_micro: int
    cancelled_micro: int
    paid_micro: int


class YearRow(Struct, frozen=True):
    """A year in which something moved."""

    year: int


class ShareRow(SplitFigures, frozen=True):
    """A split with its licence, release and dataset; money in cents, rates in basis points. `id` is the licence's."""

    id: uuid.UUID
    release: uuid.UUID
    sold_at: dt.datetime
    hold_until: dt.datetime
    net_minor: int
    currency: str
    subscribers_basis_points: int
    title_fr: str
    title_en: str
    area: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    fee_minor: int
    distributable_minor: int
    platform_minor: int
    state: str
    split_at: dt.datetime
    ended_at: dt.datetime | None


class Share(ShareRow, frozen=True):
    """A split and what it earned one subscriber, in micro-euros."""

    share_micro: int
    pool_share_micro: int
    """Their part of the pool, …"""
    added_micro: int
    """… and what was added to keep a promise made to them."""
    promised_micro: int


class ShareDetails(Share, frozen=True):
    """A share with the subscriber's weight in the release, and about how far all shares are from the pool."""

    weight: int
    published_people: int
    """Of all cells of the release, as published."""
    difference_micro: int
    """Expected, in millionths of the pool."""


class AccountCode(Struct, frozen=True):
    """An account of the chart."""

    account: str


class ReleaseRow(Struct, frozen=True):
    """A release by its id."""

    id: uuid.UUID


class FirstWithoutRow(Struct, frozen=True):
    """A dataset of a withdrawn purpose: its first release since and its latest one, where there are any."""

    purpose: str
    code: str
    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime | None
    period_to: dt.datetime | None
    sealed_at: dt.datetime | None
    latest_from: dt.datetime | None
    latest_to: dt.datetime | None


class FirstWithout(FirstWithoutRow, frozen=True):
    """The same, with when the first release without the subscriber is expected; None where nothing says when."""

    expected_at: dt.datetime | None


async def get_balance(subscriber: int, among: Mapping[uuid.UUID, Contribution] | None = None) -> Balance:
    """Return a subscriber's balance; `among`, the releases they are in, is looked up unless given."""
    among = await contributions(subscriber) if among is None else among
    now = await get_balance_before(subscriber, None, among)
    due = await fetch_row(HoldsRow, SQL["get_holds"], list(among))
    assert due
    held = now.held_micro
    return Balance(now.payable_micro, held, due.last if held else None, due.first if held else None)


async def get_balance_before(
    subscriber: int, until: dt.datetime | None, among: Mapping[uuid.UUID, Contribution] | None = None
) -> BalanceRow:
    """Return what a subscriber had before an instant, or has now."""
    row = await fetch_row(BalanceRow, SQL["get_balance"], subscriber, until)
    assert row, "a sum is one row"
    among = await contributions(subscriber) if among is None else among
    computed = movements.held_before(await movements.list_held(subscriber, among), until)
    return BalanceRow(row.held_micro + computed, row.payable_micro)


async def list_months(
    subscriber: int, year: int | None = None, among: Mapping[uuid.UUID, Contribution] | None = None
) -> list[MonthRow]:
    """Return the months with movements, of a year or of any, the latest twelve first."""
    among = await contributions(subscriber) if among is None else among
    stored = await fetch_rows(MonthRow, SQL["list_months"], subscriber, year, MONTHS_SHOWN)
    months = {row.month: row for row in stored}
    for month, (earned, cancelled) in movements.by_month(await movements.list_held(subscriber, among)).items():
        if year in {None, month.year}:
            row = months.get(month, MonthRow(month, 0, 0, 0, 0))
            months[month] = MonthRow(
                month, row.earned_micro + earned, row.released_micro, row.cancelled_micro + cancelled, row.paid_micro
            )
    return [months[month] for month in sorted(months, reverse=True)[:MONTHS_SHOWN]]


async def list_years(subscriber: int, among: Mapping[uuid.UUID, Contribution] | None = None) -> list[int]:
    """Return the years, in Paris, in which something moved for a subscriber, the latest first."""
    among = await contributions(subscriber) if among is None else among
    years = {row.year for row in await fetch_rows(YearRow, SQL["list_years"], subscriber)}
    years |= {month.year for month in movements.by_month(await movements.list_held(subscriber, among))}
    return sorted(years, reverse=True)


async def list_unequal_accounts() -> list[str]:
    """Return the control accounts that do not say what subscribers are owed."""
    sql = f"SELECT account FROM ({SQL['owed_unlike_the_books']}) AS unequal"
    rows = await fetch_rows(AccountCode, sql, chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE)
    return [row.account for row in rows]


async def list_shares(
    subscriber: int, page: int = 1, among: Mapping[uuid.UUID, Contribution] | None = None
) -> Paged[Share]:
    """Return one page of what each licence earned a subscriber, the latest sale first."""
    mine = await contributions(subscriber) if among is None else among
    rows = await fetch_rows(ShareRow, SQL["list_shares"], list(mine), PAGE_SIZE + 1, offset(page))
    promises = await promises_to(subscriber, [term for row in rows for term in row.terms])
    return paged([_with_share(row, mine[row.release], promises) for row in rows], page)


async def get_share(licence: uuid.UUID, subscriber: int) -> ShareDetails:
    """Return one licence's split and what it earned this subscriber, who must be in the release it sold."""
    row = await fetch_row(ShareRow, SQL["get_share"], licence)
    mine = await _contribution(row.release, subscriber) if row else None
    if row is None or mine is None:
        raise NotFound("There is no such share among yours.")
    share = _with_share(row, mine, await promises_to(subscriber, row.terms))
    published, difference = await _published(row) if row.is_public else (0, 0)
    return ShareDetails(*(*astuple(share), mine.weight, published, difference))


async def _published(row: ShareRow) -> tuple[int, int]:
    """Return the people a split's release publishes, and how far all shares may be from the pool, in millionths of it."""
    figures = await get_published_figures(row.release)
    difference = expected_difference_micro(figures.people, cells=figures.noises, variance_micro=figures.variance_micro)
    return figures.people, difference


def _with_share(row: ShareRow, mine: Contribution, promises: Mapping[uuid.UUID, int]) -> Share:
    """Return a split with this subscriber's share: their part of the pool, and what keeps a promise made to them."""
    of_pool = row.share_of(mine.weight, mine.position)
    promised = max((promises.get(term, 0) for term in row.terms), default=0)
    added = row.added_to(of_pool, promised, mine.position)
    return Share(*(*astuple(row), of_pool + added, of_pool, added, promised))


async def contributions(subscriber: int) -> dict[uuid.UUID, Contribution]:
    """Return every release that was sold and has this subscriber in it, with their contribution.

    One row group of one small file is read per sold release the first time, and none after that: manifests never
    change, so what was found is kept in memory.
    """
    gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def look(release: uuid.UUID) -> Contribution | None:
        async with gate:
            return await _contribution(release, subscriber)

    releases = [row.id for row in await fetch_rows(ReleaseRow, SQL["list_sold_releases"])]
    found = await asyncio.gather(*[look(release) for release in releases])
    return {release: mine for release, mine in zip(releases, found, strict=True) if mine is not None}


_kept: OrderedDict[tuple[uuid.UUID, int], Contribution | None] = OrderedDict()


async def _contribution(release: uuid.UUID, subscriber: int) -> Contribution | None:
    key = release, subscriber
    if key not in _kept:
        _kept[key] = await find_contribution(release, subscriber)
        while len(_kept) > CONTRIBUTIONS_KEPT:
            _kept.popitem(last=False)
    return _kept[key]


async def list_first_without(subscriber: int, now: dt.datetime) -> dict[str, list[FirstWithout]]:
    """Return, per purpose this subscriber has withdrawn, each of its datasets and its first release without them.

    `sealed_at` and the period are None until that release is there; `expected_at` is when the next one should be, None
    where no earlier release says so. A build uses only the consents that are valid when it starts.
    """
    found: dict[str, list[FirstWithout]] = {}
    for row in await fetch_rows(FirstWithoutRow, SQL["list_first_without"], subscriber):
        expected = None
        if row.sealed_at is None and row.latest_from is not None and row.latest_to is not None:
            expected = expected_after(row.latest_from, row.latest_to, now)
        found.setdefault(row.purpose, []).append(FirstWithout(*(*astuple(row), expected)))
    return found
