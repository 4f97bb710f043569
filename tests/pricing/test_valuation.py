"""Worth: the published formulas, exactly, and rising or falling in what it should."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.refusals import Empty, Negative, NotFinite, NotFitted, NotWhole, OutOfRange, PricingRefusal
from pricing.valuation import (
    bias_bound,
    coverage,
    fit_half_life,
    least_bias,
    noise_loss,
    r_indicator,
    removed,
    sampling_loss,
    selection_loss,
)

DAY = 86_400
populations = st.integers(1, 10**7)


def test_effective_sample_size(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Meng's worked figure at a large population, and a noised cell at four privacy levels."""
    case = vectors("valuation")["effective_sample_size"]
    meng = case["meng"]
    population = 10**15
    people = int(population * Fraction(str(meng["f"])))
    rho = Fraction(str(meng["rho"]))
    size = 1 / (sampling_loss(people, population) + selection_loss(people, population, rho**2))
    assert float(size) == pytest.approx(meng["n_eff_large_N"], abs=1e-4)
    cell = case["dp_cell"]
    for epsilon, expected in cell["n_eff"].items():
        noise = noise_loss(cell["n"], Fraction(1, 4), 2 / Fraction(epsilon) ** 2)
        assert float(1 / (sampling_loss(cell["n"], cell["N"]) + noise)) == pytest.approx(expected, rel=1e-9)


def test_r_indicator_and_its_bias_bound(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Equal strata, and the same with sizes given."""
    case = vectors("valuation")["r_indicator"]
    for sizes in (None, [3, 3, 3, 3]):
        assert r_indicator(case["propensities"], sizes) == pytest.approx(case["R"], abs=1e-7)
        assert bias_bound(case["propensities"], sizes) == pytest.approx(case["bias_bound"], abs=1e-7)


def test_laplace_noise_has_the_stated_variance(vectors: Callable[[str], dict[str, Any]]) -> None:
    """Twice the squared scale: what a published sensitivity and epsilon put into a noise variance."""
    case = vectors("valuation")["laplace_noise"]
    variance = 2 * (case["sensitivity"] / Fraction(str(case["epsilon"]))) ** 2
    assert variance == case["variance"]
    assert noise_loss(100, Fraction(1), variance) == Fraction(1, 2)


def test_what_is_removed_is_the_bayes_risk_reduction() -> None:
    """A Gaussian mean with a prior worth n0 observations: the share of variance that n_eff observations remove."""
    for n_eff, n0 in ((1, 1), (400, 100), (7, 93)):
        prior = Fraction(1, n0)
        posterior = 1 / (1 / prior + n_eff)
        assert removed(Fraction(1, n_eff), n0) == (prior - posterior) / prior
    assert removed(Fraction(0), 100) == 1


def test_meng_and_schouten_meet() -> None:
    """The selection loss implied by an R-indicator, at worst, is the squared bias bound of two strata."""
    propensities, covered = [0.25, 0.75], Fraction(1, 2)
    assert r_indicator(propensities) == 0.5
    spread_squared = Fraction(1, 4) ** 2
    loss = selection_loss(50, 100, spread_squared / (covered * (1 - covered)))
    assert float(loss) == pytest.approx(bias_bound(propensities) ** 2)


def test_a_single_stratum_is_like_itself_however_far_noise_moves_its_share() -> None:
    assert r_indicator([-33.0], [1], 0.0) == 1.0


BANDS = st.lists(
    st.integers(1, 200).flatmap(lambda all_: st.tuples(st.integers(0, all_), st.just(all_))), min_size=1, max_size=5
)
RATES = st.integers(0, 500).map(lambda each: Fraction(each, 1_000))


@settings(deadline=None)
@given(BANDS, RATES, RATES)
def test_the_least_bias_is_that_of_the_best_level(
    bands: list[tuple[int, int]], seen: Fraction, unseen: Fraction
) -> None:
    """No level of a fine grid is better, and the answer is a level's."""
    everyone = sum(population for _, population in bands)

    def bias(level: Fraction) -> Fraction:
        shares = [(min(Fraction(people, population), level), population) for people, population in bands]
        mean = sum(share * population for share, population in shares) / everyone
        spread = sum((share - mean) ** 2 * population for share, population in shares) / everyone
        return unseen * (1 - mean) / mean + seen * spread / mean**2

    least = least_bias(tuple(bands), seen, unseen)
    highest = max(Fraction(people, population) for people, population in bands)
    if not highest:
        assert least == (seen + unseen) * (everyone - 1)
        return
    tried = [bias(highest * at / 200) for at in range(1, 201)]
    assert least <= min(tried)
    assert float(min(tried)) - float(least) <= 0.02 * float(least) + 1e-9


@settings(deadline=None)
@given(BANDS, st.lists(st.floats(0, 1), min_size=5, max_size=5), RATES, RATES)
def test_less_consent_is_never_less_biased(
    bands: list[tuple[int, int]], kept: list[float], seen: Fraction, unseen: Fraction
) -> None:
    """Anybody of any bands withdraws."""
    fewer = tuple((int(people * share), all_) for (people, all_), share in zip(bands, kept, strict=False))
    assert least_bias(fewer, seen, unseen) >= least_bias(tuple(bands), seen, unseen)


@settings(deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=5), st.fractions(Fraction(1, 100), 1))
def test_bands_that_consent_alike_have_no_bias_that_they_show(sizes: list[int], share: Fraction) -> None:
    """Then only consent that no band shows is left: Meng's law."""
    population = [100 * size * share.denominator for size in sizes]
    bands = tuple((int(each * share), each) for each in population)
    people = sum(consenting for consenting, _ in bands)
    expected = selection_loss(people, sum(population), Fraction(1, 100))
    assert least_bias(bands, Fraction(1, 2), Fraction(1, 100)) == expected


