"""Learning a price: near the best revenue on several demands, never below the floor, from what costs its maker something."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.demand import (
    BOLDNESS,
    MOST_ELASTIC,
    PRIOR_BUYERS,
    Demand,
    Draw,
    Reaction,
    RevealedBid,
    _falling_pools,
    approach,
    collusion_needed,
    draw,
    learn,
    learn_bids,
    learn_days,
    nearest,
    new_demand,
    price_grid,
    usual_payment,
)
from pricing.refusals import Empty, Mismatched, Negative, NotFinite, NotWhole, OutOfRange, PricingRefusal

WORTH = 100_000
FLOOR, CAP = 20_000, 400_000
Values = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def uniform(rng: np.random.Generator, people: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return what partners would pay, evenly up to twice the worth: the best price is the worth."""
    return rng.uniform(0, 2 * WORTH, people)


def sell_for_days(  # noqa: PLR0917 - a small world has six sizes.
    values: Values, seed: int, days: int, partners: int, colluders: int = 0, target: int = 0
) -> tuple[float, list[int]]:
    """Return the mean revenue per honest partner and day, and the price of every day.

    Colluders buy nothing that is dearer than `target`, and all that is not.
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
        revenue, prices = sell_for_days(values, seed, days=500, partners=20)
        assert revenue >= 0.9 * best
        assert min(prices) >= FLOOR
        assert max(prices) <= CAP


def test_a_draw_is_one_for_all_and_falls_to_the_generator_alone() -> None:
    """Equal states and generators give equal draws; what partners ask for in between cannot matter."""
    demand = new_demand((5_000, 10_000, 20_000))
    assert draw(demand, 3, np.random.default_rng(7)) == draw(demand, 3, np.random.default_rng(7))


def test_a_partner_counts_once_by_the_most_it_paid_and_questions_teach_nothing() -> None:
    """A thousand questions are none; of two licences the dearer counts; quotes of nobody known are ignored."""
    demand = new_demand((5_000, 10_000, 20_000))
    drawn = Draw(0, 10_000)
    asked = [Reaction("a", paid=0)] * 1_000 + [Reaction(None, paid=1)] * 1_000
    after = learn(demand, drawn, [*asked, Reaction("b", paid=0), Reaction("b", paid=0.5), Reaction("b", 0.25)])
    zero = (0, 0, 0)
    assert after == Demand((5_000, 10_000, 20_000), (0, 0.5, 0), (0, 1, 0), zero, zero, zero, learnt_through=0)
    assert learn(demand, drawn, asked) == learn(demand, drawn, [])
    assert demand.is_unknown
    assert not after.is_unknown
    with pytest.raises(OutOfRange):
        learn(after, drawn, [])


def test_a_payment_counts_by_what_is_usual_and_as_one_at_most() -> None:
    """Half of the usual payment is half a licence, a hundred times as much is one; the unit does not matter."""
    demand = new_demand((5_000, 10_000))
    for cent in (1, 100):
        days = [
            [Reaction("a", 40 * cent), Reaction("b", 20 * cent), Reaction("c", 4_000 * cent)],
            [Reaction("d", 40 * cent)],
        ]
        usual = usual_payment(days)
        assert usual == 40 * cent
        after = learn_days(demand, [(Draw(0, 5_000), days[0]), (Draw(1, 10_000), days[1])], usual)
        assert after.sold == (2.5, 1.0)


def test_what_is_usual_is_the_middle_of_what_partners_pay() -> None:
    """Neither who buys the dearest or the cheapest once, nor who buys the cheapest daily, changes it, among one other partner."""
    assert usual_payment([]) == usual_payment([[Reaction("a", 0)]]) == 1
    weekly = [[Reaction("a", 40)] for _ in range(30)]
    for paid in (0.4, 4_000):
        assert usual_payment([*weekly, [Reaction("a", paid)]]) == 40
        assert usual_payment([*weekly, [Reaction("b", paid)]]) == 40
    assert usual_payment([*weekly, *([Reaction("b", 1)] for _ in range(300))]) == 40
    assert usual_payment([[Reaction("a", 1), Reaction("a", 40)]]) == 40, "a day is its dearest licence"


Bought = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 10**6)), min_size=1, max_size=30)


@given(Bought, st.integers(1, 10**9))
def test_one_sale_moves_what_is_usual_by_a_rank_at_most(bought: list[tuple[str, int]], paid: int) -> None:
    """Of a partner of whom nothing is known: to a neighbour in the order of the voices, however dear or cheap it is."""
    days = [[Reaction(*each)] for each in bought]
    own = {partner: sorted(one for name, one in bought if name == partner) for partner, _ in bought}
    voices = sorted(each[len(each) // 2] for each in own.values() for _ in each[:3])
    middle = len(voices) // 2
    assert usual_payment(days) == voices[middle]
    allowed = {*voices[max(middle - 1, 0) : middle + 2]} | ({paid} if voices[max(middle - 1, 0)] <= paid else set())
    after = usual_payment([*days, [Reaction("new", paid)]])
    assert after in allowed
    assert after <= voices[min(middle + 1, len(voices) - 1)] or len(voices) == 1


def test_bids_count_from_their_reserve_up() -> None:
    """A bid says who would pay each multiplier that it could have refused, and of which the next."""
    demand = learn_bids(new_demand((5_000, 10_000, 20_000)), [RevealedBid(12_000), RevealedBid(30_000, 8_000)])
    assert (demand.heard, demand.willing, demand.dearer) == ((1, 2, 2), (1, 2, 1), (1, 1, 0))
    # The last of (1, 2, 2) heard 20,000 and 12,000: one of the two would pay it.
    low = learn_bids(new_demand((5_000, 10_000)), [RevealedBid(10_000, 10_000)] * 500)
    assert (low.heard, low.willing, low.dearer) == ((0, 500), (0, 500), (0, 0))


def test_bids_alone_lead_to_the_price_that_most_would_pay() -> None:
    """Two hundred bidders, one value, with the grid's multiplier just below it; and again half of them at a half."""
    grid = tuple(range(5_000, 20_000, 1_000))
    one = learn_bids(new_demand(grid), [RevealedBid(14_500)] * 200)
    assert {draw(one, 0, np.random.default_rng(seed)).multiplier_basis_points for seed in range(20)} == {14_000}
    many = learn_bids(new_demand(grid), [RevealedBid(14_500)] * 50 + [RevealedBid(9_500)] * 150)
    assert {draw(many, 0, np.random.default_rng(seed)).multiplier_basis_points for seed in range(20)} == {9_000}


