"""Top-ups: everybody gets what they were promised, nobody less than their share, and every unit is accounted for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.promises import NOTHING, TopUp, added_to, top_up, topped_up
from pricing.refusals import Mismatched, Negative, NotWhole, OutOfRange, TooLarge


def row(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return whole numbers in a row."""
    return np.array(values, dtype=np.int64)


def test_by_hand() -> None:
    """Two of four fall short by 3 and by 4: seven, rounded up to ten; of the three left over the earlier gets two."""
    found = top_up(row(10, 7, 0, 2), row(9, 10, 0, 6), 10)
    assert found == TopUp(amount=10, people=2, each=1, cutoff_position=2)
    assert topped_up(found, row(10, 7, 0, 2), row(9, 10, 0, 6)).tolist() == [0, 5, 0, 5]
    assert top_up(row(10, 7), row(10, 0), 10_000) == NOTHING
    assert top_up(row(), row(), 1) == NOTHING
    assert top_up(row(0), row(20_000), 10_000) == TopUp(20_000, 1, 0, 0)


PEOPLE = st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=40)


@settings(max_examples=300)
@given(PEOPLE, st.sampled_from([1, 7, 10_000]))
def test_the_laws(people: list[tuple[int, int]], unit: int) -> None:
    """Whole units in all, the fewest that do; promises kept; O(1) says what the array says; even but for one."""
    shares, promised = row(*[share for share, _ in people]), row(*[promise for _, promise in people])
    found = top_up(shares, promised, unit)
    added = topped_up(found, shares, promised)
    short = [max(0, promise - share) for share, promise in people]
    assert found.amount == -(-sum(short) // unit) * unit == int(added.sum())
    assert all(got >= need and (got == 0) == (need == 0) for got, need in zip(added.tolist(), short, strict=True))
    extras = [got - need for got, need in zip(added.tolist(), short, strict=True) if need]
    assert not extras or (max(extras) - min(extras) <= 1 and extras == sorted(extras, reverse=True))
    assert [added_to(found, *each, position) for position, each in enumerate(people)] == added.tolist()


def test_what_is_no_share_is_refused() -> None:
    """Lengths, fractions, negatives, a unit of nothing, and sums beyond 64 bits."""
    with pytest.raises(Mismatched):
        top_up(row(1), row(1, 2), 1)
    with pytest.raises(NotWhole):
        top_up(np.array([1.5]), row(1), 1)
    with pytest.raises(Negative):
        top_up(row(-1), row(1), 1)
    with pytest.raises(Negative):
        added_to(NOTHING, 1, -1, 0)
    with pytest.raises(OutOfRange):
        top_up(row(1), row(1), 0)
    with pytest.raises(OutOfRange):
        TopUp(5, 0, 0, 0)
    with pytest.raises(Negative):
        TopUp(5, 1, -1, 0)
    with pytest.raises(TooLarge):
        top_up(row(0, 0), row(2**61, 2**61), 1)
    with pytest.raises(Mismatched):
        topped_up(TopUp(9, 1, 0, 0), row(0), row(5))
