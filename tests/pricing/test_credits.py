"""Service credits: nothing for what is as sold, more for what falls shorter, never more than half."""

from hypothesis import given
from hypothesis import strategies as st

from pricing.credits import MOST_BASIS_POINTS, credit_basis_points, credit_minor, promised_coverage

SHARES, DAYS = st.integers(0, 1_000_000), st.integers(-5, 60)


@given(st.tuples(DAYS, DAYS), st.tuples(SHARES, SHARES), SHARES, st.integers(1, 10**9))
def test_what_falls_shorter_credits_more_and_never_over_half(
    days: tuple[int, int], shares: tuple[int, int], promised: int, total: int
) -> None:
    (late, later), (low, high) = sorted(days), sorted(shares)
    less, more = credit_basis_points(late, high, promised), credit_basis_points(later, low, promised)
    assert 0 <= less <= more <= MOST_BASIS_POINTS
    assert (less == 0) == (late <= 0 and high >= promised)
    assert 0 <= credit_minor(total, less) <= credit_minor(total, more) <= max(total // 2, 1)
    assert (credit_minor(total, less) == 0) == (less == 0)


@given(st.integers(0, 10**8), st.integers(1, 10**8))
def test_coverage_as_on_the_day_of_the_sale_is_in_order(consenting: int, population: int) -> None:
    consenting = min(consenting, population)
    assert credit_basis_points(0, consenting * 1_000_000 // population, promised_coverage(consenting, population)) == 0
