"""Learning a price as it is deployed: its grid, steps and evidence, in markets whose best price is not the stated one.

For a year and a half, with few visits a day and many, under demands of other families than the belief's own. Expected
revenue at posted prices, beside the best fixed price's and beside what never moving earns.

And what attacks gain: half a year with partners that only ever ask beside none, and a year with one sale that is far
dearer than the others beside one that is not.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from pricing.demand import GRID, NEUTRAL_BASIS_POINTS, NEUTRAL_LEVEL, Numbers
from tests.benchmarks._bench import Run
from tests.support.demand_market import Other, posted, posted_in_many

SIZE, SMALLEST = 50, 2
"""Seeds."""
DAYS, LAST_DAYS = 540, 90
PLACES = (0.3, 0.55, 1.0, 1.9, 3.0, 5.0)
"""Where the best price is, of the stated one."""
VISITS = (0.2, 1.0, 5.0)
SPARSE = 0.2
ATTACKED = 10
"""Seeds of the attacks, at most."""
MULTIPLIERS = np.array(GRID) / NEUTRAL_BASIS_POINTS
LAWS: dict[str, Callable[[Numbers], Numbers]] = {
    "lognormal": lambda price: ndtr(-np.log(price) / 0.7),
    "exponential": lambda price: np.exp(-price),
    "two-valued": lambda price: np.where(price <= 0.5, 1.0, np.where(price <= 1.0, 0.6, 0.0)),
    "two-valued-low": lambda price: np.where(price <= 1.0, 1.0, np.where(price <= 2.0, 0.35, 0.0)),
}
"""The part of those who come that buys at a price. Of the two-valued, six in ten pay the best price and the others half of it,
or all pay the best and 35 in 100 twice as much."""


class Outcome(NamedTuple):
    """Of one law, place and pace: what the last days earn of the best fixed price, and all days of never moving."""

    law: str
    place: float
    visits: float
    late: float
    moving: float

    @property
    def words(self) -> str:
        """Return which one it is."""
        return f"{self.law}, best at {self.place:g} of the stated price, {self.visits:g} visits a day"


def main(run: Run) -> None:
    """Print the worst of all laws, places and paces, then each law's; and what attacks gain."""
    found = measure_worlds(run.size)
    frequent = [one for one in found if one.visits > SPARSE]
    best = f"× the best fixed price, last {LAST_DAYS} of {DAYS} days, {run.size} seeds; wanted"
    still = f"× never moving, {DAYS} days, {run.size} seeds; wanted 0.97 where the statement was right, 1 elsewhere"
    sparse = [one for one in found if one.visits == SPARSE]
    for name, some in [("", found), *((f"-{law}", [one for one in found if one.law == law]) for law in LAWS)]:
        for what, wanted, within in (("deployed", "0.85", frequent), ("sparse", "0.7", sparse)):
            worst = min((one for one in within if one in some), key=lambda one: one.late)
            run.figure(what + name, f"{worst.late:.3f}", f"{best} {wanted}; the worst is {worst.words}")
        worst = min(some, key=lambda one: one.moving)
        run.figure("moving" + name, f"{worst.moving:.3f}", f"{still}; the worst is {worst.words}")
    missed = sum(one.late < (0.7 if one.visits == SPARSE else 0.85) for one in found)
    run.figure("missed", f"{missed / len(found):.3f}", f"of {len(found)} laws, places and paces earn less than wanted")
    _against_the_starving(run)
    _against_the_dear(run)


def measure_worlds(seeds: int) -> list[Outcome]:
    """Return the means over some seeds of every law, place and pace."""
    worlds = list(product(LAWS, PLACES, VISITS))
    accepts = np.array([LAWS[law](MULTIPLIERS * _best(law) / place) for law, place, _ in worlds])
    visits = np.array([pace for _, _, pace in worlds])
    levels, _ = posted_in_many(accepts.repeat(seeds, 0), visits.repeat(seeds), days=DAYS, seed=1)
    at = levels.reshape(DAYS, len(worlds), seeds)
    earned = MULTIPLIERS[at] * accepts[np.arange(len(worlds))[:, None], at]
    outcomes = []
    for number, (law, place, pace) in enumerate(worlds):
        best = place / _best(law) * _revenue(law)
        unmoved = float(accepts[number, NEUTRAL_LEVEL])
        late, whole = float(earned[-LAST_DAYS:, number].mean()), float(earned[:, number].mean())
        outcomes.append(Outcome(law, place, pace, late / best, whole / unmoved if unmoved else np.inf))
    return outcomes


def _best(law: str) -> float:
    """Return the best price under a law, as it is written."""
    prices = _prices()
    return float(prices[np.argmax(prices * LAWS[law](prices))])


def _revenue(law: str) -> float:
    """Return what the best price earns of a visit, as the law is written."""
    prices = _prices()
    return float((prices * LAWS[law](prices)).max())


def _prices() -> Numbers:
    return np.linspace(0.001, 5, 5_000)


def _against_the_starving(run: Run) -> None:
    """Compare the mean multiplier over 180 days with and without two partners that only ever ask, at three paces."""
    starved, seeds = 1.0, min(run.size, ATTACKED)
    asking = [Other("above 0.70"), Other("always", lambda _: True)]
    for pace in (0.2, 1.0, 3.0):
        runs = [(posted(pace, seed), posted(pace, seed, asking)) for seed in range(seeds)]
        starved = min(starved, sum(sum(beside) for _, beside in runs) / sum(sum(without) for without, _ in runs))
    less = f"× the multiplier without two partners that only ask (180 days, {seeds} seeds)"
    run.figure("starved", f"{starved:.3f}", less)


def _against_the_dear(run: Run) -> None:
    """Compare the mean multiplier of the eleven months after a sale at 20 and 100 times the price with one at the others'."""
    means, seeds = [], min(run.size, ATTACKED)
    for price in (1.0, 20.0, 100.0):
        buyer = Other("dear", lambda _: True, partial(_once, price), from_day=30)
        means.append(sum(sum(posted(p, s, [buyer], days=365)[31:]) for p in (0.2, 1.0, 3.0) for s in range(seeds)))
    worst = max(means, key=lambda mean: abs(mean - means[0])) / means[0]
    usual = f"× the multiplier of eleven months with that sale at the usual price ({seeds} seeds)"
    run.figure("dear", f"{worst:.3f}", usual)


def _once(price: float, _multiplier: int, bought: int) -> float:
    return 0.0 if bought else price
