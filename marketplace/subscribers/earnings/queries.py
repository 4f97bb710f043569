"""What a subscriber sees of their money: sums of accruals, and shares computed from splits and manifests."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import astuple, replace

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import paris_day
from marketplace.datasets.releases.queries import get_published_figures
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import month_of
from marketplace.subscribers.earnings.contribution_queries import find_contributions
from marketplace.subscribers.earnings.movements import closes_after, find_mine
from marketplace.subscribers.earnings.promises import LONG_AGO, held_since, promises_to
from marketplace.subscribers.earnings.rules import SplitFigures, expected_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from marketplace.subscribers.earnings.contribution_queries import Contributions
    from marketplace.subscribers.earnings.movements import Mine

Period: TypeAlias = tuple[dt.datetime | None, dt.datetime | None]
FEW_RELEASES: Final = 256
"""Up to this many releases of a person, their sales are read.

For more, the latest sales of all releases, until a page is full.
"""
MONTHS_SHOWN: Final = 12
SHARES_AT_ONCE: Final = 2000
SQL: Final = load_statements(__package__)


class BalanceRow(Struct, frozen=True):
    """What a subscriber has, in micro-euros."""

    held_micro: int
    payable_micro: int


class Balance(Struct, frozen=True):
    """What a subscriber has, in micro-euros, and until when the rest is held."""

    payable_micro: int
    held_micro: int
    held_until: dt.datetime | None
    """When the last held share becomes theirs, if nothing is refunded; None with nothing held."""
    next_until: dt.datetime | None
    """When the first held share becomes theirs."""


class BalanceMonth(Struct, frozen=True):
    """What moved a subscriber's balance in a month, in micro-euros."""

    month: dt.date
    """Its first day in Paris."""
    released_micro: int
    paid_micro: int
    """All that left the balance, to a bank or otherwise."""
    rewarded_micro: int
    """The part of it that went to the phone bill, to an association or into a benefit."""


class MonthRow(BalanceMonth, frozen=True):
    """All that moved for a subscriber in a month, in micro-euros."""

    earned_micro: int = 0
    cancelled_micro: int = 0


class ShareRow(SplitFigures, frozen=True):
    """A split with its licence, release and dataset; money in cents, rates in basis points. `id` is the licence's.

    Nothing of it that a person sees follows from what the partner paid, nor from the day of the sale.
    """

    id: uuid.UUID
    release: uuid.UUID
    number: int
    """The number of the release in the index of contributions."""
    sold_at: dt.datetime
    hold_until: dt.datetime
    posted_minor: int
    """What everybody pays for it, before VAT."""
    currency: str
    subscribers_basis_points: int
    title_fr: str
    title_en: str
    area: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    state: str
    ended_at: dt.datetime | None

    @property
    def sold_in(self) -> dt.date:
        """Return the month of the sale, by its first day in Paris."""
        return month_of(self.sold_at)

    @property
    def closes_at(self) -> dt.datetime:
        """Return when it becomes theirs (with its month's close), if it is held and nothing is refunded."""
        return closes_after(self.hold_until)


class Share(ShareRow, frozen=True):
    """A split and what it earned one subscriber, in micro-euros."""

    share_micro: int
    pool_share_micro: int
    """Their part of the pool, …"""
    added_micro: int
    """… and the addition that keeps a promise made to them."""
    promised_micro: int


class ShareDetails(Share, frozen=True):
    """A share with the subscriber's weight in the release, and about how far the sum of shares is from the pool."""

    weight: int
    published_people: int
    """Of all cells of the release, as published."""
    difference_micro: int
    """Expected value, in millionths of the pool."""


class FirstWithoutRow(Struct, frozen=True):
    """A dataset of a withdrawn purpose: its first release after the withdrawal and its latest one, where they exist."""

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
    """The same, with the expected date of the first release without the subscriber; None where it is unknown."""

    expected_at: dt.datetime | None


async def get_balance(subscriber: int, mine: Mine | None = None) -> Balance:
    """Return a subscriber's balance; `mine` is looked up unless given, as in the functions below."""
    mine = mine or await find_mine(subscriber)
    payable, moved = await get_payable(subscriber), await mine.at(None)
    if not (held := moved.held_before(None)):
        return Balance(payable, 0, None, None)
    first, last = moved.closes()
    return Balance(payable, held, last, first)


