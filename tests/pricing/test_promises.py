"""Shortfalls: what keeps everybody's promise, and not a unit more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.promises import shortfall
from pricing.refusals import Mismatched, Negative, NotWhole, TooLarge


def row(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return whole numbers in a row."""
    return np.array(values, dtype=np.int64)


def test_by_hand() -> None:
    """Two of four fall short, by 3 and by 4."""
    assert shortfall(row(10, 7, 0, 2), row(9, 10, 0, 6)) == (7, 2)
    assert shortfall(row(10, 7), row(10, 0)) == (0, 0)
    assert shortfall(row(), row()) == (0, 0)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=40))
def test_promises_are_kept_exactly(people: list[tuple[int, int]]) -> None:
    """Who was promised less than their share is added nothing, and takes nothing from the others."""
    shares, promised = row(*[share for share, _ in people]), row(*[promise for _, promise in people])
    short = [max(0, promise - share) for share, promise in people]
    assert shortfall(shares, promised) == (sum(short), sum(one > 0 for one in short))


def test_what_is_no_share_is_refused() -> None:
    """Lengths, fractions, negatives, and sums beyond 64 bits."""
    with pytest.raises(Mismatched):
        shortfall(row(1), row(1, 2))
    with pytest.raises(NotWhole):
        shortfall(np.array([1.5]), row(1))
    with pytest.raises(Negative):
        shortfall(row(-1), row(1))
    with pytest.raises(Negative):
        shortfall(row(1), row(-1))
    with pytest.raises(TooLarge):
        shortfall(row(0, 0), row(2**61, 2**61))
