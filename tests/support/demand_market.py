"""Simulated markets under the product's rule of demand: what attacks on the learner and its benchmark play in.

Honest partners come at random; each buys with a probability that falls as the multiplier rises. Others ask, and buy, as
an attack has them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.catalogue.offers.multipliers import DEMAND_LASTS, DEMAND_REMEMBERS, Posted, Sale, post
from pricing.demand import GRID, NEUTRAL_LEVEL, Demand, next_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.demand import Levels, Numbers

FIRST_DAY: Final = dt.date(2026, 1, 1)
PARTNERS: Final = 20
"""Honest ones, of whom any may come on any day."""
LASTS, REMEMBERS = DEMAND_LASTS.days, DEMAND_REMEMBERS.days


class Other(Struct, frozen=True):
    """A partner that is not honest: on which multipliers it asks, and what it then pays.

    pays: (multiplier, how many it bought before) → as a part of what honest partners pay, at neutral demand. from_day: before it asks nothing.
    """

    name: str
    asks: Callable[[int], bool] = lambda multiplier: multiplier > 7_000
    pays: Callable[[int, int], float] = lambda multiplier, bought: 0.0  # noqa: ARG005 (it never pays)
    from_day: int = 0


def acceptance(multiplier: int) -> float:
    """Return the chance that an honest partner buys: 0.62 at 0.70, 0.34 at 1.45, and on in a straight line."""
    return min(max(0.62 - 0.28 * (multiplier - 7_000) / 7_500, 0.0), 1.0)


def posted(
    honest_a_day: float,
    seed: int,
    others: Sequence[Other] = (),
    *,
    days: int = 180,
    accepts: Callable[[int], float] = acceptance,
) -> list[int]:
    """Return the multiplier posted on each day. The same seed brings the same honest partners."""
    market = np.random.default_rng([seed, 1])
    past: list[Posted] = []
    sales: list[Sale] = []
    bought = dict.fromkeys((other.name for other in others), 0)
    for number in range(days):
        day = FIRST_DAY + dt.timedelta(days=number)
        today = post(past, sales, [], day)
        for _ in range(market.poisson(honest_a_day)):
            name, is_bought = f"honest {market.integers(PARTNERS)}", market.random() < accepts(today.market)
            sales.append(Sale(day, name, float(is_bought), {"all": 1.0}))
        for other in others:
            if number >= other.from_day and other.asks(today.market):
                paid = other.pays(today.market, bought[other.name])
                bought[other.name] += paid > 0
                sales.append(Sale(day, other.name, paid, {"all": 1.0}))
        past.append(today)
    return [one.market for one in past]


def posted_in_many(accepts: Numbers, visits: Numbers, *, days: int, seed: int) -> tuple[Levels, Levels]:
    """Return the level posted, and the licences sold, on each day in each of many markets; shape (days, markets).

    accepts: the part of those who come that buys at each level of the grid; shape (markets, level). visits: partners a
    day, each of whom comes once. It is what `post` posts in one of them, computed for all at once.
    """
    rng, rows = np.random.default_rng(seed), np.arange(len(visits))
    sold, shown = np.zeros((2, len(visits), len(GRID)))
    level, since = np.full(len(visits), NEUTRAL_LEVEL), np.zeros(len(visits), int)
    rises = np.zeros(len(visits), bool)
    levels, licences = np.zeros((2, days, len(visits)), int)
    for day in range(days):
        if day > REMEMBERS:
            gone = levels[day - REMEMBERS - 1]
            shown[rows, gone] -= 1
            sold[rows, gone] -= licences[day - REMEMBERS - 1]
        at = np.flatnonzero((day - since >= LASTS) & (day > 0))
        if len(at):
            none = np.zeros((len(at), 1, len(GRID)))
            demand = Demand(sold[at, None], shown[at, None], none, none)
            after, rising = next_levels(demand, level[at, None], rises[at, None])
            moved = after[:, 0] != level[at]
            since[at[moved]] = day
            rises[at[moved]] = rising[moved, 0]
            level[at] = after[:, 0]
        levels[day], licences[day] = level, rng.poisson(visits * accepts[rows, level])
        shown[rows, level] += 1
        sold[rows, level] += licences[day]
    return levels, licences