async def get_payable(subscriber: int, before: dt.datetime | None = None) -> int:
    """Return a subscriber's money that is not paid out, now or just before an instant, in micro-euros."""
    moved = """SELECT coalesce(sum(payable_micro), 0)::bigint FROM payable_movements() AS moved
               WHERE moved.subscriber = $1 AND ($2::timestamptz IS NULL OR run IN (SELECT id FROM share_run WHERE at < $2))"""
    return await fetch_scalar(int, moved, subscriber, before) or 0


async def get_balance_before(subscriber: int, until: dt.datetime, mine: Mine) -> BalanceRow:
    """Return what a subscriber had just before an instant."""
    moved = await mine.at(until)
    return BalanceRow(moved.held_before(until), await get_payable(subscriber, until))


async def list_months(subscriber: int, year: int | None = None, mine: Mine | None = None) -> list[MonthRow]:
    """Return the months with movements, of one year or of all, the latest twelve first.

    For all years, only this year, the last one and years with a release or a payout are read.
    """
    mine = mine or await find_mine(subscriber)
    moved = await fetch_rows(BalanceMonth, SQL["list_months"], subscriber, year, MONTHS_SHOWN)
    months = {row.month: MonthRow(*astuple(row)) for row in moved}
    for one in [year] if year else _recent_years() | {month.year for month in months}:
        for month, (earned, cancelled) in (await mine.in_year(one)).by_month().items():
            row = months.get(month, MonthRow(month, 0, 0, 0))
            months[month] = replace(row, earned_micro=earned, cancelled_micro=cancelled)
    return [months[month] for month in sorted(months, reverse=True)[:MONTHS_SHOWN]]


async def list_years(subscriber: int, mine: Mine | None = None) -> list[int]:
    """Return the years, in Paris, in which something moved for a subscriber, the latest first.

    A past year is left out if all that was earned in it was cancelled and nothing else moved in it or in the next.
    """
    mine = mine or await find_mine(subscriber)
    years = set(await fetch_column(int, SQL["list_years"], subscriber))
    for year in (_recent_years() | {year - 1 for year in years}) - years:
        if (await mine.in_year(year)).by_month():
            years.add(year)
    return sorted(years, reverse=True)


def _recent_years() -> set[int]:
    """Return this year and the last, in Paris."""
    this = paris_day(clock.now()).year
    return {this, this - 1}


async def list_unequal_accounts() -> list[str]:
    """Return the control accounts that differ from what subscribers are owed."""
    sql = f"SELECT account FROM ({SQL['owed_unlike_the_books']}) AS unequal"
    return await fetch_column(str, sql, chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE)


async def list_shares(
    subscriber: int, page: int = 1, mine: Mine | None = None, sold: Period = (None, None)
) -> Paged[Share]:
    """Return one page of what each licence earned a subscriber, the latest sale first.

    sold: when the licences were sold, half-open; None leaves an end open. Releases from before the line was theirs are
    not named: the money is theirs, but the places are an earlier holder's.
    """
    among = mine.contributions if mine else await find_contributions(subscriber)
    return paged(await _find_shares(subscriber, among, sold, PAGE_SIZE + 1, offset(page), of_holder=True), page)


class LatestUse(Struct, frozen=True):
    """The latest release that a subscriber was paid for: how often it counts them, its sales, and what they brought."""

    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    counted: int
    sales: int
    micro: int


def latest_use(shares: Sequence[Share], mine: Mine) -> LatestUse | None:
    """Return what the release of the latest of these shares brought, from these shares alone; None without shares."""
    sold = [one for one in shares if one.state != "cancelled"]
    latest = max(sold, key=lambda one: (one.period_to, one.sold_at), default=None)
    if latest is None:
        return None
    same = [one for one in sold if one.release == latest.release]
    return LatestUse(
        latest.title_fr,
        latest.title_en,
        latest.time_zone,
        latest.period_from,
        latest.period_to,
        mine.contributions.weight_in(latest.number),
        len(same),
        sum(one.share_micro for one in same),
    )


