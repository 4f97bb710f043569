"""What shares by public denominators move for one subscriber: computed from splits and their own weights, never stored.

A split holds a share from when it was made until it ended; what it was released as is an accrual.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 (msgspec reads a row's annotations)
import uuid  # noqa: TC003 (the same)
from typing import TYPE_CHECKING, Final, NamedTuple

from marketplace.database import fetch_rows
from marketplace.earnings.promises import promises_to
from marketplace.earnings.rules import SplitFigures
from marketplace.statements import load_statements
from marketplace.web.formats import paris_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from marketplace.datasets.queries import Contribution

SQL: Final = load_statements(__package__)


class PublicSplit(SplitFigures, frozen=True):
    """A split by a public denominator, current or former, of a release; `kind` of the run that ended it, if one did."""

    release: uuid.UUID
    split_at: dt.datetime
    ended_at: dt.datetime | None
    kind: str | None


class Held(NamedTuple):
    """A share in micro-euros, held in [since, until) or, with None, still."""

    share_micro: int
    since: dt.datetime
    until: dt.datetime | None
    is_cancelled: bool


async def list_held(subscriber: int, mine: Mapping[uuid.UUID, Contribution]) -> list[Held]:
    """Return every share by a public denominator that was held for a subscriber; `mine`, what they are in."""
    rows = await fetch_rows(PublicSplit, SQL["list_public_splits"], list(mine))
    promises = await promises_to(subscriber, [term for row in rows for term in row.terms])
    found = []
    for row in rows:
        of_pool = row.share_of(mine[row.release].weight, mine[row.release].position)
        promised = max((promises.get(term, 0) for term in row.terms), default=0)
        share = max(of_pool, promised)
        if share:
            found.append(Held(share, row.split_at, row.ended_at, row.kind == "cancel"))
    return found


def held_before(held: Iterable[Held], until: dt.datetime | None) -> int:
    """Return what was held just before an instant, or is now, in micro-euros."""
    return sum(
        one.share_micro
        for one in held
        if (one.until is None or (until is not None and one.until >= until)) and (until is None or one.since < until)
    )


def by_month(held: Iterable[Held]) -> dict[dt.date, tuple[int, int]]:
    """Return what was earned and what was cancelled in each month, by its first day in Paris, in micro-euros."""
    months: dict[dt.date, tuple[int, int]] = {}
    for one in held:
        month = paris_day(one.since).replace(day=1)
        earned, cancelled = months.get(month, (0, 0))
        months[month] = earned + one.share_micro, cancelled
        if one.is_cancelled and one.until is not None:
            month = paris_day(one.until).replace(day=1)
            earned, cancelled = months.get(month, (0, 0))
            months[month] = earned, cancelled + one.share_micro
    return months