@settings(deadline=None)
@given(populations, st.data(), st.fractions(0, 1), st.fractions(0, 1000))
def test_more_people_in_the_same_cell_lose_less(
    population: int, data: st.DataObject, defect: Fraction, noise: Fraction
) -> None:
    """By each loss; where more differ, sampling alone tells them apart."""
    more = data.draw(st.integers(1, population))
    fewer = data.draw(st.integers(1, more))
    assert 0 <= sampling_loss(more, population) <= sampling_loss(fewer, population)
    assert fewer == more or sampling_loss(more, population) < sampling_loss(fewer, population)
    assert 0 <= selection_loss(more, population, defect) <= selection_loss(fewer, population, defect)
    assert 0 <= noise_loss(more, Fraction(1, 4), noise) <= noise_loss(fewer, Fraction(1, 4), noise)


@settings(deadline=None)
@given(st.fractions(0, 10**6), st.fractions(0, 10**6), st.integers(1, 10**6))
def test_more_is_removed_where_less_is_lost(one: Fraction, other: Fraction, prior: int) -> None:
    """Always some of the uncertainty, never more than all of it."""
    less, more = sorted((one, other))
    assert 0 < removed(more, prior) <= removed(less, prior) <= 1
    assert less == more or removed(more, prior) < removed(less, prior)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_what_is_removed_is_concave_and_subadditive_in_effective_sample_size(a: int, b: int, prior: int) -> None:
    """The whole never removes more than its parts apart, and the middle is above the chord."""

    def by(size: Fraction | int) -> Fraction:
        return removed(1 / Fraction(size), prior)

    assert by(a + b) <= by(a) + by(b)
    assert 2 * by(Fraction(a + b, 2)) >= by(a) + by(b)


@pytest.mark.parametrize("half_life_steps", [3, *(pytest.param(steps, marks=pytest.mark.deep) for steps in (10, 30))])
def test_a_half_life_is_found_again(half_life_steps: int) -> None:
    """Ten seeded mean-reverting series each: the median within a fifth, with and without observation noise."""
    pull = 0.5 ** (0.5 / half_life_steps)
    for noise in (0.0, 0.5):
        fitted = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            level, series = 0.0, []
            for shock in rng.normal(0, math.sqrt(1 - pull**2), 3000):
                level = pull * level + shock
                series.append(level + rng.normal(0, noise))
            fitted.append(fit_half_life(series, DAY) / DAY)
        assert abs(float(np.median(fitted)) / half_life_steps - 1) < 0.2


def test_one_remembered_lag_is_enough() -> None:
    """Where only the first lag is above sampling error, the line goes through age 0."""
    shocks = np.random.default_rng(3).normal(0, 1, 401)
    series = (shocks[1:] + shocks[:-1]).tolist()
    centred = [value - sum(series) / len(series) for value in series]
    memory = sum(a * b for a, b in pairwise(centred)) / sum(value**2 for value in centred)
    assert fit_half_life(series, 1000) == round(-math.log(2) / (2 * math.log(memory)) * 1000)


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: coverage(0, 5), OutOfRange),
        (lambda: coverage(6, 5), OutOfRange),
        (lambda: selection_loss(1, 2, Fraction(2)), OutOfRange),
        (lambda: noise_loss(5, Fraction(0), Fraction(1)), OutOfRange),
        (lambda: noise_loss(0, Fraction(1), Fraction(1)), OutOfRange),
        (lambda: noise_loss(5, Fraction(1), Fraction(-1)), Negative),
        (lambda: removed(Fraction(-1), 1), OutOfRange),
        (lambda: removed(Fraction(1), 0), OutOfRange),
        (lambda: removed(Fraction(1), 1.5), NotWhole),
        (lambda: r_indicator([]), Empty),
        (lambda: r_indicator([0.5], [1, 2]), Empty),
        (lambda: r_indicator([0.5], [0]), Empty),
        (lambda: r_indicator([math.inf]), NotFinite),
        (lambda: r_indicator([1.5]), OutOfRange),
        (lambda: r_indicator([0.5, 0.5], [3, -1]), OutOfRange),
        (lambda: bias_bound([0.0, 0.0]), OutOfRange),
        (lambda: fit_half_life([1, 2, 3], 1), NotFitted),
        (lambda: fit_half_life([1.0] * 9, 1), NotFitted),
        (lambda: fit_half_life([1.0, -1.0] * 20, 1), NotFitted),
        (lambda: fit_half_life([1.0] * 8 + [math.nan], 1), NotFinite),
        (lambda: fit_half_life([1, 2, 3, 4, 5, 6, 7, 8], 0), OutOfRange),
        (lambda: fit_half_life([0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1] * 12, 1), NotFitted),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
