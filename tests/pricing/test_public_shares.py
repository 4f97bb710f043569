"""Shares by a public denominator: exact for any weights, nobody's moved by anybody, covered by what there is to pay with."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.public_shares import (
    LEAST_VARIANCE_MICRO,
    MARGIN,
    denominator_of,
    expected_difference_micro,
    public_share,
    public_shares,
    shapley_once_per_cell,
    sum_of_shares,
    weigh,
)
from pricing.refusals import (
    Duplicate,
    Empty,
    Negative,
    NotWhole,
    OutOfRange,
    PricingRefusal,
    TooLarge,
    ZeroTotalWeight,
)
from tests.pricing.oracles import TooHard, shapley_by_orders

pools = st.integers(0, 10**18 - 1) | st.integers(0, 50)
denominators = st.integers(1, 10**4) | st.integers(1, 2**61 - 1)
weight_lists = st.lists(st.integers(0, 4) | st.integers(0, 10**6) | st.integers(2**22, 2**40 - 1), min_size=1).filter(
    any
)


@settings(deadline=None, max_examples=200)
@given(pools, denominators, weight_lists)
def test_arrays_single_shares_and_sums_are_the_rule(pool: int, denominator: int, weights: list[int]) -> None:
    """Each is floor(pool * weight / denominator), or all of it is refused as too large."""
    exact = [pool * weight // denominator for weight in weights]
    array = np.array(weights, dtype=np.int64)
    weighed = weigh(array)
    assert (weighed.total, weighed.count) == (sum(weights), int(np.count_nonzero(array)))
    if pool * sum(weights) // denominator >= 2**62:
        with pytest.raises(TooLarge):
            sum_of_shares(pool, denominator, weighed)
        return
    assert public_shares(pool, denominator, array).tolist() == exact
    assert [public_share(pool, denominator, weight) for weight in weights] == exact
    assert sum_of_shares(pool, denominator, weighed) == sum(exact)


def test_a_quotient_that_a_float_rounds_up_is_rounded_down() -> None:
    """To a float the pool and the denominator are the same number, and each share is a whole weight."""
    for top in (9, 2**40 - 1):
        weights = np.array([1, 7, top])
        assert public_shares(10**17 + 2, 10**17 + 3, weights).tolist() == [0, 6, top - 1]


def test_one_more_person_moves_nobody() -> None:
    """The rule itself: a share knows nothing of others."""
    weights = np.random.default_rng(1).integers(1, 13, 300_000)
    before = public_shares(48_420_000, 1_950_321, weights)
    after = public_shares(48_420_000, 1_950_321, np.append(weights, 12))
    assert np.array_equal(before, after[:-1])


@given(
    st.integers(1, 10**9),
    st.integers(0, 10**7),
    st.integers(0, 10**10),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)
def test_what_is_owed_is_covered_up_to_the_margin(
    people: int, cells: int, variance: int, pool: int, spare: int
) -> None:
    """Weights of up to people + MARGIN standard deviations cost no more than the pool and the spare money."""
    denominator = denominator_of(people, cells=cells, variance_micro=variance, pool=pool, spare=spare)
    assert denominator >= people
    most = people + MARGIN * math.isqrt(cells * variance // 10**6)
    assert pool * most // denominator <= pool + spare
    if not variance or not pool:
        assert denominator == people


def test_the_margin_is_missed_once_in_a_thousand_million_at_most() -> None:
    """One noise by its own tail, several by Chernoff's bound, for Laplace and Gaussian noises of any usual scale."""
    for scale in (0.2, 0.5, 1.0, 2.5, 20.0, 400.0):
        q = math.exp(-1 / scale)
        variance = 2 * q / (1 - q) ** 2
        least = MARGIN * math.sqrt(max(variance, LEAST_VARIANCE_MICRO / 1e6))
        assert q ** math.ceil(least) / (1 + q) <= 1e-9
        for cells in (2, 3, 10, 1000, 10**6):
            far = least * math.sqrt(cells)
            bounds = []
            for part in np.linspace(0.001, 0.999, 999):
                tilt = part / scale
                moment = 2 * math.log1p(-q) - math.log1p(-q * math.exp(tilt)) - math.log1p(-q * math.exp(-tilt))
                bounds.append(cells * moment - tilt * far)
            assert min(bounds) <= math.log(1e-9), (scale, cells)
    assert math.erfc(MARGIN / math.sqrt(2)) / 2 < 1e-9


