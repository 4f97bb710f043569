"""Learning a posted price from sales and bids: one belief over a demand curve, and a price that walks within its band.

The rule this file keeps: only an action that costs its maker something teaches. The evidence is licences sold, days on
sale and bids that auctions revealed, each at a multiplier of the grid. Requests for quotes are not among it: a partner
that only ever asks changes nothing. Nothing is drawn at random, so anybody who has the evidence can compute the price.

The belief: at a multiplier m, a part 1 / (1 + (m / s)^k) of those who come would buy. Scale s and sharpness k are the
curve's two parameters, and how many come a day is a third, integrated out. Before any evidence, every best multiplier
of the grid is as likely, at every sharpness. A curve says which multiplier earns most; the middle `BAND` of these, by
belief, is the band. The posted multiplier walks through the band, a step a week: it falls until it meets the band's
lower end, rises until it meets the upper one, and so on. It must move to learn, since sales at one price alone say
nothing about a slope. The band narrows as the belief sharpens, and so does the walk. It falls first, for a step down
costs 3 % at most, and a step up may cost every sale.

Groups of zones have a belief each once they have `GROUP_SALES` sales. Each also counts what the others' curves were,
but as no more than `GROUP_SALES` sales in all: so the market's knowledge is where a group starts from.

What can move a price, and what it costs:
- buying: each partner counts once a day, by its payment relative to the usual one (`usual_payment`), and as 1 at most.
  So a cheap licence weighs as little as it costs, and a dear one weighs no more and makes no other weigh less;
- not buying: it costs a partner what it does not buy, and moves the price by its part of all sales;
- bidding: a bid binds, a bidder counts once, at the highest of its bids, and a few bids count for little (`PRIOR_BIDS`).

Public API not used by the marketplace: `NEUTRAL_LEVEL`.

Source: A. Gelman et al., Bayesian Data Analysis, 3rd ed. 2013, section 2.6 (Poisson counts with a gamma prior); P. R. Fisk,
The graduation of income distributions, Econometrica 29, 1961 (the log-logistic curve); A. V. den Boer and B. Zwart,
Simultaneously learning and optimizing using controlled variance pricing, Management Science 60, 2014 (a price that does
not vary stops teaching).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite, log
from statistics import median_high
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pricing.money import amount
from pricing.refusals import Mismatched, Negative, NotFinite

NEUTRAL_BASIS_POINTS: Final = 10_000
STEP: Final = 1.03
"""A posted price falls by 3 % at most in one step; a step up undoes one down."""
GRID: Final = tuple(round(NEUTRAL_BASIS_POINTS * STEP**power) for power in range(-54, 71))
"""The multipliers that can be posted, in basis points: 0.2 to 8, a step apart."""
NEUTRAL_LEVEL: Final = GRID.index(NEUTRAL_BASIS_POINTS)
SHARPNESS: Final = (1.5, 2.0, 3.0, 4.5, 7.0, 12.0, 25.0)
"""How fast demand falls beyond its scale; above 1, so that some multiplier earns most."""
PACE_SHAPE: Final = 0.7
"""Before any evidence, so many are believed to come …"""
PACE_DAYS: Final = 0.2
"""… in so many days: some a day, give or take several times as many. Where few buy, the price is likelier too high."""
BAND: Final = (0.35, 0.65)
"""The part of the belief in the best multiplier that lies below each end of the band."""
WAITING_DAYS: Final = 56
"""How long the price stays where nothing was sold and nobody bid: those who might buy need time."""
GROUP_SALES: Final = 50.0
"""From so many sales a group of zones has a belief of its own; and what it takes from others counts as so many."""
PRIOR_BIDS: Final = 150.0
"""Of n bids each counts for n / (n + so many) of a sale: low ones cost their bidder little, so a few have little weight."""
MOST_VOICES: Final = 3
"""How often a partner counts in the usual payment: once for each day on which it bought, up to this number."""
WEEK_DAYS: Final = 7

Numbers: TypeAlias = npt.NDArray[np.float64]
Levels: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

_SPACING: Final = 2
"""Of the curves' best multipliers, in levels."""
_MULTIPLIERS: Final[Numbers] = np.array(GRID) / NEUTRAL_BASIS_POINTS
_BEST_ONES: Final = np.repeat(np.arange(0, len(GRID), _SPACING), len(SHARPNESS))
"""The level at which each curve earns most, ascending."""
_SHARP: Final[Numbers] = np.tile(np.array(SHARPNESS), len(_BEST_ONES) // len(SHARPNESS))[:, None]
_BEYOND: Final[Numbers] = _SHARP * np.log(_MULTIPLIERS / _MULTIPLIERS[_BEST_ONES, None]) - np.log(_SHARP - 1)
"""k · ln(m / s) of each curve at each multiplier, by way of the best one: s · (k - 1)^(-1/k)."""
_LOG_PART: Final[Numbers] = -np.logaddexp(0, _BEYOND)
_PART: Final[Numbers] = np.exp(_LOG_PART)
_LOG_BID: Final[Numbers] = np.log(_SHARP) + 2 * _LOG_PART + _BEYOND
"""The logarithm of a bid's density: k · part · (1 - part)."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The evidence of one demand or several: arrays of shape (…, len(GRID)), all alike, by level of the grid.

    sold: licences sold at each multiplier, parts of one included. days: how long each was posted. bids: how many were
    nearest to each. reserves: how many of these bids could not be below each; one below the grid is none.
    """

    sold: Numbers
    days: Numbers
    bids: Numbers
    reserves: Numbers

    def __post_init__(self) -> None:
        """Refuse NotFinite, Negative and Mismatched."""
        for each in (self.sold, self.days, self.bids, self.reserves):
            if each.shape != self.sold.shape or each.shape[-1:] != (len(GRID),):
                msg = "sales, days and bids must be stated for each multiplier of the grid"
                raise Mismatched(msg)
            if not np.isfinite(each).all():
                msg = "sales, days and bids must be finite"
                raise NotFinite(msg)
            if (each < -_ROUNDING).any():
                msg = "sales, days and bids must not be negative"
                raise Negative(msg)

    @property
    def sales(self) -> Numbers:
        """Return the licences sold at any multiplier; shape (…)."""
        return np.asarray(self.sold.sum(-1))


_ROUNDING: Final = 1e-9


class Reaction(NamedTuple):
    """A payment of a partner on a day: at neutral demand and in any unit, the same for all."""

    partner: str
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


class Believed(NamedTuple):
    """What is believed of one demand, by level of the grid: its sales a day, with a low and a high end.

    low, high: levels of the ends of the band, in which the best multiplier is sought. lesson: the part of the doubt
    about it, as the variance of its logarithm, that one more week at the posted multiplier is expected to remove.
    """

    sales: Numbers
    least: Numbers
    most: Numbers
    low: int
    high: int
    lesson: float


def new_demand(*shape: int) -> Demand:
    """Return no evidence about demands of a shape."""
    nothing = np.zeros((*shape, len(GRID)))
    return Demand(nothing, nothing, nothing, nothing)


@lru_cache(4 * len(GRID))
def nearest(multiplier: int) -> int:
    """Return the level of the grid that is nearest in ratio to a multiplier, >= 1 basis point."""
    return int(np.abs(np.log(_MULTIPLIERS * NEUTRAL_BASIS_POINTS / multiplier)).argmin())


def add_bids(demand: Demand, bids: Iterable[RevealedBid]) -> Demand:
    """Return the evidence of one demand with bids that were revealed: one a bidder, its highest; one of nothing is none."""
    heard, reserves = demand.bids.copy(), demand.reserves.copy()
    for bid in bids:
        if bid.value_basis_points:
            heard[..., nearest(bid.value_basis_points)] += 1
            if bid.reserve_basis_points >= GRID[0]:
                reserves[..., nearest(min(bid.reserve_basis_points, bid.value_basis_points))] += 1
    return replace(demand, bids=heard, reserves=reserves)


def paid_by(answers: Iterable[Reaction]) -> dict[str, float]:
    """Return each partner's largest payment, > 0, in one day's answers. Refuses NotFinite and Negative."""
    most: dict[str, float] = {}
    for partner, paid in answers:
        if not isfinite(paid):
            msg = "payments must be finite"
            raise NotFinite(msg)
        if paid < 0:
            msg = f"payments must not be negative, but one is {paid}"
            raise Negative(msg)
        if paid > most.get(partner, 0.0):
            most[partner] = float(paid)
    return most


def usual_payment(days: Iterable[Iterable[Reaction]]) -> float:
    """Return a partner's usual payment on a day it buys: the median of partners' own medians, each MOST_VOICES times.

    A partner that bought on fewer days has that many voices; 1 if nobody paid. So no sale, however dear or cheap, moves
    it by more than MOST_VOICES ranks, nor does a partner that buys the cheapest every day. Refuses NotFinite and
    Negative.
    """
    own: defaultdict[str, list[float]] = defaultdict(list)
    for answers in days:
        for partner, paid in paid_by(answers).items():
            own[partner].append(paid)
    voices = [median_high(each) for each in own.values() for _ in each[:MOST_VOICES]]
    return median_high(voices) if voices else 1.0


def band(demand: Demand) -> tuple[Levels, Levels]:
    """Return the levels of the band's ends.

    demand: shape (…, groups of zones of one market, level); the ends: (…, groups).
    """
    return _band(_beliefs(demand))


def next_levels(demand: Demand, posted: Levels, is_rising: Flags) -> tuple[Levels, Flags]:
    """Return the levels to post next, each the one posted or a step beside it, and which of them rise.

    demand: shape (…, groups of zones of one market, level). posted: levels; is_rising: whether the last step was up,
    at first False; both of shape (…, groups). Where nothing was sold and nobody bid, the level stays for WAITING_DAYS.
    """
    low, high = band(demand)
    rises = np.where(posted <= low, True, np.where(posted >= high, False, is_rising))  # noqa: FBT003 (a value of the array)
    step = np.where(low == high, np.sign(low - posted), np.where(rises, 1, -1))
    is_unknown = (demand.sales <= 0) & (demand.bids.sum(-1) <= 0)
    stays = is_unknown & (demand.days.sum(-1) < WAITING_DAYS)
    after = np.clip(posted + step, 0, len(GRID) - 1)
    return np.where(stays, posted, after), np.where(stays, is_rising, rises)


def believed(demand: Demand, group: int, posted: int) -> Believed:
    """Return what is believed of one of a market's demands, posted at a level.

    demand: shape (groups of zones, level). The ends of sales hold four fifths of the belief.
    """
    weights = _beliefs(demand)[group]
    pace = (PACE_SHAPE + demand.sales[group]) / (PACE_DAYS + _PART @ demand.days[group])
    rates = pace[:, None] * _PART
    order = np.argsort(rates, axis=0)
    reached = np.cumsum(weights[order], axis=0)
    least, most = (
        np.take_along_axis(rates, np.take_along_axis(order, (reached < end).sum(0)[None], 0), 0)[0]
        for end in (0.1, 0.9)
    )
    low, high = _band(weights)
    lesson = _lesson(weights, float(demand.sales[group]), pace, posted)
    return Believed(weights @ rates, least, most, int(low), int(high), lesson)


def _lesson(weights: Numbers, sales: float, pace: Numbers, posted: int) -> float:
    """Return the part of the variance of the best multiplier's logarithm that a week at a level is expected to remove.

    pace: how many come a day, of each curve. A curve foresees a negative binomial number of sales: Poisson at a gamma
    pace. What is removed is the variance of the mean that is believed after the week.
    """
    best = np.log(_MULTIPLIERS[_BEST_ONES])
    mean = float(weights @ best)
    shape, expected = PACE_SHAPE + sales, pace * _PART[:, posted] * WEEK_DAYS
    odds, chances = np.log(expected / (shape + expected)), -shape * np.log1p(expected / shape)  # of no sale
    removed = 0.0
    for sold in range(int(float(weights @ expected) * 2 + 20)):
        joint = weights * np.exp(chances)
        chance = float(joint.sum())
        if chance > 0:
            removed += chance * (float(joint @ best) / chance - mean) ** 2
        chances = chances + odds + log((shape + sold) / (sold + 1))
    return removed / max(float(weights @ (best - mean) ** 2), _ROUNDING)


def _beliefs(demand: Demand) -> Numbers:
    """Return the belief in each curve, sums to 1; shape (…, groups, curves)."""
    came = PACE_DAYS + demand.days @ _PART.T
    heard = demand.bids.sum(-1, keepdims=True)
    weight = heard / (heard + PRIOR_BIDS)
    own = (
        demand.sold @ _LOG_PART.T
        - (PACE_SHAPE + demand.sales[..., None]) * np.log(came)
        + weight * (demand.bids @ _LOG_BID.T - demand.reserves @ _LOG_PART.T)
    )
    others = own.sum(-2, keepdims=True) - own
    sales = demand.sales.sum(-1, keepdims=True) - demand.sales
    seen = own + others * (GROUP_SALES / np.maximum(sales, GROUP_SALES))[..., None]
    weights = np.exp(seen - seen.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def _band(weights: Numbers) -> tuple[Levels, Levels]:
    """Return the levels of the band's ends for the belief in each curve; shape (…, curves) → (…)."""
    reached = np.cumsum(weights, axis=-1)
    low, high = (_BEST_ONES[np.minimum((reached < end).sum(-1), len(_BEST_ONES) - 1)] for end in BAND)
    return low, high
