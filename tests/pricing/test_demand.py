"""Learning a price: what evidence says of a curve, where the band of best multipliers is, and how the price walks in it."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.demand import (
    BAND,
    GRID,
    GROUP_SALES,
    NEUTRAL_BASIS_POINTS,
    NEUTRAL_LEVEL,
    SHARPNESS,
    WAITING_DAYS,
    Demand,
    Numbers,
    Reaction,
    RevealedBid,
    add_bids,
    band,
    believed,
    nearest,
    new_demand,
    next_levels,
    paid_by,
    usual_payment,
)
from pricing.refusals import Mismatched, Negative, NotFinite, PricingRefusal

MULTIPLIERS = np.array(GRID) / NEUTRAL_BASIS_POINTS


def seen(*rows: dict[int, tuple[float, float]]) -> Demand:
    """Return the evidence of a market: of each row level → (licences sold, days)."""
    sold, days = np.zeros((2, len(rows), len(GRID)))
    for number, row in enumerate(rows):
        for level, (licences, on_sale) in row.items():
            sold[number, level], days[number, level] = licences, on_sale
    nothing = np.zeros_like(sold)
    return Demand(sold, days, nothing, nothing)


def as_expected(part: Callable[[Numbers], Numbers], levels: range, *, days: int = 1_000) -> Demand:
    """Return the evidence of one demand: at each level as many sales as are expected of one visit a day."""
    return seen({level: (float(part(MULTIPLIERS[level : level + 1])[0]) * days, days) for level in levels})


def ends(demand: Demand, row: int = 0) -> tuple[float, float]:
    """Return the multipliers of a band's ends."""
    low, high = band(demand)
    return float(MULTIPLIERS[low[row]]), float(MULTIPLIERS[high[row]])


def test_the_grid_is_a_fifth_to_eight_in_steps_of_three_percent() -> None:
    """Falling by a step loses at most 3 %, and the stated price is on it."""
    assert (GRID[0], GRID[NEUTRAL_LEVEL], GRID[-1]) == (2_027, NEUTRAL_BASIS_POINTS, 79_178)
    assert all(100 * low >= 97 * high for low, high in pairwise(GRID))
    assert [nearest(one) for one in (1, 10_000, 10_140, 10_160, 10**9)] == [0, 54, 54, 55, len(GRID) - 1]


@pytest.mark.parametrize("place", [0.35, 1.0, 4.0])
@pytest.mark.parametrize("sharp", SHARPNESS[2:])
def test_a_curve_of_the_family_is_found(place: float, sharp: float) -> None:
    """With a thousand days at each level around it, the best multiplier lies in a band a tenth wide."""
    scale = place * (sharp - 1) ** (1 / sharp)
    around = nearest(round(place * NEUTRAL_BASIS_POINTS))
    demand = as_expected(lambda m: 1 / (1 + (m / scale) ** sharp), range(around - 12, around + 13))
    low, high = ends(demand)
    assert 0.93 * place <= low <= high <= 1.07 * place


def test_before_evidence_the_band_is_wide_and_symmetric_in_the_grid() -> None:
    """Every best multiplier is as likely: its ends cut off what BAND says of the grid."""
    low, high = band(new_demand(1))
    assert [int(low[0]), int(high[0])] == [round(part * (len(GRID) - 1) / 2) * 2 for part in BAND]


def test_the_fewer_sales_the_lower_the_band_and_sales_at_two_prices_say_more() -> None:
    """A year at the stated price: without a sale, or with few, the best one is lower; what falls fast turns the price."""
    at = NEUTRAL_LEVEL
    none, some, many = (ends(seen({at: (sold, 365)})) for sold in (0, 20, 400))
    assert none[1] < ends(new_demand(1))[1]
    assert none[1] <= some[1] < many[1]
    assert none[0] <= some[0] < many[0]
    rising = ends(seen({at: (50, 100), at + 10: (50, 100)}))
    falling = ends(seen({at: (50, 100), at + 10: (10, 100)}))
    assert falling[1] < 1.2 < rising[0]


def test_the_price_walks_from_one_end_of_the_band_to_the_other() -> None:
    """Down at first, a step at a time; it turns at the ends, and comes back from beyond them."""
    demand = seen({level: (1 if level < NEUTRAL_LEVEL else 0, 20) for level in range(NEUTRAL_LEVEL - 9, NEUTRAL_LEVEL)})
    [low], [high] = band(demand)
    level, rises, path = np.array([high]), np.array([False]), []
    for _ in range(3 * int(high - low)):
        level, rises = next_levels(demand, level, rises)
        path.append(int(level[0]))
    assert set(path) == set(range(int(low), int(high) + 1))
    assert {abs(after - before) for before, after in pairwise(path)} == {1}
    assert path[0] == high - 1
    for beyond, after in ((0, 1), (len(GRID) - 1, len(GRID) - 2)):
        assert next_levels(demand, np.array([beyond]), np.array([beyond == 0]))[0].tolist() == [after]


def test_where_nothing_was_sold_the_price_waits() -> None:
    """For eight weeks; one bid or a part of a sale ends the waiting."""
    at, falls = np.array([NEUTRAL_LEVEL]), np.array([False])
    waiting = seen({NEUTRAL_LEVEL: (0, WAITING_DAYS - 1)})
    assert next_levels(waiting, at, falls)[0].tolist() == [NEUTRAL_LEVEL]
    for known in (
        seen({NEUTRAL_LEVEL: (0, WAITING_DAYS)}),
        seen({NEUTRAL_LEVEL: (0.1, 5)}),
        add_bids(waiting, [RevealedBid(10_000)]),
    ):
        assert next_levels(known, at, falls)[0].tolist() == [NEUTRAL_LEVEL - 1]


