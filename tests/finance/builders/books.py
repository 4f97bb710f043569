"""Books without a shop: entries, comparisons with Stripe, closed months and years."""

import datetime as dt

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.closing import checks_of
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.periods import bounds, close_period, list_open, month_of
from tests.people.builders import make_staff


def months_ago(count: int) -> dt.date:
    month = month_of(clock.now())
    for _ in range(count):
        month = month_of(bounds(month)[0] - dt.timedelta(days=1))
    return month


async def record_comparison(stripe: int = 0, ledger: int = 0, at: dt.datetime | None = None) -> None:
    """Record a comparison with Stripe."""
    await execute(
        "INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, $2, $3, 0)",
        at or clock.now(),
        stripe,
        ledger,
    )


async def book_sale(at: dt.datetime, source: str = "s1") -> None:
    await record("fact", source, at=at, text="A fact", postings=[(chart.PARTNERS, chart.LICENCES_SOLD, 100)])


async def in_the_way(month: dt.date) -> dict[str, list[str]]:
    return {check.name: check.found for check in await checks_of(month) if not check.passes}


SECOND_YEAR = paris_day(clock.now()).year - 2


SALE, FEE = (chart.PARTNERS, chart.LICENCES_SOLD), (chart.BANK_CHARGES, chart.SUPPLIERS)


async def book(kind: str, name: str, day: dt.date, moves: tuple[str, str], amount: int) -> None:
    at = dt.datetime.combine(day, dt.time(11), dt.UTC)
    await record(kind, name, at=at, text=name, postings=[(*moves, amount)])


async def book_two_years() -> None:
    """Book two years: a profit, then a loss; and close every month of both."""
    await book("fact", "sale 1", dt.date(SECOND_YEAR - 1, 2, 3), SALE, 1_000)
    await book("fact", "fee 1", dt.date(SECOND_YEAR - 1, 5, 5), FEE, 300)
    await book("fact", "sale 2", dt.date(SECOND_YEAR, 2, 3), SALE, 50)
    await book("fact", "fee 2", dt.date(SECOND_YEAR, 12, 31), FEE, 250)
    ada = await make_staff("Ada")
    assert ada.person
    for month in await list_open(clock.now()):
        if month.year <= SECOND_YEAR:
            async with transaction():
                await close_period(month, ada.person, [])
