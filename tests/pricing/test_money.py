"""Money and largest remainder: exact at any size, fair in the stated sense, and refusing what has no right answer."""

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.money import MINOR_LIMIT, Money, largest_remainder
from pricing.refusals import (
    Empty,
    Mismatched,
    MixedCurrencies,
    Negative,
    NotWhole,
    PricingRefusal,
    TooLarge,
    ZeroTotalWeight,
)

pools = st.integers(0, 10**24)
weight_lists = st.lists(st.integers(0, 10**12) | st.integers(0, 5), min_size=1, max_size=12).filter(any)


def test_every_worked_example(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Balinski and Young's, the Alabama pair, and those float implementations get wrong."""
    cases = vectors("apportionment")["largest_remainder"]
    assert cases
    for case in cases:
        shares = largest_remainder(case["pool"], case["weights"])
        assert sum(shares) == case["pool"]
        if not case.get("sum_only"):
            assert shares == case["shares"], case


@settings(deadline=None)
@given(pools, weight_lists)
def test_shares_sum_and_stay_within_a_unit_of_quota(pool: int, weights: list[int]) -> None:
    """Sum exact, quota kept on both sides, nothing for a zero weight, more weight never earns less."""
    shares = largest_remainder(pool, weights)
    assert sum(shares) == pool
    for share, weight in zip(shares, weights, strict=True):
        quota = Fraction(pool * weight, sum(weights))
        assert abs(share - quota) < 1
        assert weight or not share
    for (light, one), (heavy, other) in pairwise(sorted(zip(weights, shares, strict=True))):
        assert one <= other or light == heavy
    for (weight, share), (after, later) in combinations(zip(weights, shares, strict=True), 2):
        assert weight != after or share - later in {0, 1}


@settings(deadline=None)
@given(pools, weight_lists, st.randoms())
def test_order_only_settles_ties(pool: int, weights: list[int], random: Any) -> None:
    """Permuting the people permutes the shares, up to the unit that equal remainders compete for."""
    order = list(range(len(weights)))
    random.shuffle(order)
    before = largest_remainder(pool, weights)
    after = largest_remainder(pool, [weights[at] for at in order])
    remainders = [pool * weight % sum(weights) for weight in weights]
    for place, at in enumerate(order):
        assert before[at] == after[place] or remainders.count(remainders[at]) > 1


@settings(deadline=None)
@given(st.integers(0, MINOR_LIMIT - 1), weight_lists)
def test_money_splits_into_itself(minor: int, weights: list[int]) -> None:
    """The parts add up to the whole, in its currency."""
    whole = Money(minor, "EUR")
    parts = whole.split(weights)
    total = Money(0, "EUR")
    for part in parts:
        total += part
    assert total == whole
    assert [part.minor for part in parts] == largest_remainder(minor, weights)


def test_money_compares_and_subtracts_within_a_currency() -> None:
    """Order and differences are those of the minor units."""
    small, large = Money(3, "EUR"), Money(5, "EUR")
    assert small < large
    assert small <= large
    assert large > small
    assert large >= small
    assert not small > large
    assert not small >= large
    assert small - large == Money(-2, "EUR")
    assert hash(small) == hash(Money(3, "EUR"))


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: Money(1, "EUR") + Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(1, "EUR") - Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(1, "EUR") < Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(1, "EUR") <= Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(1, "EUR") > Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(1, "EUR") >= Money(1, "CHF"), MixedCurrencies),
        (lambda: Money(10**18, "EUR"), TooLarge),
        (lambda: Money(-(10**18), "EUR"), TooLarge),
        (lambda: Money(10**18 - 1, "EUR") + Money(1, "EUR"), TooLarge),
        (lambda: Money(1.0, "EUR"), NotWhole),
        (lambda: Money(bool(1), "EUR"), NotWhole),
        (lambda: Money(float("nan"), "EUR"), NotWhole),
        (lambda: Money(1, "eur"), Mismatched),
        (lambda: Money(1, "EURO"), Mismatched),
        (lambda: Money(1, None), Mismatched),
        (lambda: Money(-1, "EUR").split([1]), Negative),
        (lambda: largest_remainder(1, []), Empty),
        (lambda: largest_remainder(1, [0, 0]), ZeroTotalWeight),
        (lambda: largest_remainder(1, [2, -1]), Negative),
        (lambda: largest_remainder(1, [0.5]), NotWhole),
        (lambda: largest_remainder(1.5, [1]), NotWhole),
        (lambda: largest_remainder(-1, [1]), Negative),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal each, and a ValueError to anyone who knows no better."""
    with pytest.raises(refusal) as caught:
        made()
    assert isinstance(caught.value, ValueError)
    assert str(caught.value)
