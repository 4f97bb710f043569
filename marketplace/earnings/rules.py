"""How a sale's money is divided and shares are added up: whole numbers in, whole numbers out, nothing lost between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pricing.money import largest_remainder

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Amounts = tuple[NDArray[np.int64], NDArray[np.int64]]
    """Sorted, distinct references, and the micro-euros of each."""

MICRO_PER_MINOR = 10_000
WHOLE_BASIS_POINTS = 10_000
FEWEST_NAMED = 100
"""Below this many contributors a page says only that there are fewer."""


@dataclass(frozen=True, slots=True)
class Division:
    """A sale's money in cents: `pool + operator + platform == distributable`, each >= 0."""

    fee_minor: int
    distributable_minor: int
    pool_minor: int
    """The subscribers' part."""
    operator_minor: int
    platform_minor: int


def divide(net_minor: int, fee_minor: int, rates: tuple[int, int], minimum_pool_minor: int = 0) -> Division:
    """Divide a sale before VAT, less Stripe's fee, between subscribers, operator and platform.

    rates: the subscribers' and the operator's, in basis points, together at most the whole; the platform keeps the
    rest.
    minimum_pool_minor: promised to the contributors; it comes out of the others' parts, as far as those go.
    """
    subscribers, operator = rates
    platform = WHOLE_BASIS_POINTS - subscribers - operator
    distributable = max(0, net_minor - fee_minor)
    parts = largest_remainder(distributable, [subscribers, operator, platform])
    if parts[0] < minimum_pool_minor:
        pool = min(minimum_pool_minor, distributable)
        others = [operator, platform] if operator + platform else [0, 1]
        parts = [pool, *largest_remainder(distributable - pool, others)]
    return Division(fee_minor, distributable, *parts)


def add_up(parts: Iterable[Amounts]) -> Amounts:
    """Add what several releases bring each person; whoever comes to zero is left out.

    parts: per release, sorted distinct references and amounts of the same length.
    """
    references, amounts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for others, more in parts:
        earning = more != 0
        references = np.concatenate([references, others[earning]])
        order = np.argsort(references, kind="stable")  # merges the two sorted runs rather than sorting anew
        references, amounts = references[order], np.concatenate([amounts, more[earning]])[order]
        first = np.flatnonzero(np.diff(references, prepend=-1))
        references, amounts = references[first], np.add.reduceat(amounts, first) if len(first) else amounts
    return references, amounts


def people_about(people: int) -> int | None:
    """Return a head count to two significant digits, or None when there are too few to name.

    How many contributed exactly is private: the manifest leaves no trace in what is published.
    """
    if people < FEWEST_NAMED:
        return None
    unit: int = 10 ** (len(str(people)) - 2)
    return (people + unit // 2) // unit * unit


def expected_after(period_from: dt.datetime, period_to: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """Return when the next period, as long as this one, is over; None once that has passed."""
    following = period_to + (period_to - period_from)
    return following if following > now else None
