"""Reverse auctions: equal to their rules in plain Python, at the published numbers, with nothing gained by a false ask."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.auctions.award import Reason
from pricing.auctions.reverse import (
    ReverseAward,
    StratumTerms,
    by_stratum,
    outcome_of,
    proportional_share,
    uniform_asks,
    uniform_asks_within,
    winners_of,
)
from pricing.refusals import Mismatched, Negative, NotEnoughAsks, NotWhole, OutOfRange, PricingRefusal, TooLarge

Asks = "np.ndarray[Any, np.dtype[np.int64]]"
ask_lists = st.lists(st.integers(0, 6) | st.integers(0, 10**18 - 1), min_size=2, max_size=12)


def array(*asks: int) -> Asks:
    """Return asks in order of arrival."""
    return np.array(asks, dtype=np.int64)


def won(award: ReverseAward, asks: list[int]) -> list[int]:
    """Return the winners' positions, and check that O(1) and array answers agree."""
    mask = winners_of(award, array(*asks))
    assert [outcome_of(award, ask, at) is Reason.WON for at, ask in enumerate(asks)] == mask.tolist()
    return np.flatnonzero(mask).tolist()


def lowest(asks: list[int], count: int) -> list[int]:
    """Return the positions of the lowest asks, the earlier first in ties."""
    return sorted(sorted(range(len(asks)), key=lambda at: asks[at])[:count])


def test_money_walks_and_proportional_share(vectors: Callable[[str], dict[str, Any]]) -> None:
    """The lowest is paid the second lowest, k are paid the (k+1)-th; and Singer's cases to the unit."""
    case = vectors("auctions")["reverse"]
    assert "(k+1)-th" in case["money_walks_rule"]
    single = uniform_asks(array(7, 3, 5), 1)
    assert (won(single, [7, 3, 5]), single.price_minor) == ([1], 5)
    pair = uniform_asks(array(7, 3, 5), 2)
    assert (won(pair, [7, 3, 5]), pair.price_minor, pair.spent_minor) == ([1, 2], 7, 14)
    for one in case["proportional_share"]["cases"]:
        award = proportional_share(array(*one["asks"]), one["budget"])
        assert award.winners == one["k"]
        assert award.price_minor == int(Fraction(one["pay_exact"]))


@settings(deadline=None, max_examples=200)
@given(ask_lists, st.integers(1, 12), st.none() | st.integers(0, 7))
def test_uniform_price_is_its_rule(asks: list[int], wanted: int, reserve: int | None) -> None:
    """Against sorting: winners, price, and each loser's reason."""
    if reserve is None and len(asks) <= wanted:
        with pytest.raises(NotEnoughAsks):
            uniform_asks(array(*asks), wanted)
        return
    award = uniform_asks(array(*asks), wanted, reserve)
    eligible = [ask for ask in asks if reserve is None or ask <= reserve]
    count = min(wanted, len(eligible))
    following = sorted(asks)[wanted] if len(asks) > wanted else None
    price = min(each for each in (following, reserve) if each is not None)
    assert won(award, asks) == lowest(asks, count)
    assert award.price_minor == (price if count else None)
    for at, ask in enumerate(asks):
        reason = outcome_of(award, ask, at)
        if reason is Reason.ABOVE_RESERVE:
            assert reserve is not None
            assert ask > reserve
        elif reason is Reason.TIED_LATER:
            assert ask in [asks[winner] for winner in won(award, asks)]
        else:
            assert reason in {Reason.WON, Reason.OVER_QUOTA}