Evidence = st.dictionaries(st.integers(0, len(GRID) - 1), st.tuples(st.floats(0, 50), st.integers(1, 100)), max_size=6)


@settings(deadline=None)
@given(Evidence, st.integers(0, len(GRID) - 1), st.booleans())
def test_whatever_was_sold_a_step_is_one_level_and_stays_on_the_grid(
    row: dict[int, tuple[float, float]],
    level: int,
    rises: bool,  # noqa: FBT001 (hypothesis gives it)
) -> None:
    """And the same evidence gives the same step, alone or beside other markets."""
    demand = seen(row)
    after, rising = next_levels(demand, np.array([level]), np.array([rises]))
    assert 0 <= after[0] < len(GRID)
    assert abs(int(after[0]) - level) <= 1
    both = Demand(*(np.stack([each, 2 * each]) for each in (demand.sold, demand.days, demand.bids, demand.reserves)))
    again, _ = next_levels(both, np.array([[level], [level]]), np.array([[rises], [rises]]))
    assert again[0].tolist() == after.tolist()
    assert rising.shape == (1,)


def test_a_group_begins_from_what_the_market_has_learnt_and_then_goes_its_own_way() -> None:
    """Without sales it believes what the others' curve is; with many it no longer listens to them."""
    levels = range(NEUTRAL_LEVEL - 12, NEUTRAL_LEVEL + 13)
    market = {level: (20 / (1 + (MULTIPLIERS[level] / 1.26) ** 3), 20) for level in levels}
    alone = ends(seen({}))
    new = ends(seen(market, {}), 1)
    assert new[1] - new[0] < 0.85 * (alone[1] - alone[0])
    assert new[0] < 1.1 < 1.2 * new[1]
    own = {level: (200 / (1 + MULTIPLIERS[level] ** 4.5), 200) for level in levels}
    apart, together = ends(seen(own)), ends(seen(market, own), 1)
    assert together == pytest.approx(apart, rel=0.15)


def test_what_others_sold_counts_as_so_many_sales_at_most() -> None:
    """Ten times as much of the same says the same to a group, once it is more than GROUP_SALES."""
    levels = range(NEUTRAL_LEVEL - 5, NEUTRAL_LEVEL + 6)
    few = dict.fromkeys(levels, (GROUP_SALES, 100.0))
    many = dict.fromkeys(levels, (10 * GROUP_SALES, 1000.0))
    assert ends(seen(few, {}), 1) == pytest.approx(ends(seen(many, {}), 1), rel=0.1)


def test_bids_alone_lead_to_the_price_that_most_would_pay() -> None:
    """Five hundred bidders around one value: the band is below it. A bid of nothing says nothing."""
    values = np.exp(np.random.default_rng(1).normal(np.log(14_500), 0.1, 500)).astype(int).tolist()
    low, high = ends(add_bids(new_demand(1), map(RevealedBid, values)))
    assert 1.1 <= low <= high <= 1.4
    assert not add_bids(new_demand(1), [RevealedBid(0)]).bids.any()


def test_a_bid_above_a_high_reserve_says_nothing_of_what_is_below_it() -> None:
    """Bids at twice the stated price lift the band; where none could be lower they lift it less."""
    free = ends(add_bids(new_demand(1), [RevealedBid(20_000)] * 50))
    bound = ends(add_bids(new_demand(1), [RevealedBid(20_000, 19_000)] * 50))
    assert bound[0] < free[0]


def test_what_is_believed_of_sales_falls_with_the_price_and_a_week_removes_a_part_of_the_doubt() -> None:
    """The ends enclose the rate of sales that was seen."""
    demand = seen(dict.fromkeys(range(NEUTRAL_LEVEL - 6, NEUTRAL_LEVEL + 1), (4, 14)))
    known = believed(demand, 0, NEUTRAL_LEVEL)
    for line in (known.least, known.sales, known.most):
        assert (np.diff(line) <= 1e-12).all()
    assert known.least[NEUTRAL_LEVEL - 3] < 4 / 14 < known.most[NEUTRAL_LEVEL - 3]
    assert [known.low, known.high] == [int(each[0]) for each in band(demand)]
    assert 0 < known.lesson < 1
    assert known.lesson < believed(demand, 0, NEUTRAL_LEVEL + 20).lesson, "far from what is known a week teaches more"


def test_a_partner_counts_once_a_day_by_the_most_it_paid() -> None:
    """A thousand questions are none; of two licences the dearer counts."""
    assert paid_by([Reaction("a", 0)] * 1_000) == {}
    assert paid_by([Reaction("b", 0), Reaction("b", 0.5), Reaction("b", 0.25)]) == {"b": 0.5}


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


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: Demand(*[np.zeros(3)] * 4), Mismatched),
        (lambda: Demand(*[np.zeros(len(GRID))] * 3, np.zeros((1, len(GRID)))), Mismatched),
        (lambda: seen({3: (-1, 1)}), Negative),
        (lambda: seen({3: (float("nan"), 1)}), NotFinite),
        (lambda: RevealedBid(-1), Negative),
        (lambda: paid_by([Reaction("a", -1)]), Negative),
        (lambda: usual_payment([[Reaction("a", float("inf"))]]), NotFinite),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
