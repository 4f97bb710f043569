"""Learning a price: near the best revenue on several demands, never below the floor, and not to be gamed."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.demand import Demand, Draw, Reaction, _falling_pools, collusion_needed, draw, learn, new_demand, price_grid
from pricing.refusals import Empty, Mismatched, Negative, NotWhole, OutOfRange, PricingRefusal

WORTH = 100_000
FLOOR, CAP = 20_000, 400_000
Values = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def uniform(rng: np.random.Generator, people: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return what partners would pay, evenly up to twice the worth: the best price is the worth."""
    return rng.uniform(0, 2 * WORTH, people)


def sell(  # noqa: PLR0917 - a small world has six sizes.
    values: Values, seed: int, days: int, partners: int, colluders: int = 0, target: int = 0
) -> tuple[float, list[int]]:
    """Return the mean revenue per honest partner and day, and the price of every day.

    Colluders refuse all that is dearer than `target` and accept the rest.
    """
    rng = np.random.default_rng(seed)
    demand = new_demand(price_grid(WORTH, FLOOR, CAP, 32))
    earned, prices = 0, []
    for day in range(days):
        drawn = draw(demand, day, rng)
        price = WORTH * drawn.multiplier_basis_points // 10_000
        accepts = values(rng, partners) >= price
        answers = [Reaction(f"honest {one}", bool(accepted)) for one, accepted in enumerate(accepts)]
        answers += [Reaction(f"colluder {one}", price <= target) for one in range(colluders)]
        demand = learn(demand, drawn, answers)
        earned += price * int(accepts.sum())
        prices.append(price)
    return earned / days / partners, prices


@pytest.mark.parametrize(
    ("values", "best"),
    [
        (uniform, WORTH / 2),
        (lambda rng, people: rng.exponential(WORTH, people), WORTH / np.e),
        (lambda _rng, people: np.full(people, 1.17 * WORTH), 1.17 * WORTH),
    ],
)
def test_most_of_the_best_revenue_is_earned_while_learning(values: Values, best: float) -> None:
    """Over 10,000 quotes, twenty a day: nine tenths of what the best fixed price would have earned, on three seeds."""
    for seed in range(3):
        revenue, prices = sell(values, seed, days=500, partners=20)
        assert revenue >= 0.9 * best
        assert min(prices) >= FLOOR
        assert max(prices) <= CAP


def test_a_draw_is_one_for_all_and_falls_to_the_generator_alone() -> None:
    """Equal states and generators give equal draws; what partners ask for in between cannot matter."""
    demand = new_demand((5_000, 10_000, 20_000))
    assert draw(demand, 3, np.random.default_rng(7)) == draw(demand, 3, np.random.default_rng(7))


def test_a_partner_counts_once_and_strangers_teach_nothing() -> None:
    """A thousand refusals of one partner are one; its acceptance beats them; quotes of nobody vetted are ignored."""
    demand = new_demand((5_000, 10_000, 20_000))
    drawn = Draw(0, 10_000)
    answers = [Reaction("a", accepted=False)] * 1_000 + [Reaction(None, accepted=False)] * 1_000
    after = learn(demand, drawn, [*answers, Reaction("b", accepted=False), Reaction("b", accepted=True)])
    assert after == Demand((5_000, 10_000, 20_000), (0, 1, 0), (0, 1, 0), learnt_through=0)
    with pytest.raises(OutOfRange):
        learn(after, drawn, answers)


def test_refusing_everything_moves_nothing_and_refusing_selectively_costs_a_majority() -> None:
    """What colluders cannot do: a fifth who refuse all, or refuse what is above half the price, leave it where it was."""
    for target in (0, WORTH // 2):
        late = [price for seed in range(4) for price in sell(uniform, seed, 400, 40, 10, target)[1][-50:]]
        assert 0.75 * WORTH <= float(np.median(late)) <= 1.35 * WORTH


def test_enough_colluders_reach_their_target_but_never_the_floor() -> None:
    """What colluders can do: past the stated share the price comes down to their target, and no further."""
    target = WORTH // 2
    grid = (5_000, 10_000)
    share = collusion_needed(grid, [Fraction(3, 4), Fraction(1, 2)], 0)
    assert share == Fraction(1, 5)
    late = [price for seed in range(4) for price in sell(uniform, seed, 400, 20, 40, target)[1][-50:]]
    assert 0.8 * target <= float(np.median(late)) <= target
    assert min(late) >= FLOOR


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8, unique=True), st.data())
def test_the_stated_share_is_where_the_optimum_changes(grid: list[int], data: st.DataObject) -> None:
    """Just above it the target earns most among what is at least as dear; just below it does not."""
    grid.sort()
    acceptance = sorted(data.draw(st.lists(st.fractions(0, 1), min_size=len(grid), max_size=len(grid))), reverse=True)
    target = data.draw(st.integers(0, len(grid) - 1))
    share = collusion_needed(grid, acceptance, target)
    assert 0 <= share < 1

    def lead(colluding: Fraction) -> Fraction:
        honest = 1 - colluding
        best = max(m * d for m, d in zip(grid[target:], acceptance[target:], strict=True))
        return grid[target] * (honest * acceptance[target] + colluding) - honest * best

    assert lead(share) == 0 or share == 0
    assert lead((share + 1) / 2) >= 0


