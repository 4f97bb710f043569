"""Which multipliers a market posts: the same as its benchmark measures, a step a week, and groups of zones apart."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest

from marketplace.catalogue.offers.multipliers import Posted, Sale, learn, may_move, post
from pricing.demand import GRID, GROUP_SALES, NEUTRAL_BASIS_POINTS, NEUTRAL_LEVEL
from tests.support.demand_market import FIRST_DAY, posted_in_many

DAY = dt.timedelta(days=1)
ALL = {"all": 1.0}


def week_by_week(sales: dict[int, list[Sale]], days: int) -> list[Posted]:
    """Return what is posted on so many days; sales: by the number of the day."""
    past: list[Posted] = []
    sold: list[Sale] = []
    for number in range(days):
        past.append(post(past, sold, [], FIRST_DAY + number * DAY))
        sold += sales.get(number, [])
    return past


@pytest.mark.parametrize("visits", [0.0, 0.2, 3.0])
def test_the_benchmark_measures_what_is_posted(visits: float) -> None:
    """Fourteen months day by day, as the catalogue posts them, and computed for many markets at once: the same levels."""
    accepts = np.exp(-np.array([GRID]) / NEUTRAL_BASIS_POINTS)
    levels, sold = posted_in_many(accepts, np.array([visits]), days=430, seed=3)
    sales = {
        number: [Sale(FIRST_DAY + number * DAY, f"partner {one}", 1.0, ALL) for one in range(licences)]
        for number, [licences] in enumerate(sold.tolist())
    }
    assert [one.market for one in week_by_week(sales, 430)] == [GRID[level] for [level] in levels.tolist()]


def test_a_multiplier_stays_a_week_and_then_moves_by_a_step() -> None:
    """From the first sale on, downward first; while it stays, it does so for all of seven days."""
    posted = [one.market for one in week_by_week({0: [Sale(FIRST_DAY, "a", 1.0, ALL)]}, 30)]
    down = [GRID[NEUTRAL_LEVEL - step] for step in range(5)]
    assert posted == [one for one in down[:4] for _ in range(7)] + down[4:] * 2


def test_without_a_sale_the_price_waits_eight_weeks() -> None:
    """Then it falls: nobody bought at it."""
    posted = [one.market for one in week_by_week({}, 80)]
    assert set(posted[:56]) == {NEUTRAL_BASIS_POINTS}
    assert posted[56] == GRID[NEUTRAL_LEVEL - 1]
    assert posted[-1] < posted[56]


def group_sales(part: float) -> dict[int, list[Sale]]:
    """Return two licences a day, of which the group `west` is a part."""
    parts = {"east": 1 - part, "west": part}
    return {n: [Sale(FIRST_DAY + n * DAY, f"{who} {n % 9}", 1.0, parts) for who in "ab"] for n in range(120)}


def test_a_group_of_zones_has_its_own_multiplier_once_it_has_sold_fifty() -> None:
    """Until then it shares the market's; then it starts from that one. A part of a licence is a part of a sale."""
    past = week_by_week(group_sales(0.5), 110)
    first = next(number for number, one in enumerate(past) if one.own)
    assert 50 <= first <= 57, "a licence a day of each"
    assert abs(GRID.index(past[first].own["west"]) - GRID.index(past[first - 1].market)) <= 1
    assert {group for one in week_by_week(group_sales(0.1), 110) for group in one.own} == {"east"}, (
        "of west a fifth is sold a day"
    )
    alone = {n: [Sale(FIRST_DAY + n * DAY, f"a {n % 9}", 1.0, ALL)] for n in range(120)}
    assert not any(one.own for one in week_by_week(alone, 110)), "a market of one group is that group"


def test_groups_learn_from_their_own_sales() -> None:
    """West buys however dear it is, east nothing above the stated price: after a year west costs more."""
    sold: list[Sale] = []
    past: list[Posted] = []
    for number in range(365):
        day = FIRST_DAY + number * DAY
        past.append(post(past, sold, [], day, ["east", "west"]))
        sold.append(Sale(day, f"a {number % 9}", 1.0, {"west": 1.0}))
        if past[-1].of("east") <= NEUTRAL_BASIS_POINTS:
            sold.append(Sale(day, f"b {number % 9}", 1.0, {"east": 1.0}))
    assert past[-1].of("west") > 1.5 * past[-1].of("east")
    for before, after in pairwise(past):
        for group in ("east", "west", "elsewhere"):
            assert abs(GRID.index(after.of(group)) - GRID.index(before.of(group))) <= 1


def test_a_group_that_sells_no_more_goes_back_to_the_market() -> None:
    """A step a week, until it is where the market is."""
    past = [Posted(FIRST_DAY + number * DAY, GRID[60], {"west": GRID[66]}) for number in range(7)]
    gaps = []
    for number in range(7, 80):
        past.append(post(past, [], [], FIRST_DAY + number * DAY))
        gaps.append(GRID.index(past[-1].of("west")) - GRID.index(past[-1].market))
    assert gaps[0] == 5
    assert gaps[-1] == 0
    assert not past[-1].own


def test_days_of_an_exclusive_window_and_payments_of_nothing_teach_nothing() -> None:
    """A partner counts once a day and as one at most; each group has its part of that."""
    past = [Posted(FIRST_DAY + n * DAY, GRID[NEUTRAL_LEVEL], is_shut=n % 2 == 1) for n in range(10)]
    sales = [
        *(Sale(FIRST_DAY, "a", paid, {"east": 0.25, "west": 0.75}) for paid in (0, 40, 4_000)),
        Sale(FIRST_DAY, "b", 40, {"east": 1.0}),
        Sale(FIRST_DAY, "c", 20, {"east": 1.0}),
        Sale(FIRST_DAY + DAY, "d", 40, {"east": 1.0}),
    ]
    names, demand = learn(past, sales, [], FIRST_DAY + 10 * DAY)
    assert names == [None]
    assert demand.days[0, NEUTRAL_LEVEL] == 5
    assert demand.sold[0, NEUTRAL_LEVEL] == pytest.approx(2.5)
    assert not may_move([], FIRST_DAY)
    assert GROUP_SALES == 50
