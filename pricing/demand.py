"""Learning a posted price from sales and bids: Thompson sampling over a grid of demand multipliers.

The rule this file keeps: only an action that costs its maker something teaches. The state is a frozen value, passed in
and out, made of licences sold, days on sale and bids that auctions revealed. Requests for quotes are not among them: a
partner that only ever asks changes nothing.

Each multiplier of the grid has a Gamma belief about the licences sold a day at it. Before a sale, beliefs say that all
multipliers earn the same. Revealed bids say instead which part of the bidders would pay each, from their auction's
reserve upward, since nobody could bid below it. A draw samples every belief, makes the samples fall as prices rise
(nobody buys more at a higher price), and picks the multiplier with the most expected revenue. Exploring is thus in
proportion to the remaining uncertainty, and stops by itself. The posted multiplier then approaches the draw by at most
`MOST_STEP_PERCENT`, so that waiting for a low draw gains no more than one step.

What can move a price, and what it costs:
- buying: each partner counts once a day, by its payment relative to the usual one (`usual_payment`), and as 1 at most.
  So a cheap licence weighs as little as it costs, and a dear one weighs no more and makes no other weigh less;
- not buying: partners who buy only below a target move the price to it once they are a share of the buyers of at least
  `collusion_needed`; it costs them every purchase above the target until then, and never passes the quote's floor;
- bidding: a bid binds, a bidder counts once, at the highest of its bids, and a low one says nothing about prices below
  the reserve.

Public API not used by the marketplace: `price_grid`, `learn`, `collusion_needed`.

Source: W. R. Thompson, On the likelihood that one unknown probability exceeds another, Biometrika 25, 1933; D. Russo et
al., A tutorial on Thompson sampling, Foundations and Trends in Machine Learning 11(1), 2018, section 3; O. Chapelle and
L. Li, An empirical evaluation of Thompson sampling, NIPS 24, 2011, section 3 (sampling less boldly); R. E. Barlow et
al., Statistical Inference under Order Restrictions, 1972, section 1.2 (pooling adjacent violators); E. L. Kaplan and P.
Meier, Nonparametric estimation from incomplete observations, JASA 53, 1958 (observations above a bound only).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import isfinite, log
from statistics import median_high
from typing import Final

import numpy as np

from pricing.money import amount, whole
from pricing.refusals import Empty, Mismatched, Negative, NotFinite, OutOfRange

NEUTRAL_BASIS_POINTS: Final = 10_000
MOST_STEP_PERCENT: Final = 3
"""The most that a posted price rises in one step; a step down undoes one up, so it is a little smaller."""
PRIOR_BUYERS: Final = 1.0
"""The weight of the belief that all multipliers earn the same, in buyers observed …"""
PRIOR_BIDDERS: Final = 150.0
"""… and in bids revealed: low ones cost their bidder little, so a few of them have little weight."""
BOLDNESS: Final = 0.6
"""How far a sample is from the expectation, relative to the belief's own spread: less than 1 explores less."""
MOST_ELASTIC: Final = 1.5
"""Below the multiplier that was posted most, no sample sells more than in proportion to its price to minus this.
Beliefs with little evidence have long tails, and the longest of many would draw the price down."""
MOST_VOICES: Final = 3
"""How often a partner counts in the usual payment: once for each day on which it bought, up to this number."""

