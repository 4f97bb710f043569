"""The split of a licence: equal to the exact method person by person, whatever the size, and known in O(1)."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.money import largest_remainder
from pricing.refusals import (
    Duplicate,
    Empty,
    Mismatched,
    Negative,
    NotWhole,
    OutOfRange,
    PricingRefusal,
    TooHard,
    TooLarge,
    ZeroTotalWeight,
)
from pricing.revenue_share import (
    Split,
    shapley_once_per_cell,
    share_of,
    shares,
    split_pool,
)
from tests.pricing.oracles import LicencePool, shapley_by_orders, split_by_licence

pools = st.integers(0, 10**18 - 1) | st.integers(0, 50)
# Small weights meet in ties; those past 2**22 take the path without a table.
weight_lists = st.lists(st.integers(0, 4) | st.integers(0, 10**6) | st.integers(2**22, 2**40 - 1), min_size=1).filter(
    any
)


@settings(deadline=None, max_examples=300)
@given(pools, weight_lists)
def test_the_vectorised_split_is_largest_remainder(pool: int, weights: list[int]) -> None:
    """Array, single share and reference agree on every position."""
    exact = largest_remainder(pool, weights)
    array = np.array(weights, dtype=np.int64)
    split = split_pool(pool, array)
    assert shares(split, array).tolist() == exact
    assert [share_of(split, weight, position) for position, weight in enumerate(weights)] == exact


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**18 - 1), st.integers(1, 40), st.integers(0, 2**40 - 2), st.integers(1, 10**5))
def test_many_equal_weights_share_by_position(pool: int, kinds: int, base: int, count: int) -> None:
    """The cut falls inside a long run of equals, across the pieces the arrays are worked in."""
    weights = (np.arange(count, dtype=np.int64) % kinds) * (base // kinds) + 1
    split = split_pool(pool, weights)
    earned = shares(split, weights)
    assert int(earned.sum()) == pool
    for weight in (1, int(weights.max())):
        alike = earned[weights == weight]
        assert (np.diff(alike) <= 0).all()
        assert alike[0] - alike[-1] in {0, 1}


def test_a_million_micro_euros_over_pieces_with_the_cut_in_the_last() -> None:
    """The cut-off position is found beyond the first piece, with and without a table."""
    for step in (0, 2**22):
        weights = np.full(600_000, 1 + step, dtype=np.int64)
        split = split_pool(599_999, weights)
        assert split.cutoff_position == 599_999
        assert shares(split, weights)[-2:].tolist() == [1, 0]


def test_other_integer_dtypes_are_welcome() -> None:
    """A manifest may store narrow weights."""
    for dtype in (np.int8, np.int32, np.uint32, np.uint64):
        weights = np.array([7, 2, 1], dtype=dtype)
        assert shares(split_pool(1001, weights), weights).tolist() == [701, 200, 100]


def test_licence_by_licence(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Each licence pays only the people in the data it sold."""
    case = vectors("apportionment")["licence_centric_split"]
    licences = [LicencePool(one["pool"], dict.fromkeys(one["contributors"], 1)) for one in case["licences"]]
    assert split_by_licence(licences) == {int(person): share for person, share in case["by_licence"].items()}


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


def _array(*weights: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array(weights, dtype=np.int64)


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: split_pool(1, _array()), Empty),
        (lambda: split_pool(1, _array(0, 0)), ZeroTotalWeight),
        (lambda: split_pool(1, _array(1, -1)), Negative),
        (lambda: split_pool(-1, _array(1)), Negative),
        (lambda: split_pool(10**18, _array(1)), TooLarge),
        (lambda: split_pool(1, _array(2**40)), TooLarge),
        (lambda: split_pool(1, np.full(2**22, 2**39, dtype=np.int64)), TooLarge),
        (lambda: split_pool(1, np.array([1.0])), NotWhole),
        (lambda: split_pool(1, np.array([True])), NotWhole),
        (lambda: split_pool(1, np.array([[1]])), NotWhole),
        (lambda: split_pool(1.0, _array(1)), NotWhole),
        (lambda: shares(split_pool(5, _array(1, 2)), _array(1, 1)), Mismatched),
        (lambda: shares(split_pool(5, _array(1, 1, 4)), _array(4, 2, 0)), Mismatched),
        (lambda: share_of(split_pool(5, _array(1, 2)), -1, 0), Negative),
        (lambda: share_of(split_pool(5, _array(1, 2)), 1, -1), Negative),
        (lambda: share_of(split_pool(5, _array(1, 2)), 4, 0), OutOfRange),
        (lambda: Split(1, 0, 0, 0), OutOfRange),
        (lambda: Split(1, 2, 3, 0), OutOfRange),
        (lambda: Split(1, 2, 1, -1), Negative),
        (lambda: shapley_once_per_cell([[1, 1]], lambda _cell, people: people), Duplicate),
        (lambda: shapley_by_orders([1, 1], len), Duplicate),
        (lambda: shapley_by_orders(range(10), len), TooHard),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