@settings(deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 40))
def test_the_grid_lies_between_floor_and_cap(worth: int, floor: int, above: int, steps: int) -> None:
    """Rising, no longer than asked, and priced inside the interval to within a basis point of worth."""
    cap = floor + above
    grid = price_grid(worth, floor, cap, steps)
    assert 1 <= len(grid) <= steps
    assert list(grid) == sorted(set(grid))
    assert Fraction(worth * grid[0], 10_000) >= floor
    assert Fraction(worth * grid[-1], 10_000) <= cap or len(grid) == 1
    new_demand(grid)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_pooled_samples_fall_and_keep_their_weighted_sum(triples: list[tuple[int, int, int]]) -> None:
    """Pooling is a projection: runs fall strictly and cover the grid, mass is kept, what is in order already stays."""
    values = [float(value) for value, _, _ in triples]
    accepted, refused = [yes for _, yes, _ in triples], [no for _, _, no in triples]
    weights = [yes + no + 2 for yes, no in zip(accepted, refused, strict=True)]
    pools = _falling_pools(values, accepted, refused)
    assert all(one > other for (one, _), (other, _) in pairwise(pools))
    ends = [0, *(end for _, end in pools)]
    assert ends[-1] == len(values)
    for (start, end), (mean, _) in zip(pairwise(ends), pools, strict=True):
        run = range(start, end)
        assert mean == pytest.approx(sum(values[at] * weights[at] for at in run) / sum(weights[at] for at in run))
        # A run could not be parted: every head of it is at most its mean.
        for head in range(start + 1, end):
            first = range(start, head)
            assert sum(values[at] * weights[at] for at in first) <= (mean + 1e-9) * sum(weights[at] for at in first)


def test_a_draw_is_the_best_of_the_pooled_samples() -> None:
    """Against the same samples pooled to never rise and multiplied out, one price at a time."""
    demand = Demand((5_000, 8_000, 12_000, 20_000), (9, 4, 6, 0), (1, 5, 3, 2))
    for seed in range(200):
        sampled = np.random.default_rng(seed).beta(np.array(demand.accepted) + 1, np.array(demand.refused) + 1).tolist()
        # The isotonic fit as its min-max formula states it: the least, over starts, of the largest mean of a run.
        weights = [yes + no + 2 for yes, no in zip(demand.accepted, demand.refused, strict=True)]

        def mean(start: int, end: int, sampled: list[float] = sampled, weights: list[int] = weights) -> float:
            run = range(start, end)
            return sum(sampled[at] * weights[at] for at in run) / sum(weights[at] for at in run)

        falling = [min(max(mean(start, end) for end in range(at + 1, 5)) for start in range(at + 1)) for at in range(4)]
        revenue = [
            multiplier * share for multiplier, share in zip(demand.multipliers_basis_points, falling, strict=True)
        ]
        best = demand.multipliers_basis_points[revenue.index(max(revenue))]
        assert draw(demand, 0, np.random.default_rng(seed)).multiplier_basis_points == best


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: new_demand([]), Empty),
        (lambda: new_demand([2, 2]), OutOfRange),
        (lambda: new_demand([0]), OutOfRange),
        (lambda: new_demand([1.5]), NotWhole),
        (lambda: Demand((1,), (0, 0), (0,)), Mismatched),
        (lambda: Demand((1,), (-1,), (0,)), Negative),
        (lambda: Demand((1,), (0,), (0,), -2), Negative),
        (lambda: draw(new_demand([1]), -1, np.random.default_rng(0)), OutOfRange),
        (lambda: draw(Demand((1,), (0,), (0,), 4), 4, np.random.default_rng(0)), OutOfRange),
        (lambda: learn(new_demand([1]), Draw(0, 2), []), Mismatched),
        (lambda: price_grid(0, 1, 2, 3), OutOfRange),
        (lambda: price_grid(1, 0, 2, 3), OutOfRange),
        (lambda: price_grid(1, 3, 2, 3), OutOfRange),
        (lambda: price_grid(1, 1, 2, 0), OutOfRange),
        (lambda: price_grid(-1, 1, 2, 1), Negative),
        (lambda: collusion_needed([], [], 0), Empty),
        (lambda: collusion_needed([1], [], 0), Mismatched),
        (lambda: collusion_needed([1], [Fraction(1)], 1), OutOfRange),
        (lambda: collusion_needed([1], [Fraction(2)], 0), OutOfRange),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
