"""The demo's history: twelve months of business, each made by the slices' ordinary actions at that month's instants.

The clock is shifted to each step in turn, and between steps shows when the history begins: a release is built on the 4th
(by a process of its own, which is ahead: `seed_releases`) and sold on the 5th, what is the subscribers' is paid out on
the 25th, the bank's statement comes on the last day, and on the 2nd of the next month both its shares and its books are
closed: what a month earned is paid out in the next. A month that is closed is not made again, so that a start that was
interrupted continues.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.bookkeeping.months import decide_month, find_waiting_month, propose_month
from marketplace.database import fetch_scalar
from marketplace.earnings.month_close import close_months
from marketplace.embedded.seed_calendar import (
    BUILT,
    CLOSED,
    COUNTED,
    MONTHS,
    MORNING,
    PAID_OUT,
    SOLD,
    at,
    months_before,
)
from marketplace.embedded.seed_catalogue import build_release, get_release_of, release_of
from marketplace.embedded.seed_datasets import BY_MONTH
from marketplace.embedded.seed_looks import look_around
from marketplace.embedded.seed_payouts import add_payees, close_bank_day, find_payee, iban_of, make_payouts
from marketplace.embedded.seed_people import (
    ABROAD,
    CITY,
    ENERGY,
    FINANCE,
    FINANCE_TOO,
    INSURER,
    PARTNER,
    SHOPS,
    SUBSCRIBER,
    find_line,
    get_staff,
)
from marketplace.embedded.seed_sales import Sale, process_payments, sell
from marketplace.finance import actions as finance
from marketplace.ledger.periods import next_month
from marketplace.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from marketplace.embedded.seed_catalogue import DemoRelease
    from marketplace.embedded.seed_people import DemoPerson
    from marketplace.progress import ReportProgress

BUYERS: Final = ((PARTNER, 0, 1), (ABROAD, 1, 2), (SHOPS, 2, 3), (CITY, 4, 1), (ENERGY, 7, 2), (INSURER, 9, 1))
"""Who buys the history's releases: from which month on, counted from 0, and in every how many."""
ACCOUNT_CLOSED: Final = "AC04"
"""Why the bank rejects one payout of the last month."""
EVENING: Final = dt.timedelta(hours=20)


async def make_history(
    now: dt.datetime,
    report: ReportProgress,
    begin: float,
    end: float,
    *,
    built_next: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Make every month that is not closed yet. now: the present; begin, end: the share of all progress before and after.

    built_next: waits for the next month's release; None: all are there.
    """
    months = months_before(now)
    for number, month in enumerate(months):
        if built_next is not None:
            await built_next()
        if await fetch_scalar(bool, "SELECT count(*) > 0 FROM period WHERE month = $1", month):
            continue
        report(f"living through {month:%B %Y}", begin + (end - begin) * number / len(months))
        await _make_month(month, number)


async def build_history(now: dt.datetime, built: Callable[[], None]) -> None:
    """Build what is missing of the history's releases, each at its instant. now: the present; built: called after each."""
    for month in months_before(now):
        with clock.started_at(at(month, BUILT) + MORNING):
            await build_release(_release_of(month), no_progress)
        built()


async def _make_month(month: dt.date, number: int) -> None:
    line = await find_line(SUBSCRIBER)
    assert line is not None, "the subscriber is added first"
    release = await get_release_of(_release_of(month))
    with clock.started_at(at(month, SOLD) + MORNING):
        await look_around(number + 1)
        await sell(*(Sale(f"{month:%Y-%m} {buyer.email}", buyer, release) for buyer in _buyers(number)))
    with clock.started_at(at(month, PAID_OUT) + MORNING):
        await process_payments()
        if number == 1:
            await add_payees(line)
        await make_payouts()
    last_day = next_month(month) - dt.timedelta(days=1)
    with clock.started_at(at(last_day, last_day.day) + EVENING):
        payee = await find_payee(line) if number == MONTHS - 1 else None
        await close_bank_day(last_day, rejects={iban_of(payee): ACCOUNT_CLOSED} if payee else {})
    with clock.started_at(at(next_month(month), CLOSED) + MORNING):
        await close_months()
        await finance.reconcile()
        await _close_books(month)


async def _close_books(month: dt.date) -> None:
    """Have one clerk propose to close a month, unless a start that was interrupted did, and another agree."""
    if await find_waiting_month() is None:
        await propose_month(month, await get_staff(FINANCE), form_id=uuid.uuid4())
    waiting = await find_waiting_month()
    assert waiting, "it has just been proposed"
    await decide_month(waiting.id, await get_staff(FINANCE_TOO), approve=True)


def _buyers(number: int) -> Iterator[DemoPerson]:
    """Yield who buys in a month of the history, counted from 0: one partner always, others as they come to know it."""
    for buyer, first, every in BUYERS:
        if number >= first and (number - first) % every == 0:
            yield buyer


def _release_of(month: dt.date) -> DemoRelease:
    return release_of(BY_MONTH, month.replace(day=COUNTED), 1)
