"""What is held for one subscriber: computed from splits and the subscriber's weights, never stored.

A split holds a share until it ends; released shares are rows of a month's close. The splits of a year are the same for
everybody, so a process keeps the latest requested years until a run moves shares again.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import DB, fetch_row, fetch_rows
from marketplace.core.errors import NotFound
from marketplace.core.instants import instant_of, microseconds
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.money.ledger.periods import bounds, month_of
from marketplace.subscribers.earnings.contribution_queries import Contributions, find_contributions
from marketplace.subscribers.earnings.promises import promises_to
from marketplace.subscribers.earnings.rules import SplitFigures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SQL: Final = load_statements(__package__)
YEARS_KEPT: Final = 8
STILL: Final = 2**62
"""In microseconds since 1970: later than every instant at which a split ended."""
LARGEST: Final = 2**62
"""Products below this are computed in 64 bits."""


class SplitRow(SplitFigures, frozen=True):
    """A split, current or replaced; `number` is its release's, `kind` that of the run that ended it, if one did."""

    number: int
    hold_until: dt.datetime
    split_at: dt.datetime
    ended_at: dt.datetime | None
    kind: str | None


class MovedRow(Struct, frozen=True):
    """Changes whenever splits do: the latest run, and how many splits are held."""

    run: int
    held: int


def year_bounds(year: int) -> tuple[dt.datetime, dt.datetime]:
    """Return when a year begins in Paris, and when the next one does; raises NotFound for a year without a calendar."""
    if not dt.MINYEAR < year < dt.MAXYEAR:
        raise NotFound("Nothing moved in {year}.", year=year)
    return dt.datetime(year, 1, 1, tzinfo=PARIS), dt.datetime(year + 1, 1, 1, tzinfo=PARIS)


def closes_after(hold_until: dt.datetime) -> dt.datetime:
    """Return the end, in Paris, of the month in which a hold ends: its close then makes the share the subscriber's."""
    return bounds(month_of(hold_until))[1]


class Splits:
    """The splits that were held at some time of a year, as columns: the same for everybody.

    Only the terms of each row are kept, because there are as many rows as sales.
    """

    def __init__(self, year: int, rows: Sequence[SplitRow]) -> None:
        """Lay the rows out."""

        def column(values: Iterable[int]) -> NDArray[np.int64]:
            return np.fromiter(values, np.int64, len(rows))

        starts = [microseconds(dt.datetime(year, month, 1, tzinfo=PARIS)) for month in range(1, 13)]
        starts.append(microseconds(year_bounds(year)[1]))

        def month_in(instants: NDArray[np.int64]) -> NDArray[np.int64]:
            """Return the number of each one's month, if it is in the year in Paris; otherwise 0."""
            return np.searchsorted(starts, instants, side="right") % len(starts)

        self.year = year
        self.releases, self.of_release = np.unique(column(row.number for row in rows), return_inverse=True)
        self.pools = column(row.pool_micro for row in rows)
        self.denominators = column(row.denominator for row in rows)
        self.is_cancelled = np.array([row.kind == "cancel" for row in rows], np.bool_)
        self.since = column(microseconds(row.split_at) for row in rows)
        self.until = column(STILL if row.ended_at is None else microseconds(row.ended_at) for row in rows)
        self.hold_until = column(microseconds(row.hold_until) for row in rows)
        self.earned_in, self.ended_in = month_in(self.since), month_in(self.until)
        self.promising = {place: row.terms for place, row in enumerate(rows) if row.terms}
        """The contributor terms of their promises, by place."""
        self.terms = {term for row in rows for term in row.terms}

    def shares(self, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what these weights earn of each pool, in micro-euros."""
        if len(self.pools) and int(self.pools.max()) * int(weights.max()) >= LARGEST:
            exact = self.pools.astype(object) * weights.astype(object) // self.denominators.astype(object)
            return np.array(exact.tolist(), np.int64)
        return self.pools * weights // self.denominators


@dataclass(frozen=True, slots=True)
class YearMovements:
    """What the splits of a year moved for one subscriber."""

    splits: Splits
    weights: NDArray[np.int64]
    """Their weight in the release of each split, 0 where they are not in it."""
    shares: NDArray[np.int64]
    """What each split gives them, in micro-euros."""

    def held_before(self, until: dt.datetime | None) -> int:
        """Return what was held just before an instant of the year, or at the end of the known movements, in µ€."""
        if until is None:
            was_held = self.splits.until == STILL
        else:
            instant = microseconds(until)
            was_held = (self.splits.since < instant) & (self.splits.until >= instant)
        return int(self.shares[was_held].sum())

    def closes(self) -> tuple[dt.datetime, dt.datetime]:
        """Return when the first and the last held share become theirs, if nothing is refunded.

        At least one must be held.
        """
        holds = self.splits.hold_until[(self.splits.until == STILL) & (self.weights > 0)]
        return closes_after(instant_of(int(holds.min()))), closes_after(instant_of(int(holds.max())))

    def by_month(self) -> dict[dt.date, tuple[int, int]]:
        """Return what was earned and what was cancelled in each month of the year, by its first day, in micro-euros."""
        earned, cancelled = np.zeros((2, 13), np.int64)
        np.add.at(earned, self.splits.earned_in, self.shares)
        np.add.at(cancelled, self.splits.ended_in[self.splits.is_cancelled], self.shares[self.splits.is_cancelled])
        sums = zip(earned.tolist(), cancelled.tolist(), strict=True)
        return {dt.date(self.splits.year, month, 1): moved for month, moved in enumerate(sums) if month and any(moved)}


@dataclass(frozen=True, slots=True)
class Mine:
    """The data of one subscriber's page: the sold releases they are in, and what each year's splits moved for them."""

    subscriber: int
    contributions: Contributions
    moved: MovedRow
    """Shows whether the splits that this process knows are current."""
    years: dict[int, YearMovements] = field(default_factory=dict)

    async def in_year(self, year: int) -> YearMovements:
        """Return what the splits that were held at some time of a year moved."""
        if year not in self.years:
            splits = await _splits_of(year, self.moved)
            weights = self.contributions.weights_in(splits.releases)[splits.of_release]
            shares = splits.shares(weights)
            promises = await promises_to(self.subscriber, splits.terms)
            for place, terms in splits.promising.items() if promises else ():
                if weights[place]:
                    shares[place] = max(shares[place], *(promises.get(term, 0) for term in terms), 0)
            self.years[year] = YearMovements(splits, weights, shares)
        return self.years[year]

    async def at(self, instant: dt.datetime | None) -> YearMovements:
        """Return the same for the year of an instant, by default the present one."""
        return await self.in_year(paris_day(instant or clock.now()).year)


async def find_mine(subscriber: int) -> Mine:
    """Return the data of a subscriber's page."""
    moved = await fetch_row(
        MovedRow,
        """SELECT coalesce((SELECT max(id) FROM share_run), 0) AS run,
                  (SELECT count(*) FROM licence_split WHERE state = 'held') AS held""",
    )
    assert moved, "a count is one row"
    return Mine(subscriber, await find_contributions(subscriber), moved)


_kept: OrderedDict[tuple[object, int, MovedRow], Splits] = OrderedDict()


async def _splits_of(year: int, moved: MovedRow) -> Splits:
    key = DB.config.get("dsn"), year, moved
    if key not in _kept:
        _kept[key] = Splits(year, await fetch_rows(SplitRow, SQL["list_splits"], *year_bounds(year)))
        while len(_kept) > YEARS_KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]