_NEVER: Final = -1
_WHOLE_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Demand:
    """What has been learnt about one offer's demand.

    multipliers_basis_points: n >= 1 rising whole numbers, each >= 1, that worth is multiplied by. sold: licences sold
    at each, >= 0, parts of a licence included. days: how long each was posted. heard: how many bids had a reserve of at
    most each, rises; willing: how many of these were at least each; dearer: how many of these were at least the next
    one, 0 at the last. learnt_through: the last day learnt from, -1 before the first.
    """

    multipliers_basis_points: tuple[int, ...]
    sold: tuple[float, ...]
    days: tuple[int, ...]
    heard: tuple[int, ...]
    willing: tuple[int, ...]
    dearer: tuple[int, ...]
    learnt_through: int = _NEVER

    def __post_init__(self) -> None:
        """Refuse Empty, NotWhole, NotFinite, Negative, OutOfRange and Mismatched."""
        if not self.multipliers_basis_points:
            msg = "a grid needs at least one multiplier"
            raise Empty(msg)
        before = 0
        for multiplier in self.multipliers_basis_points:
            if whole(multiplier, "a multiplier") <= before:
                msg = "multipliers must be positive and rise"
                raise OutOfRange(msg)
            before = multiplier
        counts = (self.days, self.heard, self.willing, self.dearer)
        if any(len(each) != len(self.multipliers_basis_points) for each in (self.sold, *counts)):
            msg = "sales, days and bids must be stated for each multiplier"
            raise Mismatched(msg)
        for licences in self.sold:
            _not_negative(licences)
        for each in counts:
            for count in each:
                amount(count, "a count")
        if any(
            not dearer <= willing <= heard
            for dearer, willing, heard in zip(self.dearer, self.willing, self.heard, strict=True)
        ):
            msg = "of the bids heard, no more can be willing, nor of these dearer"
            raise OutOfRange(msg)
        if whole(self.learnt_through, "a day") < _NEVER:
            msg = "days are counted from 0"
            raise Negative(msg)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing was sold and nobody bid."""
        return not (any(self.sold) or any(self.heard))


@dataclass(frozen=True, slots=True)
class Draw:
    """The multiplier of one offer for one day: recorded, the same for every partner, and an input of the day's quotes.

    day: whole days since any fixed origin, >= 0.
    """

    day: int
    multiplier_basis_points: int


@dataclass(frozen=True, slots=True)
class Reaction:
    """The outcome of one quote of the day. partner: a reference of the partner that asked; None for anybody else.

    paid: at neutral demand and in any unit, the same for all; 0 for a quote that was not paid.
    """

    partner: str | None
    paid: float


@dataclass(frozen=True, slots=True)
class RevealedBid:
    """The highest bid of one bidder, and its auction's reserve, as multipliers of worth in basis points, >= 0."""

    value_basis_points: int
    reserve_basis_points: int = 0

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative and TooLarge."""
        amount(self.value_basis_points, "a bid")
        amount(self.reserve_basis_points, "a reserve")


def price_grid(worth_minor: int, floor_minor: int, cap_minor: int, steps: int) -> tuple[int, ...]:
    """Return at most `steps` rising multipliers with prices for this worth in [floor, cap], evenly spaced in ratio.

    worth_minor: >= 1, as is floor_minor; floor_minor <= cap_minor; steps >= 1. If the interval is narrower than one
    basis point of worth, the grid is the one multiplier that the clamp brings into it. When worth moves later, the
    clamp of the quote keeps prices inside. Refuses NotWhole, Negative, TooLarge, OutOfRange.
    """
    for value in (worth_minor, floor_minor, cap_minor):
        amount(value, "an amount")
    if not (worth_minor >= 1 and 1 <= floor_minor <= cap_minor) or whole(steps, "the number of steps") < 1:
        msg = "worth, floor and steps must be at least 1, and the floor at most the cap"
        raise OutOfRange(msg)
    low = -(-floor_minor * NEUTRAL_BASIS_POINTS // worth_minor)
    high = max(cap_minor * NEUTRAL_BASIS_POINTS // worth_minor, low)
    spaced = np.geomspace(low, high, steps) if steps > 1 else np.array([(low * high) ** 0.5])
    return tuple(sorted({min(max(round(point), low), high) for point in spaced.tolist()}))


def new_demand(multipliers_basis_points: Sequence[int]) -> Demand:
    """Return the state of an offer without sales; refuses what `Demand` refuses."""
    grid = tuple(multipliers_basis_points)
    nothing = (0,) * len(grid)
    return Demand(grid, nothing, nothing, nothing, nothing, nothing)


def nearest(multipliers_basis_points: Sequence[int], multiplier: int) -> int:
    """Return the multiplier of a non-empty grid that rises which is nearest in ratio to another one, >= 1."""
    above = bisect_left(multipliers_basis_points, multiplier)
    around = multipliers_basis_points[max(0, above - 1) : above + 1]
    return min(around, key=lambda one: abs(log(one / multiplier)))


def draw(demand: Demand, day: int, rng: np.random.Generator) -> Draw:
    """Draw the multiplier that is best for one sample of the beliefs.

    day: >= 0 and after every day already learnt from, else OutOfRange. Equal generators and states give equal draws
    under one version of numpy, which is why the draw is recorded and not repeated.
    """
    if whole(day, "a day") <= demand.learnt_through:
        msg = f"day {day} is over: what was sold is learnt through day {demand.learnt_through}"
        raise OutOfRange(msg)
    shares = _shares(demand)
    seen = sum(days * share for days, share in zip(demand.days, shares, strict=True))
    # Buyers a day if the price were so low that all buy; half a sale more, as none may have been seen yet.
    pace = (sum(demand.sold) + 0.5) / seen if seen else 1.0
    spans = [(PRIOR_BUYERS + heard) / pace + days for heard, days in zip(demand.heard, demand.days, strict=True)]
    shapes = [PRIOR_BUYERS * share + sold for share, sold in zip(shares, demand.sold, strict=True)]
    multipliers = demand.multipliers_basis_points
    known = demand.days.index(max(demand.days))
    # Bids need no exploring: they inform about every multiplier at once.
    sampled = [
        (heard * share + BOLDNESS * sample + (1 - BOLDNESS) * shape) / span
        for heard, share, sample, shape, span in zip(
            demand.heard, shares, rng.gamma(shapes).tolist(), shapes, spans, strict=True
        )
    ]
    for at in range(known):
        cheaper = multipliers[known] / multipliers[at]
        sampled[at] = min(sampled[at], sampled[known] * cheaper**MOST_ELASTIC)
    best, picked = -1.0, multipliers[0]
    # Within a pool the sales are the same, so only the dearest multiplier of a pool matters.
    for rate, end in _falling_pools(sampled, spans):
        revenue = rate * multipliers[end - 1]
        if revenue > best:
            best, picked = revenue, multipliers[end - 1]
    return Draw(day, picked)


def approach(posted: int, target: int) -> int:
    """Return the multiplier that is posted next: `target`, or one step towards it.

    posted, target: basis points, >= 1. A step raises by at most MOST_STEP_PERCENT, and lowers by the inverse.
    """
    dearer = _WHOLE_PERCENT + MOST_STEP_PERCENT
    lowest, highest = -(-posted * _WHOLE_PERCENT // dearer), posted * dearer // _WHOLE_PERCENT
    return min(max(target, lowest), highest)


def learn(demand: Demand, drawn: Draw, answers: Iterable[Reaction]) -> Demand:
    """Return the state after a day: each partner counts once, by its largest payment, and 1 at most.

    Quotes that were not paid change nothing. Refuses OutOfRange for a day already learnt from (so nothing counts
    twice), Mismatched for a multiplier outside the grid, NotFinite and Negative for a payment.
    """
    return learn_days(demand, [(drawn, answers)])


def usual_payment(days: Iterable[Iterable[Reaction]]) -> float:
    """Return a partner's usual payment on a day it buys: the median of partners' own medians, each MOST_VOICES times.

    A partner that bought on fewer days has that many voices; 1 if nobody paid. So no sale, however dear or cheap, moves
    it by more than MOST_VOICES ranks, nor does a partner that buys the cheapest every day. Refuses NotFinite and
    Negative as `learn` does.
    """
    own: defaultdict[str, list[float]] = defaultdict(list)
    for answers in days:
        for partner, paid in _paid_by(answers).items():
            own[partner].append(paid)
    voices = [median_high(each) for each in own.values() for _ in each[:MOST_VOICES]]
    return median_high(voices) if voices else 1.0


def learn_days(demand: Demand, past: Iterable[tuple[Draw, Iterable[Reaction]]], usual: float = 1.0) -> Demand:
    """Return the state after some days, the earliest first; refuses OutOfRange and Mismatched as `learn` does.

    usual: > 0, the payment from which a partner counts as one on its day; less counts in proportion.
    """
    grid, through = demand.multipliers_basis_points, demand.learnt_through
    sold, days = list(demand.sold), list(demand.days)
    for drawn, answers in past:
        if drawn.day <= through:
            msg = f"day {drawn.day} has been learnt from already"
            raise OutOfRange(msg)
        if drawn.multiplier_basis_points not in grid:
            msg = f"{drawn.multiplier_basis_points} is not of this grid"
            raise Mismatched(msg)
        at, through = grid.index(drawn.multiplier_basis_points), drawn.day
        sold[at] += sum(min(paid / usual, 1.0) for paid in _paid_by(answers).values())
        days[at] += 1
    return replace(demand, sold=tuple(sold), days=tuple(days), learnt_through=through)


def learn_bids(demand: Demand, bids: Iterable[RevealedBid]) -> Demand:
    """Return the state after bids were revealed: one a bidder, its highest."""
    grid = demand.multipliers_basis_points
    heard, willing, dearer = list(demand.heard), list(demand.willing), list(demand.dearer)
    for bid in bids:
        for at, multiplier in enumerate(grid):
            if bid.reserve_basis_points <= multiplier:
                heard[at] += 1
                willing[at] += bid.value_basis_points >= multiplier
                dearer[at] += at + 1 < len(grid) and bid.value_basis_points >= grid[at + 1]
    return replace(demand, heard=tuple(heard), willing=tuple(willing), dearer=tuple(dearer))


def collusion_needed(multipliers_basis_points: Sequence[int], acceptance: Sequence[Fraction], target: int) -> Fraction:
    """Return the share of buyers who must collude, buying only up to `target`, to make it optimal.

    acceptance: of each multiplier by the other partners, in [0, 1]. target: an index of the grid. With c colluding,
    target earns m_t * ((1 - c) * D_t + c) and the best above it (1 - c) * max m_i * D_i; equating gives c. Zero if the
    target is already best. Refuses Empty, Mismatched, OutOfRange.
    """
    if not multipliers_basis_points:
        msg = "a grid needs at least one multiplier"
        raise Empty(msg)
    if len(acceptance) != len(multipliers_basis_points):
        msg = "there must be one acceptance per multiplier"
        raise Mismatched(msg)
    if not 0 <= target < len(acceptance) or not all(0 <= share <= 1 for share in acceptance):
        msg = "the target must be an index of the grid and acceptances in [0, 1]"
        raise OutOfRange(msg)
    earned = [m * Fraction(share) for m, share in zip(multipliers_basis_points, acceptance, strict=True)]
    lead = max(earned[target:]) - earned[target]
    return lead / (lead + multipliers_basis_points[target])


def _paid_by(answers: Iterable[Reaction]) -> dict[str, float]:
    """Return each partner's largest payment, > 0, in one day's answers."""
    most: dict[str, float] = {}
    for answer in answers:
        if answer.partner is not None and (paid := _not_negative(answer.paid)) > most.get(answer.partner, 0.0):
            most[answer.partner] = paid
    return most


def _shares(demand: Demand) -> list[float]:
    """Return the expected share, of those who buy at the lowest multiplier, that buys at each, in (0, 1]; falls.

    Of those willing at one multiplier, the part that is willing at the next. It combines the bids with PRIOR_BIDDERS
    more for whom both multipliers earn the same.
    """
    grid, shares = demand.multipliers_basis_points, [1.0]
    for at, (low, high) in enumerate(pairwise(grid)):
        stay = PRIOR_BIDDERS * low / high + demand.dearer[at]
        shares.append(shares[-1] * stay / (PRIOR_BIDDERS + demand.willing[at]))
    return shares


def _falling_pools(values: Sequence[float], masses: Sequence[float]) -> list[tuple[float, int]]:
    """Return (mean, end) of the runs [previous end, end) into which values must be pooled so that they never rise.

    The result is the nearest such sequence in least squares, each value weighing its mass, > 0. The means fall
    strictly.
    """
    pools: list[tuple[float, float, int]] = []
    for end, (value, weight) in enumerate(zip(values, masses, strict=True), start=1):
        mean, mass = value, weight
        while pools and pools[-1][0] <= mean:
            earlier, before, _ = pools.pop()
            mean = (earlier * before + mean * mass) / (before + mass)
            mass += before
        pools.append((mean, mass, end))
    return [(mean, end) for mean, _, end in pools]


def _not_negative(value: float) -> float:
    """Return a number of licences, parts included, or a payment; refuses NotFinite and Negative."""
    if not isfinite(value):
        msg = "licences and payments must be finite"
        raise NotFinite(msg)
    if value < 0:
        msg = f"licences and payments must not be negative, but one is {value}"
        raise Negative(msg)
    return float(value)
