"""Volume prices: one release more never makes a basket cheaper, and no basket costs more than its parts bought apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pricing.agreed import share_of
from pricing.volume import PARTS_BY_RANK, parts_of

PRICES = st.lists(st.tuples(st.integers(100, 10**8), st.integers(1, 100)), max_size=9)
"""Prices in cents, and their floors in percent of them."""


def total(basket: list[tuple[int, int]]) -> int:
    parts = parts_of([amount for amount, _ in basket])
    return sum(
        share_of(amount, part, amount * floor // 100) for (amount, floor), part in zip(basket, parts, strict=True)
    )


@given(PRICES, PRICES)
def test_more_costs_more_and_together_costs_no_more_than_apart(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    assert total(one + other) <= total(one) + total(other)
    for place in range(len(one)):
        assert total(one[:place] + one[place + 1 :]) < total(one)
    assert total(one) <= sum(amount for amount, _ in one)


def test_parts_fall_by_less_than_the_least_of_them() -> None:
    assert sorted(PARTS_BY_RANK, reverse=True) == list(PARTS_BY_RANK)
    assert PARTS_BY_RANK[0] - PARTS_BY_RANK[-1] < PARTS_BY_RANK[-1]
    assert parts_of([5, 9, 9]) == [9_500, 10_000, 10_000]
