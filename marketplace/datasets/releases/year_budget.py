"""The cost of all datasets to one subscriber in a rolling year: limited at each spend, forecast for the steward.

With calendar years alone, two whole budgets could meet at New Year. So a spend also checks every 365 consecutive days
that include a day of the release, under a lock that all spends share.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.errors import Conflict
from marketplace.core.local_time import local_day
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.datasets.releases.queries import SQL
from marketplace.privacy import budget
from marketplace.privacy.budget import YEAR_DAYS, Loss
from marketplace.privacy.noise import MICRO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CADENCE_DAYS: Final = {"day": 1, "week": 7, "month": 30}
"""Approximate length of a release's period, for a dataset that is built automatically."""


class LossRow(Struct, frozen=True):
    """The cost of a release or a call to one of its units; its period is half-open."""

    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str
    unit: str
    mechanism: str
    rho_nano: int
    epsilon_micro: int


class LatestRow(LossRow, frozen=True):
    """The latest release of a dataset that is built automatically, with its cadence."""

    cadence: str


class Forecast(Struct, frozen=True):
    """The cost of a rolling year to one subscriber, in millionths of epsilon: the most so far, and the forecast."""

    so_far_micro: int
    going_on_micro: int
    allowed_micro: int


async def check_rolling_year(row: LossRow) -> None:
    """Refuse a release or a call that makes some 365 consecutive days cost a subscriber more than allowed.

    In the spend's transaction; other spends wait until it ends.
    """
    await lock("privacy of a rolling year")
    new, rows = _loss(row), [*await _rows(row.period_from, row.period_to), row]
    spent = await asyncio.to_thread(budget.rolling_year_micro, [*map(_loss, rows)], new.first, new.last, _days(rows))
    most = settings().subscriber_year_epsilon_micro
    if spent > most:
        raise Conflict(
            "All datasets together would cost a subscriber ε = {spent} within a year; no more than {most} is allowed.",
            spent=f"{spent / MICRO:.2f}",
            most=f"{most / MICRO:g}",
        )


async def foresee(now: dt.datetime) -> Forecast:
    """Return the cost of the present year to a subscriber, and that of a year in which every cadence continues."""
    since = now - dt.timedelta(days=YEAR_DAYS)
    past = await _rows(since, now)
    latest = await fetch_rows(LatestRow, SQL["list_latest_losses"])
    losses, days = [*map(_loss, past)], _days(past)
    so_far = await asyncio.to_thread(budget.rolling_year_micro, losses, since.date(), now.date(), days)
    going_on = await asyncio.to_thread(budget.rolling_year_micro, [*_repeated(latest)], _A_DAY, _A_DAY, _days(latest))
    return Forecast(so_far, going_on, settings().subscriber_year_epsilon_micro)


_A_DAY: Final = dt.date(2000, 1, 1)
"""A day in the middle of the years in which cadences are repeated; any day gives the same result."""


def _repeated(latest: Iterable[LatestRow]) -> Iterable[Loss]:
    """Yield the releases of each cadence with a day within a year of _A_DAY, period after period."""
    for row in latest:
        loss, days = _loss(row), CADENCE_DAYS[row.cadence]
        for start in range(-YEAR_DAYS - days, YEAR_DAYS, days):
            first, last = (_A_DAY + dt.timedelta(days=day) for day in (start, start + days - 1))
            yield Loss(first, last, loss.is_by_day, loss.rho_nano, loss.epsilon_micro, loss.is_pure)


async def _rows(period_from: dt.datetime, period_to: dt.datetime) -> list[LossRow]:
    """Return the cost of every release that may have a day within a year of the period."""
    around = dt.timedelta(days=YEAR_DAYS + 3)
    return await fetch_rows(LossRow, SQL["list_losses"], period_from - around, period_to + around)


def _days(rows: Sequence[LossRow]) -> int:
    """Return the length of a year in days: dates of two time zones may be 26 hours closer than they look."""
    return YEAR_DAYS + 2 * (len({row.time_zone for row in rows}) > 1)


def _loss(row: LossRow) -> Loss:
    last = row.period_to - dt.timedelta(microseconds=1)
    return Loss(
        local_day(row.period_from, row.time_zone),
        local_day(last, row.time_zone),
        row.unit == "day",
        row.rho_nano,
        row.epsilon_micro,
        row.mechanism == "laplace",
    )
