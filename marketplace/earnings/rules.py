"""How a sale's money is divided and shares are added up: whole numbers in, whole numbers out, nothing lost between."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from pricing.money import largest_remainder
from pricing.promises import NOTHING, TopUp
from pricing.revenue_share import Split

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


class SplitFigures(Struct, frozen=True):
    """What a licence's stored split says of everyone's share: the first columns of every row that shares are computed from."""

    pool_minor: int
    operator_minor: int
    total_weight: int
    cutoff_remainder: int
    cutoff_position: int
    terms: list[uuid.UUID]
    """The contributor terms whose promises it keeps."""
    top_up_operator_minor: int
    top_up_platform_minor: int
    topped_up: int
    """How many people it tops up."""
    top_up_each_micro: int
    top_up_position: int

    @property
    def owed_minor(self) -> int:
        """Return what it gives subscribers in all, in cents: the pool and what tops it up."""
        return self.pool_minor + self.top_up_operator_minor + self.top_up_platform_minor

    @property
    def split(self) -> Split:
        """Return how its pool is divided, in micro-euros."""
        return Split(self.pool_minor * MICRO_PER_MINOR, self.total_weight, self.cutoff_remainder, self.cutoff_position)

    @property
    def top_up(self) -> TopUp:
        """Return what tops its shares up, in micro-euros."""
        amount = (self.top_up_operator_minor + self.top_up_platform_minor) * MICRO_PER_MINOR
        return TopUp(amount, self.topped_up, self.top_up_each_micro, self.top_up_position) if amount else NOTHING


def divide(net_minor: int, fee_minor: int, rates: tuple[int, int]) -> Division:
    """Divide a sale before VAT, less Stripe's fee, between subscribers, operator and platform.

    rates: the subscribers' and the operator's, in basis points, together at most the whole; the platform keeps the
    rest.
    """
    subscribers, operator = rates
    platform = WHOLE_BASIS_POINTS - subscribers - operator
    distributable = max(0, net_minor - fee_minor)
    return Division(fee_minor, distributable, *largest_remainder(distributable, [subscribers, operator, platform]))


def who_tops_up(top_up_minor: int, operator_minor: int) -> tuple[int, int]:
    """Return what the operator and the platform add to promised shares, in cents.

    The operator promised, so it pays out of its part of the sale. Where that is spent the platform pays, at a loss if
    need be; another subscriber's share is never touched.
    """
    from_operator = min(top_up_minor, operator_minor)
    return from_operator, top_up_minor - from_operator


def add_up(parts: Iterable[Amounts]) -> Amounts:
    """Add what several releases bring each person; who comes to zero is left out.

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


def name_of(licence: uuid.UUID, generation: int) -> str:
    """Return how the books name a licence's split: by the licence, and from its second split on by which one it is."""
    return f"{licence}/{generation}" if generation else str(licence)


def further_loss(amount_minor: int, net_minor: int, before_minor: int, loss_minor: int) -> int:
    """Return what of an amount is lost beyond what was lost before, in the proportion of the sale that was paid back.

    net_minor: the sale that was divided; before_minor and loss_minor: what of it was paid back when last looked at, and
    now, with 0 <= before < loss <= net.
    """
    return amount_minor * loss_minor // net_minor - amount_minor * before_minor // net_minor
