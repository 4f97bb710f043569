"""Editions: discrete Laplace noise nests exactly, Gaussian noise all but; any set of levels reveals its finest alone."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marketplace.datasets.releases import publishing
from marketplace.privacy import drawing, editions, finishing, noise, sampler
from marketplace.privacy.specification import Specification
from tests.privacy.goodness import differs_from
from tests.privacy.specs import SECRET, counts_of, gaussian, specification


@given(
    st.fractions(Fraction(1, 50), Fraction(49, 50)), st.fractions(Fraction(1, 50), Fraction(49, 50)), st.integers(0, 12)
)
def test_laplace_noise_nests_exactly_in_rationals(one: Fraction, other: Fraction, k: int) -> None:
    """The probability of k of noise a plus (nothing with probability p, else noise b), summed in closed form, is b's.

    Sum over j of a^|j| b^|k-j|, for k >= 0: the middle k + 1 terms, and two geometric tails of ratio a b.
    """
    a, b = sorted((one, other))
    if a == b:
        return
    p = (a / b) * ((1 - b) / (1 - a)) ** 2
    assert 0 < p < 1

    def law(q: Fraction, at: int) -> Fraction:
        return (1 - q) / (1 + q) * q ** abs(at)

    middle = sum((a**j * b ** (k - j) for j in range(k + 1)), Fraction(0))
    below, above = a * b ** (k + 1) / (1 - a * b), a ** (k + 1) * b / (1 - a * b)
    convolved = (1 - a) / (1 + a) * (1 - b) / (1 + b) * (middle + below + above)
    assert p * law(a, k) + (1 - p) * convolved == law(b, k)


@pytest.mark.parametrize(("scale", "multiple"), [(3.75, 4), (1.2, 2), (0.5, 16)])
def test_the_step_that_is_drawn_is_that_one(scale: float, multiple: int) -> None:
    """In the table's own whole numbers: finer noise through the step is the coarser noise, to 2^-96."""
    finer = noise.Law("laplace", scale)
    wanted = editions.coarser(finer, multiple)
    step = editions.step(finer, wanted)
    assert math.isclose(wanted.variance, multiple * finer.variance, rel_tol=1e-12)
    assert step.variance == wanted.variance
    fine, coarse = sampler.table("laplace", scale), sampler.table("laplace", wanted.scale)
    ones = {k: fine.below(k + 1) - fine.below(k) for k in range(-fine.reach, fine.reach + 1)}
    more = {k: coarse.below(k + 1) - coarse.below(k) for k in range(-coarse.reach, coarse.reach + 1)}
    apart = 0
    for k in range(-coarse.reach, coarse.reach + 1):
        convolved = sum(mass * more.get(k - j, 0) for j, mass in ones.items())
        nested = (step.stays * ones.get(k, 0) << 128) + (sampler.ONE - step.stays) * convolved
        apart += abs((nested >> 128) - (more[k] << 128))
    assert Fraction(apart, sampler.ONE**2) < Fraction(1, 2**96)


def test_draws_of_a_step_follow_it() -> None:
    finer = noise.Law("laplace", 3.75)
    step = editions.step(finer, editions.coarser(finer, 4))
    count = 1_000_000
    table = sampler.table("laplace", step.extra.scale)
    values = np.arange(-table.reach - 400, table.reach + 401)
    wanted = np.array([float(table.probability(int(k))) if abs(k) <= table.reach else 0.0 for k in values])
    drawn = sampler.table("laplace", 3.75).draw(b"f" * 32, "finer", count) + step.draw(b"c" * 32, "coarser", count)
    assert not differs_from(drawn, values, wanted)
    stays = step.stays / sampler.ONE
    still = int((step.draw(b"c" * 32, "coarser", count) == 0).sum()) / count
    assert abs(still - (stays + (1 - stays) * float(table.probability(0)))) < 6 * math.sqrt(0.25 / count)
    # Noise added on every count, as one would without the derivation, is another law.
    always = sampler.table("laplace", 3.75).draw(b"f" * 32, "finer", count) + table.draw(b"c" * 32, "coarser", count)
    assert differs_from(always, values, wanted)