def test_the_expected_difference_is_one_standard_deviation() -> None:
    """Of a release of 10,000 people in 100 cells, each with a variance of 36."""
    assert expected_difference_micro(10_000, cells=100, variance_micro=36_000_000) == 6_000
    assert expected_difference_micro(7, cells=0, variance_micro=36_000_000) == 0


def test_other_integer_dtypes_are_welcome() -> None:
    """A manifest may store narrow weights."""
    for dtype in (np.int8, np.int32, np.uint32, np.uint64):
        weights = np.array([7, 2, 1], dtype=dtype)
        assert public_shares(1_001, 10, weights).tolist() == [700, 200, 100]
        assert weigh(weights).total == 10


def test_classic_shapley_values(vectors: Callable[[str], dict[str, Any]]) -> None:
    """The airport game through both ways, the gloves through enumeration."""
    airport, gloves = vectors("apportionment")["shapley_counts_once_per_cell"]["classic"]
    costs = airport["costs"]
    expected = dict(enumerate(Fraction(value) for value in airport["shapley"]))
    # A runway's n-th stretch is used by everyone who needs at least that length, and costs the same for any of them.
    stretches = [[player for player in range(len(costs)) if player >= first] for first in range(len(costs))]
    lengths = [cost - before for cost, before in zip(costs, [0, *costs], strict=False)]
    assert shapley_once_per_cell(stretches, lambda cell, people: lengths[cell] if people else 0) == expected
    assert shapley_by_orders(range(4), lambda who: max((costs[player] for player in who), default=0)) == expected
    pairs = shapley_by_orders(["L1", "L2", "R"], lambda who: int("R" in who and len(who) > 1))
    assert list(pairs.values()) == [Fraction(value) for value in gloves["shapley"]]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sets(st.integers(0, 4)), min_size=1, max_size=4),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
    st.integers(1, 3),
)
def test_the_closed_form_equals_enumeration(cells: list[set[int]], values: list[int], threshold: int) -> None:
    """For any cell values, withheld below a threshold: the formula is the Shapley value, not near it."""

    def worth(cell: int, people: int) -> int:
        return (cell + 1) * values[people - 1] if people >= threshold else 0

    def game(coalition: frozenset[int]) -> int:
        return sum(worth(number, len(cell & coalition)) for number, cell in enumerate(cells))

    closed = shapley_once_per_cell([sorted(cell) for cell in cells], worth)
    enumerated = shapley_by_orders(range(5), game)
    assert {player: closed.get(player, Fraction(0)) for player in range(5)} == enumerated


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: weigh(np.array([], dtype=np.int64)), Empty),
        (lambda: weigh(np.array([0, 0])), ZeroTotalWeight),
        (lambda: weigh(np.array([1, -1])), Negative),
        (lambda: weigh(np.array([1.0])), NotWhole),
        (lambda: weigh(np.array([True])), NotWhole),
        (lambda: weigh(np.array([[1]])), NotWhole),
        (lambda: weigh(np.array([2**40])), TooLarge),
        (lambda: weigh(np.full(2**22, 2**39, dtype=np.int64)), TooLarge),
        (lambda: public_share(1, 0, 1), OutOfRange),
        (lambda: public_share(1, 2**61, 1), OutOfRange),
        (lambda: public_share(-1, 1, 1), Negative),
        (lambda: public_share(1, 1, -1), Negative),
        (lambda: public_share(1, 1, 1.0), NotWhole),  # type: ignore[arg-type]
        (lambda: public_shares(10**18, 1, np.array([1])), TooLarge),
        (lambda: public_shares(10**17, 1, np.array([100])), TooLarge),
        (lambda: denominator_of(0, cells=1, variance_micro=1, pool=1, spare=1), OutOfRange),
        (lambda: denominator_of(1, cells=-1, variance_micro=1, pool=1, spare=1), Negative),
        (lambda: denominator_of(1, cells=1, variance_micro=-1, pool=1, spare=1), Negative),
        (lambda: expected_difference_micro(0, cells=1, variance_micro=1), OutOfRange),
        (lambda: shapley_once_per_cell([[1, 1]], lambda _cell, people: people), Duplicate),
        (lambda: shapley_by_orders([1, 1], len), Duplicate),
        (lambda: shapley_by_orders(range(10), len), TooHard),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
