"""The table sampler: its law is the ideal one to 2^-99, OpenDP's draws and its own cannot be told apart, and it is keyed.

Every statistical test has a false alarm of at most 1e-6.
"""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marketplace.privacy import noise, sampler
from tests.privacy.goodness import ALARM, differ, differs_from

KEY = b"k" * 32
LAWS = [
    ("laplace", 0.3),
    ("laplace", 3.75),
    ("laplace", 48.7),
    ("gaussian", 0.4),
    ("gaussian", 1.0),
    ("gaussian", 12.3),
    ("gaussian", 150.0),
]


@pytest.mark.parametrize(("kind", "scale"), LAWS)
def test_the_table_is_the_exact_law_in_high_precision(kind: str, scale: float) -> None:
    """Computed again another way: closed forms and theta functions at 400 bits, instead of recurrences in whole numbers."""
    with mpmath.workprec(400):
        s = mpmath.mpf(scale)
        if kind == "laplace":
            q = mpmath.exp(-1 / s)
            mass = lambda k: (1 - q) / (1 + q) * q ** abs(k)  # noqa: E731
        else:
            total = mpmath.jtheta(3, 0, mpmath.exp(-1 / (2 * s * s)))
            mass = lambda k: mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * s * s)) / total  # noqa: E731
        table = sampler.table(kind, scale)
        far = sum(mass(k) for k in range(-table.reach, table.reach + 1))
        assert 0 <= 1 - far < mpmath.mpf(2) ** -100
        apart = (1 - far) / 2
        for k in range(-table.reach, table.reach + 1):
            drawn = table.probability(k)
            apart += abs(mpmath.mpf(drawn.numerator) / drawn.denominator - mass(k)) / 2
        bound = sampler.gap(kind, scale)
        assert apart < mpmath.mpf(bound.numerator) / bound.denominator < mpmath.mpf(2) ** -99
    assert sum((table.probability(k) for k in range(-table.reach, table.reach + 1)), Fraction(0)) == 1


@pytest.mark.parametrize(("kind", "scale"), LAWS)
def test_draws_follow_the_table(kind: str, scale: float) -> None:
    table = sampler.table(kind, scale)
    values = np.arange(-table.reach, table.reach + 1)
    masses = np.array([float(table.probability(int(k))) for k in values])
    draws = table.draw(KEY, f"{kind} {scale}", 3_000_000)
    assert not differs_from(draws, values, masses)
    # A law a hundredth wider is distinguished from it.
    law = noise.Law(kind, scale * 1.01)
    wider = np.array([float(sampler.table(kind, law.scale).probability(int(k))) for k in values])
    assert differs_from(draws, values, wider) or scale < 1


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
def test_opendps_draws_and_the_tables_cannot_be_told_apart(kind: str) -> None:
    zeros, count = np.zeros(150_000, np.int64), 150_000
    if kind == "laplace":
        scale = noise.scale(6, 1_520_000)
        ours = list(noise.laplace(zeros, sensitivity=6, epsilon_micro=1_520_000))
    else:
        scale = noise.sigma(8, 24_000_000)
        ours = list(noise.gaussian(zeros, sensitivity_squared=8, rho_nano=24_000_000))
    theirs = np.concatenate(ours)
    table = sampler.table(kind, scale)
    assert not differ(theirs, table.draw(KEY, "against OpenDP", count))
    values = np.arange(-table.reach, table.reach + 1)
    assert not differs_from(theirs, values, np.array([float(table.probability(int(k))) for k in values]))
    assert differ(theirs, sampler.table(kind, scale * 1.1).draw(KEY, "against OpenDP", count))


def test_a_boundary_is_decided_by_all_128_bits() -> None:
    """A uniform number on either side of every boundary, by the fast path's first 64 bits and by the rest."""
    table = sampler.table("gaussian", 0.4)
    for place, bound in enumerate(table.cumulative[:-1]):
        assert table._of(bound) == place + 1 - table.reach
        assert table._of(bound - 1) <= place - table.reach

    class Rest:
        def __init__(self, bits: int) -> None:
            self.bits = bits

        def whole(self, _: int) -> int:
            return self.bits

    for bound in table.cumulative[:-1]:
        high, low = bound >> 64, bound & (2**64 - 1)
        for rest in {max(low - 1, 0), low, min(low + 1, 2**64 - 1)}:
            found = table._search(np.array([high], np.uint64), Rest(rest))  # type: ignore[arg-type]
            assert int(found[0]) == table._of((high << 64) | rest)


def test_the_first_bits_never_decide_what_the_rest_would_change() -> None:
    for kind, scale in LAWS:
        table = sampler.table(kind, scale)
        for slot in range(0, 1 << 16, 97):
            if table._guide[slot] != sampler.UNDECIDED:
                assert table._of(slot << 112) == table._of(((slot + 1) << 112) - 1) == table._guide[slot]


def test_draws_are_a_function_of_key_and_name() -> None:
    table = sampler.table("laplace", 3.75)
    first = table.draw(KEY, "people", 100_000)
    assert (first == table.draw(KEY, "people", 100_000)).all()
    # Of two independent draws, as many agree as chance has it: neither more nor fewer.
    agree = float(sum(table.probability(k) ** 2 for k in range(-table.reach, table.reach + 1)))
    for other in (table.draw(KEY, "events", 100_000), table.draw(b"j" + KEY[1:], "people", 100_000)):
        same = int((first == other).sum())
        assert ALARM < stats.binom.cdf(same, 100_000, agree) < 1 - ALARM
    # A longer draw begins as a shorter one.
    assert (table.draw(KEY, "people", 300_000)[:100_000] == first).all()


def test_what_is_drawn_above_a_bound_is_the_law_above_it() -> None:
    table = sampler.table("laplace", 3.75)
    stream = sampler.Stream(KEY, "above")
    draws = np.array([table.draw_at_least(stream, 9) for _ in range(40_000)])
    values = np.arange(9, table.reach + 1)
    masses = np.array([float(table.probability(int(k))) for k in values])
    assert draws.min() >= 9
    assert not differs_from(draws, values, masses / masses.sum())


@pytest.mark.parametrize(("trials", "share"), [(10, 0.3), (400, 0.01), (23_000_000, 5e-8), (1, 0.5)])
def test_successes_are_binomial(trials: int, share: float) -> None:
    stream = sampler.Stream(KEY, f"binomial {trials}")
    probability = int(share * 2**64) << 64
    draws = np.array([sampler.binomial(stream, trials, probability) for _ in range(1_500)])
    values = np.arange(0, int(trials * share + 12 * math.sqrt(trials * share) + 12))
    values = values[values <= trials]
    assert not differs_from(draws, values, stats.binom.pmf(values, trials, float(Fraction(probability, sampler.ONE))))
    assert differs_from(draws, values, stats.binom.pmf(values, trials, min(0.95, share * 1.9)))


@given(st.integers(1, 10**30))
def test_whole_numbers_below_a_bound_are_below_it(bound: int) -> None:
    stream = sampler.Stream(KEY, "below")
    assert all(0 <= stream.below(bound) < bound for _ in range(5))
