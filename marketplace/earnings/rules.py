"""How a sale's money is divided and what a share is: whole numbers in, whole numbers out, nothing lost between."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from pricing.money import largest_remainder
from pricing.promises import NOTHING, TopUp, added_to
from pricing.public_shares import denominator_of, public_share
from pricing.revenue_share import Split, share_of

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    from numpy.typing import NDArray

    Amounts = tuple[NDArray[np.int64], NDArray[np.int64]]
    """Sorted, distinct references, and the micro-euros of each."""

MICRO_PER_MINOR = 10_000
WHOLE_BASIS_POINTS = 10_000
EXACT_POOL = 1
"""The rule of licences divided before: all shares together are the pool, to the last millionth."""
PUBLIC_DENOMINATOR = 2
"""The rule of today: the pool times one's own weight over a public denominator, rounded down."""


@dataclass(frozen=True, slots=True)
class Division:
    """A sale's money in cents: `pool + operator + platform == distributable`, each >= 0."""

    fee_minor: int
    distributable_minor: int
    pool_minor: int
    """The subscribers' part."""
    operator_minor: int
    platform_minor: int


class Costs(NamedTuple):
    """Who pays what subscribers are owed, and what the operator keeps, in cents."""

    subscribers_minor: int
    """Out of the subscribers' part, and out of the platform's where it adds to a promise."""
    operators_minor: int
    """Out of the operator's part."""
    kept_minor: int
    """What is the operator's in the end; below zero it owes that, once in 10**9 sales at most."""


def costs(parts_minor: tuple[int, int], owed_minor: int, top_ups_minor: tuple[int, int]) -> Costs:
    """Return who pays `owed_minor`: out of the pool first, then out of the operator's part, but for the platform's top-up.

    parts_minor: the pool and the operator's part; top_ups_minor: what the operator and the platform add for promises,
    both within what is owed. What the shares leave of the pool is the operator's.
    """
    pool, operator = parts_minor
    from_operator, from_platform = top_ups_minor
    of_pool = owed_minor - from_operator - from_platform
    subscribers = min(pool, of_pool) + from_platform
    return Costs(subscribers, owed_minor - subscribers, operator + pool + from_platform - owed_minor)


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
    rule: int
    denominator: int
    shares_micro: int
    rounding_micro: int

    @property
    def is_public(self) -> bool:
        """Return whether shares are by a public denominator, so that its pool may be shown beside one of them."""
        return self.rule == PUBLIC_DENOMINATOR

    @property
    def pool_micro(self) -> int:
        """Return the subscribers' part in micro-euros."""
        return self.pool_minor * MICRO_PER_MINOR

    @property
    def owed_minor(self) -> int:
        """Return what it gives subscribers in all, in cents."""
        if self.is_public:
            return (self.shares_micro + self.rounding_micro) // MICRO_PER_MINOR
        return self.pool_minor + self.top_up_operator_minor + self.top_up_platform_minor

    @property
    def costs(self) -> Costs:
        """Return who pays what it owes."""
        division = self.pool_minor, self.operator_minor
        return costs(division, self.owed_minor, (self.top_up_operator_minor, self.top_up_platform_minor))

    @property
    def split(self) -> Split:
        """Return how the pool is divided by the exact rule, in micro-euros."""
        return Split(self.pool_micro, self.total_weight, self.cutoff_remainder, self.cutoff_position)

    @property
    def top_up(self) -> TopUp:
        """Return what tops its shares up, in micro-euros."""
        amount = (self.top_up_operator_minor + self.top_up_platform_minor) * MICRO_PER_MINOR
        return TopUp(amount, self.topped_up, self.top_up_each_micro, self.top_up_position) if amount else NOTHING

    def share_of(self, weight: int, position: int) -> int:
        """Return what of the pool the person with this weight at this position of the manifest gets, in micro-euros."""
        if self.is_public:
            return public_share(self.pool_micro, self.denominator, weight)
        return share_of(self.split, weight, position)

    def added_to(self, share_micro: int, promised_micro: int, position: int) -> int:
        """Return what is added to that share to keep what was promised to that person, in micro-euros."""
        if self.is_public:
            return max(0, promised_micro - share_micro)
        return added_to(self.top_up, share_micro, promised_micro, position)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a sale owes the people in it by a public denominator; `*_micro` in micro-euros, `*_minor` in cents."""

    denominator: int
    shares_micro: int
    """All shares and what keeps promises."""
    topped_up: int
    """How many people fell short of what they were promised."""
    top_up_operator_minor: int
    top_up_platform_minor: int

    @property
    def owed_minor(self) -> int:
        """Return what the books owe: the shares, rounded up to a cent."""
        return -(-self.shares_micro // MICRO_PER_MINOR)

    @property
    def rounding_micro(self) -> int:
        """Return what that rounding added, below a cent."""
        return self.owed_minor * MICRO_PER_MINOR - self.shares_micro


def public_denominator(division: Division, people: int, *, noises: int, variance_micro: int) -> int:
    """Return what the pool of a division is divided by, from published figures alone.

    people: of the release's published cells, as noise left them; noises: how many cells' noises are in it;
    variance_micro: of each, in millionths. With it the shares pass pool and operator's part once in 10**9 sales at most.
    """
    return denominator_of(
        people,
        cells=noises,
        variance_micro=variance_micro,
        pool=division.pool_minor,
        spare=division.operator_minor,
    )


def settle(division: Division, denominator: int, of_pool_micro: int, added_micro: int, topped_up: int) -> Settlement:
    """Return what a divided sale owes.

    of_pool_micro: all shares of the pool; added_micro: what promises add to those of `topped_up` people. The operator
    promised, so it pays first, out of what the shares leave of its part.
    """
    of_pool_minor = -(-of_pool_micro // MICRO_PER_MINOR)
    shares_micro = of_pool_micro + added_micro
    top_up_minor = -(-shares_micro // MICRO_PER_MINOR) - of_pool_minor
    left_minor = min(division.operator_minor, max(0, division.operator_minor + division.pool_minor - of_pool_minor))
    return Settlement(denominator, shares_micro, topped_up, *who_tops_up(top_up_minor, left_minor))


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