@settings(deadline=None, max_examples=200)
@given(
    ask_lists,
    st.integers(0, 40) | st.integers(0, 10**18 - 1),
    st.none() | st.integers(1, 5),
    st.none() | st.integers(0, 7),
)
def test_budgets_are_their_rules(asks: list[int], budget: int, quota: int | None, reserve: int | None) -> None:
    """The largest k of each rule, by trying all; never a unit over budget."""
    ranked = sorted(ask for ask in asks if reserve is None or ask <= reserve)
    price_after = [*ranked, *([] if reserve is None else [reserve])]
    following = sorted(asks)
    prices = [min(each, reserve) if reserve is not None else each for each in following[: len(price_after)]]
    prices += [reserve] * (len(price_after) - len(prices)) if reserve is not None else []
    count = max((k for k, price in enumerate(prices) if k <= len(ranked) and k * price <= budget), default=0)
    count = min(count, quota or count)
    award = uniform_asks_within(array(*asks), budget, quota, reserve)
    assert won(award, asks) == lowest(asks, count)
    assert award.price_minor == (prices[count] if count else None)
    assert award.spent_minor <= budget
    everybody = sorted(asks)
    shared = max((k for k in range(1, len(asks) + 1) if k * everybody[k - 1] <= budget), default=0)
    shared = min(shared, quota or shared)
    award = proportional_share(array(*asks), budget, quota)
    assert won(award, asks) == lowest(asks, shared)
    if shared:
        assert award.price_minor == min([budget // shared, *everybody[shared : shared + 1]])
        assert award.price_minor >= everybody[shared - 1]
    assert award.spent_minor <= budget


RULES: dict[str, Callable[[Asks], ReverseAward]] = {
    "two winners": lambda asks: uniform_asks(asks, 2),
    "two winners, reserve": lambda asks: uniform_asks(asks, 2, 2),
    "all, reserve": lambda asks: uniform_asks(asks, 9, 2),
    "budget": lambda asks: uniform_asks_within(asks, 4),
    "budget, quota": lambda asks: uniform_asks_within(asks, 3, 2),
    "budget, reserve": lambda asks: uniform_asks_within(asks, 3, None, 2),
    "proportional": lambda asks: proportional_share(asks, 5),
    "proportional, quota": lambda asks: proportional_share(asks, 5, 2),
}


GRID = range(4)
"""Asks and costs: with as many people as prices, each rule's price meets a tie, a reserve and a budget."""


@pytest.mark.parametrize("rule", RULES)
def test_no_misreport_profits(rule: str) -> None:
    """Every cost, every ask, every ask of three others on a grid, and every order of arrival."""
    paid: dict[tuple[int, ...], list[int | None]] = {}
    for asks in product(GRID, repeat=4):
        award = RULES[rule](array(*asks))
        paid[asks] = [
            award.price_minor if outcome_of(award, ask, place) is Reason.WON else None for place, ask in enumerate(asks)
        ]
    gains = 0
    for asks, place in product(paid, range(4)):
        others = asks[:place], asks[place + 1 :]
        honest, falsely = paid[asks][place], (paid[(*others[0], ask, *others[1])][place] for ask in GRID)
        cost = asks[place]
        utility = 0 if honest is None else honest - cost
        gains += sum(each is not None and each - cost > utility for each in falsely)
        gains += utility < 0
    assert gains == 0


def test_large_arrays_go_the_same_way() -> None:
    """Over several pieces, with ties across them and asks up to the limit: against sorting."""
    rng = np.random.default_rng(5)
    for top in (3, 10**6, 10**18 - 1):
        asks = rng.integers(0, top, 600_000)
        ranked = np.sort(asks)
        award = uniform_asks(asks, 400_000)
        assert award.price_minor == ranked[400_000]
        mask = winners_of(award, asks)
        assert asks[mask].max() <= award.price_minor
        budget = int(ranked[100_000]) * 100_000 if top < 10**12 else 10**18 - 1
        within = uniform_asks_within(asks, budget)
        assert within.spent_minor <= budget
        assert (within.winners + 1) * int(ranked[within.winners + 1]) > budget
        assert int(winners_of(within, asks).sum()) == within.winners


def test_strata_stand_alone() -> None:
    """Each by its own terms; the one without enough asks says so, and the others are held."""
    asks = array(5, 1, 9, 2, 3, 4)
    strata = array(0, 1, 0, 1, 1, 2)
    awards = by_stratum(
        asks,
        strata,
        {
            0: StratumTerms(1),
            1: StratumTerms(2, budget_minor=4, reserve_minor=9),
            2: StratumTerms(1),
            3: StratumTerms(1, 9, 4),
        },
    )
    assert isinstance(awards[0], ReverseAward)
    assert (awards[0].winners, awards[0].price_minor) == (1, 9)
    assert isinstance(awards[1], ReverseAward)
    assert (awards[1].winners, awards[1].price_minor) == (1, 2)
    assert isinstance(awards[2], NotEnoughAsks)
    assert isinstance(awards[3], ReverseAward)
    assert awards[3].winners == 0


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: uniform_asks(array(), 1), NotEnoughAsks),
        (lambda: uniform_asks(array(1), 1), NotEnoughAsks),
        (lambda: uniform_asks_within(array(1), 5), NotEnoughAsks),
        (lambda: uniform_asks(array(1, 2), 0), OutOfRange),
        (lambda: uniform_asks(array(-1, 2), 1), Negative),
        (lambda: uniform_asks(array(1, 10**18), 1), TooLarge),
        (lambda: uniform_asks(np.array([1.0, np.nan]), 1), NotWhole),
        (lambda: uniform_asks(np.array([[1, 2]]), 1), NotWhole),
        (lambda: uniform_asks(array(1, 2), 1, -1), Negative),
        (lambda: uniform_asks_within(array(1, 2), -1), Negative),
        (lambda: uniform_asks_within(array(1, 2), 5, 0), OutOfRange),
        (lambda: proportional_share(array(1, 2), 10**18), TooLarge),
        (lambda: winners_of(uniform_asks(array(1, 2, 3), 1), array(1, 1, 1)), Mismatched),
        (lambda: by_stratum(array(1), array(), {}), Mismatched),
        (lambda: by_stratum(array(1), array(4), {}), Mismatched),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()


def test_no_asks_and_a_reserve_or_a_budget_award_nobody() -> None:
    """An empty award is an answer."""
    assert uniform_asks(array(), 1, 5).winners == 0
    assert uniform_asks_within(array(), 5, None, 5).winners == 0
    assert proportional_share(array(), 5).price_minor is None
    assert outcome_of(proportional_share(array(9), 5), 9, 0) is Reason.OVER_BUDGET
