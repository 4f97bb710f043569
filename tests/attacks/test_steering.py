"""One sale, however dear or cheap, or a crowd of cheap ones, to steer demand: none counts for more than a sale, nor makes others less.

What was paid was weighed by the dearest sale of the year once. One that was twenty times as dear, a long licence at the
same multiplier, made all others count for a twentieth: the mean multiplier of the eleven months after rose by 15 %.
"""

import functools

import numpy as np
import pytest

from tests.support.demand_market import Other, posted

BOUGHT_ON = 30
YEAR = 365
PACES = (0.2, 1.0, 3.0)
"""Honest quotes a day."""
MARKETS = 12
"""So many convict at every pace what weighs payments by the dearest of the year."""


@functools.cache
def after(pace: float, seed: int, paid: float, *, buyer: str = "other") -> float:
    """Return the mean multiplier of the eleven months after one sale, at so many times the price of the others; 0 for none."""
    buys = Other(buyer, lambda _: True, lambda _, bought: 0.0 if bought else paid, from_day=BOUGHT_ON)
    return float(np.mean(posted(pace, seed, [buys], days=YEAR)[BOUGHT_ON + 1 :]))


def gain_by_steering(pace: float, seeds: int, paid: float, usual: float, **more: str) -> tuple[float, float]:
    """Return by how much the mean differs from the same with the sale at `usual`, as a part of it, and the error of that."""
    ratios = [after(pace, seed, paid, **more) / after(pace, seed, usual, **more) for seed in range(seeds)]
    return abs(float(np.mean(ratios)) - 1), float(np.std(ratios)) / seeds**0.5


@pytest.mark.parametrize("paid", [20, 100])
@pytest.mark.parametrize("buyer", ["other", "honest 0"])
def test_a_sale_a_hundred_times_as_dear_is_one_sale(paid: float, buyer: str) -> None:
    """A new partner's or a known one's: 1 % at most from the same sale at the price of the others, in two markets."""
    assert gain_by_steering(1.0, 2, paid, 1, buyer=buyer)[0] <= 0.01


def test_a_sale_a_hundred_times_as_cheap_is_none() -> None:
    """Half a percent at most from no sale, in two markets."""
    assert gain_by_steering(1.0, 2, 0.01, 0)[0] <= 0.005


@pytest.mark.deep
@pytest.mark.parametrize("pace", PACES)
def test_one_sale_moves_the_next_eleven_months_by_two_percent(pace: float) -> None:
    """Beside no sale at all, a dozen markets, within its own error; and by 1 % beside the same sale at the usual price."""
    for paid in (0.01, 20, 100):
        moved, error = gain_by_steering(pace, MARKETS, paid, 0)
        assert moved <= 0.02 + 2 * error
    for paid in (20, 100):
        assert gain_by_steering(pace, MARKETS, paid, 1)[0] <= 0.01


@pytest.mark.deep
@pytest.mark.parametrize("pace", PACES)
def test_the_cheapest_bought_daily_buys_little_say(pace: float) -> None:
    """A twentieth of the price, every day that is not dear, for half a year: one such partner 2 % at most, two 4 %.

    What they pay for it is as much as nine licences, each.
    """
    for count, most in ((1, 0.02), (2, 0.04)):
        others = [Other(f"cheap {number}", lambda _: True, lambda m, _: 0.05 * (m < 10_000)) for number in range(count)]
        ratios = [np.mean(posted(pace, seed, others)) / np.mean(posted(pace, seed)) for seed in range(40)]
        error = float(np.std(ratios)) / len(ratios) ** 0.5
        assert abs(float(np.mean(ratios)) - 1) <= most + 2 * error
