"""How a sale's money is divided and what a share is: whole numbers in, whole numbers out, with nothing lost."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from pricing.money import largest_remainder
from pricing.public_shares import denominator_of, public_share

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    from numpy.typing import NDArray

    Amounts = tuple[NDArray[np.int64], NDArray[np.int64]]
    """Sorted, distinct references, and the micro-euros of each."""

MICRO_PER_MINOR = 10_000
WHOLE_BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Division:
    """A sale's money in cents: `pool + operator + platform == distributable`, pool and operator >= 0."""

    fee_minor: int
    distributable_minor: int
    pool_minor: int
    """The subscribers' part of the posted price."""
    operator_minor: int
    """The operator's part, less what a private price took off."""
    platform_minor: int
    """The rest; below zero where the fee is more."""
    posted_operator_minor: int
    """The operator's part of the posted price, as everybody can compute it."""


class Costs(NamedTuple):
    """Who pays what subscribers are owed, and what the operator keeps, in cents."""

    subscribers_minor: int
    """From the subscribers' part, and from the platform's where it tops up a promise."""
    operators_minor: int
    """From the operator's part."""
    kept_minor: int
    """What is left for the operator; below zero it owes the amount."""


def costs(parts_minor: tuple[int, int], owed_minor: int, top_ups_minor: tuple[int, int]) -> Costs:
    """Return who pays `owed_minor`: first the pool, then the operator's part, except the platform's top-up.

    parts_minor: the pool and the operator's part; top_ups_minor: what the operator and the platform add for promises,
    both included in what is owed. The rest of the pool is the operator's.
    """
    pool, operator = parts_minor
    from_operator, from_platform = top_ups_minor
    of_pool = owed_minor - from_operator - from_platform
    subscribers = min(pool, of_pool) + from_platform
    return Costs(subscribers, owed_minor - subscribers, operator + pool + from_platform - owed_minor)


class SplitFigures(Struct, frozen=True):
    """The figures of a licence's stored split from which shares are computed: the first columns of every such row."""

    pool_minor: int
    operator_minor: int
    terms: list[uuid.UUID]
    """The contributor terms with promises that it keeps."""
    top_up_operator_minor: int
    top_up_platform_minor: int
    denominator: int
    shares_micro: int
    rounding_micro: int

    @property
    def pool_micro(self) -> int:
        """Return the subscribers' part in micro-euros."""
        return self.pool_minor * MICRO_PER_MINOR

    @property
    def owed_minor(self) -> int:
        """Return what it owes all subscribers, in cents."""
        return (self.shares_micro + self.rounding_micro) // MICRO_PER_MINOR

    @property
    def costs(self) -> Costs:
        """Return who pays what it owes."""
        division = self.pool_minor, self.operator_minor
        return costs(division, self.owed_minor, (self.top_up_operator_minor, self.top_up_platform_minor))

    def share_of(self, weight: int) -> int:
        """Return what the person with this weight gets of the pool, in micro-euros."""
        return public_share(self.pool_micro, self.denominator, weight)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a sale owes its contributors with a public denominator; `*_micro` in micro-euros, `*_minor` in cents."""

    denominator: int
    shares_micro: int
    """All shares and all top-ups for promises."""
    topped_up: int
    """How many people fell short of what they were promised."""
    top_up_operator_minor: int
    top_up_platform_minor: int

    @property
    def owed_minor(self) -> int:
        """Return the debt in the books: the shares, rounded up to a cent."""
        return -(-self.shares_micro // MICRO_PER_MINOR)

    @property
    def rounding_micro(self) -> int:
        """Return the amount of that rounding, below a cent."""
        return self.owed_minor * MICRO_PER_MINOR - self.shares_micro


def public_denominator(division: Division, people: int, *, noises: int, variance_micro: int) -> int:
    """Return the divisor of a division's pool, from published figures alone.

    people: the sum of the release's published cells, with their noise; noises: how many cells' noises are in it;
    variance_micro: of each, in millionths. With this divisor the shares exceed the pool and the operator's part of the
    posted price at most once in 10**9 sales. What a partner took off that part does not count: it would show here.
    """
    return denominator_of(
        people,
        cells=noises,
        variance_micro=variance_micro,
        pool=division.pool_minor,
        spare=division.posted_operator_minor,
    )


def settle(division: Division, denominator: int, of_pool_micro: int, added_micro: int, topped_up: int) -> Settlement:
    """Return what a divided sale owes.

    of_pool_micro: all shares of the pool; added_micro: what promises add to the shares of `topped_up` people. The
    operator promised, so it pays first, from the rest of its part after the shares.
    """
    of_pool_minor = -(-of_pool_micro // MICRO_PER_MINOR)
    shares_micro = of_pool_micro + added_micro
    top_up_minor = -(-shares_micro // MICRO_PER_MINOR) - of_pool_minor
    left_minor = min(division.operator_minor, max(0, division.operator_minor + division.pool_minor - of_pool_minor))
    return Settlement(denominator, shares_micro, topped_up, *who_tops_up(top_up_minor, left_minor))


def divide(posted_minor: int, net_minor: int, fee_minor: int, rates: tuple[int, int]) -> Division:
    """Divide a sale before VAT between subscribers, operator and platform.

    posted_minor: what everybody pays for it; net_minor: what was paid, no more. rates: the subscribers' and the
    operator's, in basis points of the posted price, at most 10,000 together. What was paid less comes off the operator's
    part; the platform gets the rest, and bears Stripe's fee. So the pool is a function of public figures.
    """
    subscribers, operator = rates
    platform = WHOLE_BASIS_POINTS - subscribers - operator
    pool, posted_operator, _ = largest_remainder(posted_minor, [subscribers, operator, platform])
    left = max(0, posted_operator - (posted_minor - net_minor))
    distributable = net_minor - fee_minor
    return Division(fee_minor, distributable, pool, left, distributable - pool - left, posted_operator)


def who_tops_up(top_up_minor: int, operator_minor: int) -> tuple[int, int]:
    """Return what the operator and the platform add to promised shares, in cents.

    The operator promised, so it pays from its part of the sale. Once that is spent the platform pays, even at a loss;
    another subscriber's share is never touched.
    """
    from_operator = min(top_up_minor, operator_minor)
    return from_operator, top_up_minor - from_operator


def expected_after(period_from: dt.datetime, period_to: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """Return when the next period, as long as this one, ends; None once that has passed."""
    following = period_to + (period_to - period_from)
    return following if following > now else None


def further_loss(amount_minor: int, net_minor: int, before_minor: int, loss_minor: int) -> int:
    """Return the further loss of an amount beyond the earlier one, in the proportion of the sale that was refunded.

    net_minor: the sale that was divided; before_minor and loss_minor: its refunds at the last look, and now, with 0 <=
    before < loss <= net.
    """
    return amount_minor * loss_minor // net_minor - amount_minor * before_minor // net_minor