@given(st.integers(5_000, 20_000), st.integers(1, 40_000))
def test_a_step_is_at_most_three_percent_either_way(posted: int, target: int) -> None:
    """Towards the target and never past it; waiting through a fall gains at most 3 %, and a rise is undone by one fall."""
    after = approach(posted, target)
    assert min(posted, target) <= after <= max(posted, target)
    assert 97 * posted <= 100 * after <= 103 * posted
    assert approach(approach(posted, 10**6), 1) <= posted + 1
    assert after == target or after != posted


def test_a_multiplier_between_two_of_the_grid_is_learnt_at_the_nearer() -> None:
    """In ratio, not in difference."""
    assert [nearest((5_000, 10_000, 20_000), one) for one in (1, 7_000, 7_100, 14_100, 14_200, 90_000)] == [
        5_000,
        5_000,
        10_000,
        10_000,
        20_000,
        20_000,
    ]


def test_buying_nothing_moves_nothing_and_buying_selectively_costs_a_majority() -> None:
    """What colluders cannot do: a fifth who buy nothing, or nothing above half the price, leave it where it was."""
    for target in (0, WORTH // 2):
        late = [price for seed in range(4) for price in sell_for_days(uniform, seed, 400, 40, 10, target)[1][-50:]]
        assert 0.75 * WORTH <= float(np.median(late)) <= 1.35 * WORTH


def test_enough_colluders_reach_their_target_but_never_the_floor() -> None:
    """What colluders can do: past the stated share the price comes down to their target, and no further."""
    target = WORTH // 2
    grid = (5_000, 10_000)
    share = collusion_needed(grid, [Fraction(3, 4), Fraction(1, 2)], 0)
    assert share == Fraction(1, 5)
    late = [price for seed in range(4) for price in sell_for_days(uniform, seed, 400, 20, 40, target)[1][-50:]]
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
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 7)), min_size=1, max_size=6))
def test_pooled_samples_fall_and_keep_their_weighted_sum(pairs: list[tuple[int, int]]) -> None:
    """Pooling is a projection: runs fall strictly and cover the grid, mass is kept, what is in order already stays."""
    values, weights = [float(value) for value, _ in pairs], [float(weight) for _, weight in pairs]
    pools = _falling_pools(values, weights)
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
    grid, days, sold = (5_000, 8_000, 12_000, 20_000), (4, 9, 5, 1), (9.0, 14.5, 6.0, 0.0)
    demand = Demand(grid, sold, days, (0,) * 4, (0,) * 4, (0,) * 4)
    shares = [5_000 / multiplier for multiplier in grid]
    pace = (sum(sold) + 0.5) / sum(day * share for day, share in zip(days, shares, strict=True))
    shapes = np.array(shares) * PRIOR_BUYERS + sold
    weights = PRIOR_BUYERS / pace + np.array(days)
    for seed in range(200):
        gammas = np.random.default_rng(seed).gamma(shapes)
        rates = (BOLDNESS * gammas + (1 - BOLDNESS) * shapes) / weights
        rates[0] = min(rates[0], rates[1] * 1.6**MOST_ELASTIC)

        # The isotonic fit as its min-max formula states it: the least, over starts, of the largest mean of a run.
        def mean(start: int, end: int, rates: "np.ndarray[tuple[int], np.dtype[np.float64]]" = rates) -> float:
            return float(rates[start:end] @ weights[start:end] / weights[start:end].sum())

        falling = [min(max(mean(start, end) for end in range(at + 1, 5)) for start in range(at + 1)) for at in range(4)]
        revenue = [multiplier * rate for multiplier, rate in zip(grid, falling, strict=True)]
        best = max(revenue)
        drawn = draw(demand, 0, np.random.default_rng(seed)).multiplier_basis_points
        assert revenue[grid.index(drawn)] == pytest.approx(best)


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: new_demand([]), Empty),
        (lambda: new_demand([2, 2]), OutOfRange),
        (lambda: new_demand([0]), OutOfRange),
        (lambda: new_demand([1.5]), NotWhole),
        (lambda: Demand((1,), (0, 0), (0,), (0,), (0,), (0,)), Mismatched),
        (lambda: Demand((1,), (0,), (0,), (0,), (0,), ()), Mismatched),
        (lambda: Demand((1,), (-1,), (0,), (0,), (0,), (0,)), Negative),
        (lambda: Demand((1,), (float("nan"),), (0,), (0,), (0,), (0,)), NotFinite),
        (lambda: Demand((1,), (0,), (0.5,), (0,), (0,), (0,)), NotWhole),  # type: ignore[arg-type]
        (lambda: Demand((1,), (0,), (0,), (1,), (2,), (0,)), OutOfRange),
        (lambda: Demand((1,), (0,), (0,), (0,), (0,), (0,), -2), Negative),
        (lambda: RevealedBid(-1), Negative),
        (lambda: learn(new_demand([1]), Draw(0, 1), [Reaction("a", -1)]), Negative),
        (lambda: draw(new_demand([1]), -1, np.random.default_rng(0)), OutOfRange),
        (lambda: draw(Demand((1,), (0,), (0,), (0,), (0,), (0,), 4), 4, np.random.default_rng(0)), OutOfRange),
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