class Buyer(Struct, frozen=True):
    """The sector of a licence's buyer; empty where it is not stated."""

    licence: uuid.UUID
    sector: str


async def list_buyers(licences: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the sector of each licence's buyer; empty where it is not stated."""
    rows = await fetch_rows(
        Buyer,
        """SELECT licence.id AS licence, coalesce(partner_sector.sector, '') AS sector
           FROM licence JOIN purchase_order ON purchase_order.id = licence.purchase_order
           LEFT JOIN partner_sector ON partner_sector.partner = purchase_order.partner
           WHERE licence.id = ANY ($1)""",
        list(licences),
    )
    return {row.licence: row.sector for row in rows}


async def read_shares(subscriber: int) -> AsyncIterator[Share]:
    """Yield what each licence ever earned a line, the latest sale first, including before its present holder.

    Some thousand are in memory at once.
    """
    among = await find_contributions(subscriber)
    until: dt.datetime | None = None
    seen: set[uuid.UUID] = set()
    while True:
        found = await _find_shares(subscriber, among, (None, until), SHARES_AT_ONCE, 0)
        fresh = [share for share in found if share.id not in seen]
        for share in fresh:
            yield share
        if len(found) < SHARES_AT_ONCE or not fresh:
            return
        last = found[-1].sold_at
        seen = {share.id for share in found if share.sold_at == last}
        until = last + dt.timedelta(microseconds=1)


async def _find_shares(
    subscriber: int, among: Contributions, sold: Period, most: int, skipped: int, *, of_holder: bool = False
) -> list[Share]:
    """Return at most so many shares, the latest sale first."""
    few = len(among.numbers) <= FEW_RELEASES
    sql = SQL["list_sales_of_few"] if few else SQL["list_sales"]
    releases = among.numbers.tolist() if few else among.bits
    since = await held_since(subscriber) if of_holder else LONG_AGO
    sales = await fetch_column(uuid.UUID, sql, releases, *sold, most, skipped, since)
    rows = await fetch_rows(ShareRow, SQL["list_shares"], sales)
    promises = await promises_to(subscriber, [term for row in rows for term in row.terms])
    return [_with_share(row, among.weight_in(row.number), promises) for row in rows]


async def get_share(licence: uuid.UUID, subscriber: int) -> ShareDetails:
    """Return one licence's split and what it earned this subscriber, who must be in its release as the line's holder."""
    row = await fetch_row(ShareRow, SQL["list_shares"], [licence])
    is_theirs = row is not None and row.period_to > await held_since(subscriber)
    among = await find_contributions(subscriber) if is_theirs else None
    weight = among.weight_in(row.number) if row and among else 0
    if row is None or not weight:
        raise NotFound("There is no such share among yours.")
    share = _with_share(row, weight, await promises_to(subscriber, row.terms))
    figures = await get_published_figures(row.release)
    return ShareDetails(*(*astuple(share), weight, figures.people, figures.difference_micro))


def _with_share(row: ShareRow, weight: int, promises: Mapping[uuid.UUID, int]) -> Share:
    """Return a split with the share of a subscriber of this weight: a part of the pool, and what keeps a promise."""
    of_pool = row.share_of(weight)
    promised = max((promises.get(term, 0) for term in row.terms), default=0)
    added = max(0, promised - of_pool)
    return Share(*(*astuple(row), of_pool + added, of_pool, added, promised))


async def list_first_without(subscriber: int, now: dt.datetime) -> dict[str, list[FirstWithout]]:
    """Return, per purpose this subscriber has withdrawn, each of its datasets and its first release without them.

    `sealed_at` and the period are None until that release exists; `expected_at` is when the next one is due, None where
    no earlier release shows it. A build uses only the consents that are valid when it starts.
    """
    found: dict[str, list[FirstWithout]] = {}
    for row in await fetch_rows(FirstWithoutRow, SQL["list_first_without"], subscriber, await held_since(subscriber)):
        expected = None
        if row.sealed_at is None and row.latest_from is not None and row.latest_to is not None:
            expected = expected_after(row.latest_from, row.latest_to, now)
        found.setdefault(row.purpose, []).append(FirstWithout(*(*astuple(row), expected)))
    return found
