"""The demo's history: twelve months of business, each made by the packages' ordinary actions at that month's instants.

The clock is shifted to each step in turn, and shows the beginning of the history between steps. A release is built on
the 4th (by a separate process, which is ahead: `seed_releases`) and sold on the 5th; payouts are on the 25th; the
bank's statement comes on the last day; on the 2nd of the next month both its shares and its books are closed. A month's
earnings are paid out in the next. A closed month is not made again, so that an interrupted start continues.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.progress import no_progress
from marketplace.demo.seed_calendar import (
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
from marketplace.demo.seed_catalogue import build_release, get_release_of, release_of
from marketplace.demo.seed_datasets import BY_MONTH
from marketplace.demo.seed_payouts import add_payees, close_bank_day, find_payee, iban_of, make_payouts
from marketplace.demo.seed_people import (
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
from marketplace.demo.seed_sales import Sale, process_payments, sell
from marketplace.finance.bookkeeping.months import CLOSE_MONTH, propose_month
from marketplace.finance.proposals import PROPOSALS
from marketplace.finance.reconciliation import actions as finance
from marketplace.money.ledger.periods import next_month
from marketplace.people.proposals.actions import decide
from marketplace.people.proposals.queries import find_waiting
from marketplace.subscribers.earnings.month_close import close_months

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from marketplace.core.progress import ReportProgress
    from marketplace.demo.seed_catalogue import DemoRelease
    from marketplace.demo.seed_people import DemoPerson

BUYERS: Final = ((PARTNER, 0, 1), (ABROAD, 1, 2), (SHOPS, 2, 3), (CITY, 4, 1), (ENERGY, 7, 2), (INSURER, 9, 1))
"""Buyers of the history's releases: from which month on, counted from 0, and in one of how many months."""
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
    """Make every month that is not closed yet.

    now: the present; begin, end: the share of all progress before and after.

    built_next: waits for the next month's release; None: all exist.
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
    """Build the missing releases of the history, each at its instant. now: the present; built: called after each."""
    for month in months_before(now):
        with clock.started_at(at(month, BUILT) + MORNING):
            await build_release(_release_of(month), no_progress)
        built()


async def _make_month(month: dt.date, number: int) -> None:
    line = await find_line(SUBSCRIBER)
    assert line is not None, "the subscriber is added first"
    release = await get_release_of(_release_of(month))
    with clock.started_at(at(month, SOLD) + MORNING):
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
    """Let one clerk propose to close a month, unless an interrupted start did, and another agree."""
    if await find_waiting(CLOSE_MONTH.code) is None:
        await propose_month(month, await get_staff(FINANCE), form_id=uuid.uuid4())
    waiting = await find_waiting(CLOSE_MONTH.code)
    assert waiting, "it has just been proposed"
    other, sha256 = await get_staff(FINANCE_TOO), waiting.document_sha256
    await decide(PROPOSALS, waiting.id, other, sha256=sha256, approve=True)


def _buyers(number: int) -> Iterator[DemoPerson]:
    """Yield the buyers in a month of the history, counted from 0: one partner always, others from some month on."""
    for buyer, first, every in BUYERS:
        if number >= first and (number - first) % every == 0:
            yield buyer


def _release_of(month: dt.date) -> DemoRelease:
    return release_of(BY_MONTH, month.replace(day=COUNTED), 1)
