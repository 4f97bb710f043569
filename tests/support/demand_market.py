"""A simulated market under the catalogue's rules of demand: what attacks on the learner and its benchmark play in.

Honest partners come at random; each buys with a probability that falls as the multiplier rises. Others ask, and buy, as
an attack has them.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from marketplace.catalogue.offers import rules
from pricing.demand import NEUTRAL_BASIS_POINTS

FIRST_DAY: Final = dt.date(2026, 1, 1)
PARTNERS: Final = 20
"""Honest ones, of whom any may come on any day."""


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
    market, drawing = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    past: list[tuple[dt.date, int]] = []
    answers: list[tuple[dt.date, str, float]] = []
    bought = dict.fromkeys((other.name for other in others), 0)
    for number in range(days):
        day = FIRST_DAY + dt.timedelta(days=number)
        target = rules.draw_of(past, answers, day, drawing) if rules.may_move(past, day) else NEUTRAL_BASIS_POINTS
        multiplier = rules.next_multiplier(past, target, day)
        for _ in range(market.poisson(honest_a_day)):
            name, is_bought = f"honest {market.integers(PARTNERS)}", market.random() < accepts(multiplier)
            answers.append((day, name, float(is_bought)))
        for other in others:
            if number >= other.from_day and other.asks(multiplier):
                paid = other.pays(multiplier, bought[other.name])
                bought[other.name] += paid > 0
                answers.append((day, other.name, paid))
        past.append((day, multiplier))
    return [multiplier for _, multiplier in past]
