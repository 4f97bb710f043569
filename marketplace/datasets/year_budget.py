"""What all datasets together cost one subscriber in a rolling year: held at each spend, and foreseen for the steward.

Calendar years alone would let two whole budgets meet at New Year. So a spend also looks at every 365 days in a row that
the release has a day in, under a lock that spends share.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_rows
from marketplace.datasets.queries import SQL
from marketplace.errors import Conflict
from marketplace.local_time import local_day
from marketplace.locks import lock
from marketplace.privacy import budget
from marketplace.privacy.budget import YEAR_DAYS, Loss
from marketplace.privacy.noise import MICRO
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marketplace.privacy.specification import Specification

CADENCE_DAYS: Final = {"day": 1, "week": 7, "month": 30}
"""How long a release's period is, about, of a dataset that is built by itself."""


class LossRow(Struct, frozen=True):
    """What a release costs one of its units; its period is half-open."""

    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str
    unit: str
    mechanism: str
    rho_nano: int
    epsilon_micro: int


class LatestRow(LossRow, frozen=True):
    """The latest release of a dataset that is built by itself, with how often."""

    cadence: str


class Forecast(Struct, frozen=True):
    """What a rolling year costs one subscriber, in millionths of epsilon: at most so far, and if all goes on as now."""

    so_far_micro: int
    going_on_micro: int
    allowed_micro: int


async def check_rolling_year(specification: Specification) -> None:
    """Refuse a release with which some 365 days in a row would cost a subscriber more than is allowed.

    In the spend's transaction, which then keeps other spends waiting until it ends.
    """
    await lock("privacy of a rolling year")
    s = specification
    row = LossRow(s.period_from, s.period_to, s.time_zone, s.unit, s.mechanism, s.unit_rho_nano, s.epsilon_micro)
    new, rows = _loss(row), [*await _rows(s.period_from, s.period_to), row]
    spent = await asyncio.to_thread(budget.rolling_year_micro, [*map(_loss, rows)], new.first, new.last, _days(rows))
    most = settings().subscriber_year_epsilon_micro
    if spent > most:
        raise Conflict(
            "All datasets together would cost a subscriber ε = {spent} within a year; no more than {most} is allowed.",
            spent=f"{spent / MICRO:.2f}",
            most=f"{most / MICRO:g}",
        )


async def foresee(now: dt.datetime) -> Forecast:
    """Return what the year around now costs a subscriber, and what one does if every cadence goes on as it is."""
    since = now - dt.timedelta(days=YEAR_DAYS)
    past = await _rows(since, now)
    latest = await fetch_rows(LatestRow, SQL["list_latest_losses"])
    losses, days = [*map(_loss, past)], _days(past)
    so_far = await asyncio.to_thread(budget.rolling_year_micro, losses, since.date(), now.date(), days)
    going_on = await asyncio.to_thread(budget.rolling_year_micro, [*_repeated(latest)], _A_DAY, _A_DAY, _days(latest))
    return Forecast(so_far, going_on, settings().subscriber_year_epsilon_micro)


_A_DAY: Final = dt.date(2000, 1, 1)
"""A day in the middle of the years that cadences are laid out over: which one it is changes nothing."""


def _repeated(latest: Iterable[LatestRow]) -> Iterable[Loss]:
    """Yield the releases of each cadence that have a day within a year of _A_DAY, period after period."""
    for row in latest:
        loss, days = _loss(row), CADENCE_DAYS[row.cadence]
        for start in range(-YEAR_DAYS - days, YEAR_DAYS, days):
            first, last = (_A_DAY + dt.timedelta(days=day) for day in (start, start + days - 1))
            yield Loss(first, last, loss.is_by_day, loss.rho_nano, loss.epsilon_micro, loss.is_pure)


async def _rows(period_from: dt.datetime, period_to: dt.datetime) -> list[LossRow]:
    """Return what every release costs that may have a day within a year of the period."""
    around = dt.timedelta(days=YEAR_DAYS + 3)
    return await fetch_rows(LossRow, SQL["list_losses"], period_from - around, period_to + around)


def _days(rows: Sequence[LossRow]) -> int:
    """Return how long a year is, in days by their names: those of two time zones may be 26 hours nearer than they say."""
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
