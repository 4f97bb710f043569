"""Weights of strata and of mixes: exact where there is no noise, bounded where there is nothing but noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from marketplace.privacy.estimates.mix import average_weights, make_columns
from marketplace.privacy.estimates.strata import (
    LEAST_LINES,
    LEAST_PART,
    StratumWeights,
    merge_strata,
    rake,
    round_lines,
    round_to_digits,
    split_groups,
    weigh_strata,
)
from marketplace.privacy.estimates.sums import _by_home

LINES = hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.integers(0, 3_000))


def test_without_noise_a_weight_is_people_over_consenters() -> None:
    rng = np.random.default_rng(1)
    population = rng.integers(2_000, 20_000, (9, 3)).astype(float)
    lines = np.rint(population / 3)
    consenters = np.rint(
        lines * rng.uniform(0.1, 0.6, (9, 1)) * rng.uniform(0.5, 1.5, 3) * rng.uniform(0.8, 1.2, (9, 3))
    )
    found = weigh_strata(consenters, lines, population, np.zeros((9, 3)))
    assert np.allclose(found.weight, population / consenters, rtol=1e-9)
    assert np.all(found.relative_variance == 0)


def test_raking_meets_both_margins_and_keeps_the_odds() -> None:
    rng = np.random.default_rng(2)
    table = rng.uniform(1, 100, (6, 4))
    target = rng.uniform(1, 100, (6, 4))
    fitted = rake(table, target.sum(axis=1), target.sum(axis=0), 200)
    assert np.allclose(fitted.sum(axis=1), target.sum(axis=1), rtol=1e-9)
    assert np.allclose(fitted.sum(axis=0), target.sum(axis=0), rtol=1e-9)
    odds, before = (of[1:, 1:] * of[0, 0] / (of[1:, :1] * of[:1, 1:]) for of in (fitted, table))
    assert np.allclose(odds, before, rtol=1e-6)


def test_a_stratum_of_few_has_the_weight_that_its_area_and_band_say() -> None:
    lines = np.full((9, 3), 5_000.0)
    noisy = np.full((9, 3), 1_000.0)
    lines[4, 2], noisy[4, 2] = 500.0, -30.0  # pure noise: about 100 consent
    found = weigh_strata(noisy, lines, 3 * lines, np.full((9, 3), 12.2**2))
    assert found.weight[4, 2] == pytest.approx(15, rel=0.35)
    assert np.all(found.consenters >= 1)


@given(st.data())
def test_no_weight_is_above_four_times_what_area_and_band_say(data: st.DataObject) -> None:
    noisy = data.draw(hnp.arrays(np.float64, (5, 3), elements=st.floats(-100, 5_000)))
    lines = np.full((5, 3), 6_000.0)
    found = weigh_strata(noisy, lines, 3 * lines, np.full((5, 3), 150.0))
    rows, columns = np.maximum(noisy.sum(axis=1), np.sqrt(450.0)), np.maximum(noisy.sum(axis=0), np.sqrt(750.0))
    expected = np.minimum(rake(lines, rows * columns.sum() / rows.sum(), columns), lines)
    assert np.all(found.weight <= 3 * lines / np.maximum(LEAST_PART * expected, 1) * (1 + 1e-9))
    assert np.all(found.weight > 0)
    assert np.all(found.consenters <= lines)


@given(LINES, st.data())
def test_strata_are_merged_until_each_has_enough_lines(lines: np.ndarray, data: st.DataObject) -> None:
    parents = data.draw(hnp.arrays(np.int64, len(lines), elements=st.integers(0, 2)))
    whole = np.bincount(parents, lines.sum(axis=1), minlength=3)[np.unique(parents)]
    if whole.min() < LEAST_LINES:
        with pytest.raises(ValueError, match="fewer than 500 lines"):
            merge_strata(lines, parents)
        return
    groups = merge_strata(lines, parents)
    sizes = np.bincount(groups.ravel(), lines.ravel())
    assert np.all(sizes >= LEAST_LINES)
    assert set(groups.ravel()) == set(range(len(sizes))), "numbered without a gap"
    for group in range(len(sizes)):
        assert len(set(parents[np.any(groups == group, axis=1)])) == 1, "never across parents"
    counts, variance = split_groups(sizes.astype(float), groups, lines, 9.0)
    assert np.allclose(np.bincount(groups.ravel(), counts.ravel()), sizes)
    assert np.all(variance <= 9.0 + 1e-9)


def test_lines_are_used_in_hundreds() -> None:
    assert list(round_lines(np.array([0, 3, 149, 151, 12_349]))) == [100, 100, 100, 200, 12_300]


def test_values_are_rounded_to_significant_digits() -> None:
    values = np.array([0.0, 1234.5678, -0.00123456, 99_999.0])
    assert list(round_to_digits(values, 3)) == [0.0, 1230.0, -0.00123, 100_000.0]


def make_weights(areas: int) -> StratumWeights:
    rng = np.random.default_rng(areas)
    return StratumWeights(
        rng.uniform(50, 5_000, (areas, 3)), rng.uniform(2, 60, (areas, 3)), rng.uniform(0, 0.01, (areas, 3))
    )


@pytest.mark.parametrize("areas", [2, 3, 9, 40])
def test_columns_are_what_adding_up_their_strata_gives(areas: int) -> None:
    weights = make_weights(areas)
    columns = make_columns(weights)
    for own in range(areas):
        for band in range(3):
            for column in range(3):
                of = [
                    area
                    for area in range(areas)
                    if (area == own if column == 0 else area != own and columns.class_of[area, band] == column)
                ]
                consenters = weights.consenters[of, band]
                assert columns.consenters[own, column, band] == pytest.approx(consenters.sum())
                if of:
                    mean = np.average(weights.weight[of, band], weights=consenters)
                    assert columns.weight[own, column, band] == pytest.approx(mean)
                    squared = np.average(weights.weight[of, band] ** 2, weights=consenters)
                    assert columns.squared[own, column, band] == pytest.approx(squared)


def test_people_are_shared_out_to_strata_as_columns_are_made() -> None:
    weights = make_weights(7)
    columns = make_columns(weights)
    of_area = np.random.default_rng(3).uniform(0, 1_000, columns.weight.shape)
    found = _by_home(of_area, columns, weights)
    people = weights.consenters * weights.weight
    expected = np.zeros_like(people)
    for own in range(7):
        expected[own] += of_area[own, 0]
        for column in (1, 2):
            is_in = (columns.class_of == column) & (np.arange(7) != own)[:, None]
            expected += is_in * people * of_area[own, column] / np.maximum((is_in * people).sum(axis=0), 1e-9)
    assert np.allclose(found, expected)
    assert found.sum() == pytest.approx(of_area.sum(), rel=1e-6)


def test_a_mix_without_noise_gives_the_mean_of_who_is_there() -> None:
    weights = make_weights(9)
    columns = make_columns(weights)
    parents = np.repeat(np.arange(9), 4)
    mix = np.random.default_rng(4).uniform(500, 5_000, (36, 3, 3, 3))
    found = average_weights(mix, columns, parents, 1e-9)
    mean = (mix * columns.weight[parents][:, None]).sum(axis=2) / mix.sum(axis=2)
    assert np.allclose(found.weight, mean, rtol=1e-4)
    assert np.allclose(found.shares.sum(axis=2), 1)


def test_a_mix_of_pure_noise_has_its_areas_mean() -> None:
    weights = make_weights(9)
    columns = make_columns(weights)
    parents = np.repeat(np.arange(9), 4)
    mix = np.full((36, 3, 3, 3), 2_000.0)
    mix[0] = -5.0
    found = average_weights(mix, columns, parents, 15.0**2)
    assert np.allclose(found.weight[0], found.weight[1], rtol=0.05)
    assert np.all(np.isfinite(found.mix))
