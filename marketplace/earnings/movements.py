"""What is held for one subscriber: computed from splits and their own weights, never stored.

A split holds a share from when it was made until it ended; what was released is a row of a month's close. The splits of a
year are everybody's, so a process keeps the years that were last asked for, until a run moves shares again.
"""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 (msgspec reads a row's annotations)
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace import clock
from marketplace.contributions.queries import Contributions, find_contributions
from marketplace.database import DB, fetch_row, fetch_rows
from marketplace.datasets.queries import find_contribution
from marketplace.earnings.promises import promises_to
from marketplace.earnings.rules import SplitFigures
from marketplace.errors import NotFound
from marketplace.instants import instant_of, microseconds
from marketplace.ledger.periods import bounds, month_of
from marketplace.statements import load_statements
from marketplace.web.formats import PARIS, paris_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SQL: Final = load_statements(__package__)
YEARS_KEPT: Final = 8
STILL: Final = 2**62
"""In microseconds since 1970: after every instant at which a split ended."""
LARGEST: Final = 2**62
"""Products below it are computed in 64 bits."""


class SplitRow(SplitFigures, frozen=True):
    """A split, current or former; `number` is that of its release, `kind` of the run that ended it, if one did."""

    number: int
    release: uuid.UUID
    hold_until: dt.datetime
    split_at: dt.datetime
    ended_at: dt.datetime | None
    kind: str | None


class MovedRow(Struct, frozen=True):
    """What changes whenever splits do: the latest run, and how many splits are held."""

    run: int
    held: int


def year_bounds(year: int) -> tuple[dt.datetime, dt.datetime]:
    """Return when a year begins in Paris, and when the next one does; refuses NotFound for one without a calendar."""
    if not dt.MINYEAR < year < dt.MAXYEAR:
        raise NotFound("Nothing moved in {year}.", year=year)
    return dt.datetime(year, 1, 1, tzinfo=PARIS), dt.datetime(year + 1, 1, 1, tzinfo=PARIS)


def closes_after(hold_until: dt.datetime) -> dt.datetime:
    """Return the end, in Paris, of the month in which a hold ends: its close then makes the share the subscriber's."""
    return bounds(month_of(hold_until))[1]


async def exact_share(row: SplitRow, subscriber: int) -> int:
    """Return what a split by the exact rule gives a subscriber who is in its release, in micro-euros."""
    mine = await find_contribution(row.release, subscriber)
    assert mine, "who is in the index is in the manifest"
    of_pool = row.share_of(mine.weight, mine.position)
    promised = max((await promises_to(subscriber, row.terms)).values(), default=0)
    return of_pool + row.added_to(of_pool, promised, mine.position)


class Splits:
    """The splits that were held at some time of a year, as columns: the same for everybody.

    Of a row nothing else is kept but where its share needs it, for there are as many as there were sales.
    """

    def __init__(self, year: int, rows: Sequence[SplitRow]) -> None:
        """Lay the rows out."""

        def column(values: Iterable[int]) -> NDArray[np.int64]:
            return np.fromiter(values, np.int64, len(rows))

        starts = [microseconds(dt.datetime(year, month, 1, tzinfo=PARIS)) for month in range(1, 13)]
        starts.append(microseconds(year_bounds(year)[1]))

        def month_in(instants: NDArray[np.int64]) -> NDArray[np.int64]:
            """Return the number of each one's month where it is in the year, in Paris, else 0."""
            return np.searchsorted(starts, instants, side="right") % len(starts)

        self.year = year
        self.releases, self.of_release = np.unique(column(row.number for row in rows), return_inverse=True)
        self.pools = column(row.pool_micro if row.is_public else 0 for row in rows)
        self.denominators = column(max(row.denominator, 1) for row in rows)
        self.is_cancelled = np.array([row.kind == "cancel" for row in rows], np.bool_)
        self.since = column(microseconds(row.split_at) for row in rows)
        self.until = column(STILL if row.ended_at is None else microseconds(row.ended_at) for row in rows)
        self.hold_until = column(microseconds(row.hold_until) for row in rows)
        self.earned_in, self.ended_in = month_in(self.since), month_in(self.until)
        self.exact = {place: row for place, row in enumerate(rows) if not row.is_public}
        """The rows whose shares are by the exact rule, by place."""
        self.promising = {place: row.terms for place, row in enumerate(rows) if row.is_public and row.terms}
        """The contributor terms of the others' promises, by place."""
        self.terms = {term for row in rows for term in row.terms}

    def shares(self, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what of each pool divided by a public denominator these weights get, 0 of all others, in micro-euros."""
        if len(self.pools) and int(self.pools.max()) * int(weights.max()) >= LARGEST:
            exact = self.pools.astype(object) * weights.astype(object) // self.denominators.astype(object)
            return np.array(exact.tolist(), np.int64)
        return self.pools * weights // self.denominators


@dataclass(frozen=True, slots=True)
class Moved:
    """What the splits of a year moved for one subscriber."""

    subscriber: int
    splits: Splits
    weights: NDArray[np.int64]
    """Their weight in the release of each split, 0 where they are not in it."""
    shares: NDArray[np.int64]
    """What each split by a public denominator gives them, in micro-euros."""

    async def held_before(self, until: dt.datetime | None) -> int:
        """Return what was held just before an instant of the year, or at the end of what is known of it, in micro-euros."""
        if until is None:
            was_held = self.splits.until == STILL
        else:
            instant = microseconds(until)
            was_held = (self.splits.since < instant) & (self.splits.until >= instant)
        held = int(self.shares[was_held].sum())
        for place, row in self.splits.exact.items():
            if was_held[place] and self.weights[place]:
                held += await exact_share(row, self.subscriber)
        return held

    def closes(self) -> tuple[dt.datetime, dt.datetime]:
        """Return when the first and the last share that is held becomes theirs, if nothing is refunded; one must be."""
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
    """What one subscriber's page is made of: the sold releases they are in, and what each year's splits moved for them."""

    subscriber: int
    contributions: Contributions
    moved: MovedRow
    """What says whether the splits that this process knows are those of now."""
    years: dict[int, Moved] = field(default_factory=dict)

    async def in_year(self, year: int) -> Moved:
        """Return what the splits that were held at some time of a year moved."""
        if year not in self.years:
            splits = await _splits_of(year, self.moved)
            weights = self.contributions.weights_in(splits.releases)[splits.of_release]
            shares = splits.shares(weights)
            promises = await promises_to(self.subscriber, splits.terms)
            for place, terms in splits.promising.items() if promises else ():
                if weights[place]:
                    shares[place] = max(shares[place], *(promises.get(term, 0) for term in terms), 0)
            self.years[year] = Moved(self.subscriber, splits, weights, shares)
        return self.years[year]

    async def at(self, instant: dt.datetime | None) -> Moved:
        """Return the same of the year of an instant, or of now."""
        return await self.in_year(paris_day(instant or clock.now()).year)


async def find_mine(subscriber: int) -> Mine:
    """Return what a subscriber's page is made of."""
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