@pytest.mark.parametrize(("finer", "extra"), [(0.5, 0.5), (1.3, 1.3), (1.3, 4.0), (12.0, 20.0)])
def test_gaussian_noise_does_not_nest_but_nearly(finer: float, extra: float) -> None:
    """The convolution's distance from the discrete Gaussian of the summed variance: not zero, and below its bound."""
    with mpmath.workprec(2200):
        variance = mpmath.mpf(finer) ** 2 + mpmath.mpf(extra) ** 2
        reach = int(9 * math.sqrt(float(variance))) + 9

        def law(squared: mpmath.mpf) -> dict[int, mpmath.mpf]:
            total = mpmath.jtheta(3, 0, mpmath.exp(-1 / (2 * squared)))
            return {
                k: mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * squared)) / total for k in range(-3 * reach, 3 * reach + 1)
            }

        one, two, whole = law(mpmath.mpf(finer) ** 2), law(mpmath.mpf(extra) ** 2), law(variance)
        # At each k the ratio of the two is a theta function of k: three values of k show how far it strays.
        strays = mpmath.mpf(0)
        for k in range(3):
            convolved = mpmath.fsum(one[j] * two[k - j] for j in range(-2 * reach, 2 * reach + 1))
            strays = max(strays, abs(convolved / whole[k] - 1))
        bound = mpmath.exp(-2 * mpmath.pi**2 * mpmath.mpf(finer) ** 2 * mpmath.mpf(extra) ** 2 / variance)
        if finer < 10:
            assert strays > bound / 1000
        assert strays < 8 * bound + mpmath.mpf(2) ** -60
    if finer == extra == 1.3:
        assert strays < 1e-6
    step = editions.step(noise.Law("gaussian", finer), noise.Law("gaussian", math.sqrt(float(variance))))
    assert step.stays == 0
    assert math.isclose(step.extra.scale, extra, rel_tol=1e-9)
    # What is stated is the spread of the sum, whatever its shape.
    assert math.isclose(
        step.variance, noise.Law("gaussian", finer).variance + noise.Law("gaussian", extra).variance, rel_tol=1e-6
    )


@pytest.mark.parametrize("s", [specification(20), gaussian(20)], ids=["laplace", "gaussian"])
def test_a_coarser_edition_is_made_of_what_the_finer_one_publishes(s: object) -> None:
    rng = np.random.default_rng(3)
    people = rng.poisson(rng.gamma(1.0, 60.0, s.key_count))  # type: ignore[attr-defined]
    drawn = drawing.draw(s, counts_of(s, people), SECRET)  # type: ignore[arg-type]
    finest = drawing.table(s, drawn)  # type: ignore[arg-type]
    wanted = [editions.coarser(s.law(part), 9) for part in ("people", "events")]  # type: ignore[attr-defined]
    steps = [editions.step(s.law(part), law) for part, law in zip(("people", "events"), wanted, strict=True)]  # type: ignore[attr-defined]
    key = editions.edition_key(SECRET, 9, "the finer bytes")
    table = editions.coarsen(finest, *steps, s.threshold, key)  # type: ignore[attr-defined]
    assert table.equals(editions.coarsen(finest, *steps, s.threshold, key))  # type: ignore[attr-defined]
    assert not table.equals(
        editions.coarsen(finest, *steps, s.threshold, editions.edition_key(SECRET, 9, "other bytes"))
    )  # type: ignore[attr-defined]
    # Withheld stays withheld: nothing is in the coarser one that is not in the finer one.
    there = {tuple(row.values()) for row in finest.select(["zone", "starts_at", "segment"]).to_pylist()}
    kept = {tuple(row.values()) for row in table.select(["zone", "starts_at", "segment"]).to_pylist()}
    assert kept <= there
    assert 0.5 * len(there) < len(kept) < len(there)
    for row in table.to_pylist():
        assert row["events"] >= row["people"] >= s.threshold  # type: ignore[attr-defined]


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("s", [specification(40), gaussian(40)], ids=["laplace", "gaussian"])
def test_an_editions_interval_covers_what_was_counted_at_its_rate(s: Specification, factor: int) -> None:
    """Undoing truncation multiplied the finest level's noise too, and the interval says so."""
    true = np.random.default_rng(1).integers(5_000, 9_000, s.key_count)
    drawn = drawing.draw(s, counts_of(s, true), SECRET)
    finest = drawing.table(s, drawn)
    assert len(finest) == s.key_count
    people = pa.array(factor * finest["people"].to_numpy())
    cells = publishing._parquet(s, finest.set_column(3, "people", people), 0)
    laws = (s.law("people"), s.law("events"))
    data, _, figures = publishing._coarser(s, cells, laws, 4, scaled=factor, key=SECRET)
    off = np.abs(publishing.read_file(data)["people"].to_numpy() - factor * true)
    missed = int((off > figures["error_people"]).sum())
    assert stats.binom.sf(missed - 1, s.key_count, finishing.OUTSIDE) > 1e-6
    if factor == 1:
        assert missed > s.key_count / 100, "nor is it far too wide"
