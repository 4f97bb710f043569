"""Estimates of planted towns: unbiased, as wide as stated and no narrower, and found again from what is published."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from marketplace.privacy.estimates.figures import (
    Z95,
    Correction,
    estimate,
    estimate_with_variance,
    make_correction,
    measure_defect,
)
from marketplace.privacy.estimates.sums import estimate_sum
from tests.privacy.estimates.towns import (
    DAYPART,
    HOURS,
    PARENTS,
    PEOPLE_SIGMA,
    THRESHOLD,
    ZONES,
    PlantedTown,
    TownRelease,
    plant,
    release,
)

LEVELS: Final = (0.05, 0.2, 0.6)
TOWNS: Final = 8
FEWEST, MOST = 0.93, 0.985
"""Of the cells, how many hold."""


def released_towns(level: float, towns: int = TOWNS, **how: float) -> list[tuple[PlantedTown, TownRelease]]:
    made = []
    for seed in range(towns):
        rng = np.random.default_rng(400 + seed)
        town = plant(rng, level)
        made.append((town, release(rng, town, **how)))  # type: ignore[arg-type]
    return made


def coverage(
    made: list[tuple[PlantedTown, TownRelease]],
    change: Callable[[TownRelease], Correction],
    *,
    most_residents: float = math.inf,
) -> float:
    """Return how many published cells hold, of zones with so many residents at most."""
    covered = []
    for town, released in made:
        truth, figures = town.there.sum(axis=2), estimate(released.published, change(released))
        is_small = (town.residents.sum(axis=1) <= most_residents)[:, None, None]
        of = ~np.isnan(figures.estimate) & is_small
        covered.append(((truth >= figures.low) & (truth <= figures.high))[of])
    return float(np.concatenate(covered).mean())


@pytest.mark.parametrize("level", LEVELS)
def test_estimates_are_unbiased_and_their_intervals_hold(level: float) -> None:
    made, off, whole = released_towns(level), [], 0.0
    for town, released in made:
        truth, found = town.there.sum(axis=2), estimate(released.published, released.correction())
        shown = ~np.isnan(found.estimate)
        off.append(float((found.estimate - truth)[shown].sum()))
        whole += float(truth[shown].sum()) / TOWNS
        assert np.all((found.low >= 0) & (found.low <= np.where(shown, found.estimate, 0)))
        assert np.all(found.high >= np.where(shown, found.estimate, 0))
        assert np.all(found.low[~shown] == 0)
    standard_error = float(np.std(off, ddof=1)) / math.sqrt(TOWNS) / whole
    assert abs(np.mean(off)) / whole <= 0.03 + 2 * standard_error, "towns of one level are off by chance too"
    assert FEWEST <= coverage(made, TownRelease.correction) <= MOST


def test_each_part_of_the_variance_is_needed() -> None:
    many, noisy = released_towns(0.6), released_towns(0.2, strata_sigma=122.0)

    def without(part: str) -> Callable[[TownRelease], Correction]:
        return lambda released: replace(
            released, mean=replace(released.mean, **{part: 0 * getattr(released.mean, part)})
        ).correction()

    assert coverage(many, without("mix")) < FEWEST
    assert coverage(many, without("effective")) < FEWEST, "who consents of those there is a sample"
    small = 4_000
    assert coverage(many, TownRelease.correction, most_residents=small) > 0.9
    assert (
        coverage(many, lambda released: replace(released.correction(), noise_variance=1e-9), most_residents=small) < 0.9
    )
    assert coverage(noisy, TownRelease.correction) > coverage(noisy, without("strata")) + 0.03


def test_a_stated_defect_and_what_bounds_cut_widen_every_interval() -> None:
    [(_, released)] = released_towns(0.2, 1)
    plain = released.correction()
    for wider in ({"defect": 0.05}, {"defect": 0.0, "bounding": 0.05}):
        correction = make_correction(
            released.noisy, released.mean, DAYPART, noise_variance=PEOPLE_SIGMA**2, threshold=THRESHOLD, **wider
        )
        more = correction.relative - plain.relative
        assert np.all(np.abs(more - 0.05**2) <= 0.01 * correction.relative), "but for rounding"


def test_a_stranger_finds_every_figure_again_byte_for_byte() -> None:
    [(_, released)] = released_towns(0.2, 1)
    published, correction = released.published, released.correction(0.05)
    figures = estimate(published, correction)

    def again(zone: int, hour: int, band: int) -> tuple[float, float, float]:
        """Work a cell out in plain Python, from the published file and its corrections alone."""
        part, noise = int(correction.daypart[hour]), correction.noise_variance
        hours = [at for at in range(HOURS) if correction.daypart[at] == part]
        withheld = sum(math.isnan(published[zone, at, band]) for at in hours)
        count = float(published[zone, hour, band])
        level = max(float(correction.level[zone, part, band]), 0.0)
        shape = float(correction.shape[hour, band])
        weight, relative = float(correction.weight[zone, part, band]), float(correction.relative[zone, part, band])
        effective = max(float(correction.effective[zone, part, band]) - 1, 0.0)
        expected = level * shape
        spread = float(correction.hourly[part, band]) * (expected * expected)
        kept = spread / (spread + noise)
        drawn = (1 - kept) * shape
        if math.isnan(count):
            people, of_noise = correction.threshold * weight, noise * (weight * weight)
        else:
            people = max(expected + kept * (count - expected), 0.0) * weight
            left = kept * noise + drawn * drawn * noise / (len(hours) - (withheld == 1))
            of_noise = left * (weight * weight)
        half = Z95 * math.sqrt(of_noise + people * effective + relative * (people * people))
        if math.isnan(count):
            return math.nan, 0.0, float(math.ceil(people + half))
        return float(round(people)), float(math.floor(max(people - half, 0.0))), float(math.ceil(people + half))

    cells = [(zone, hour, band) for zone in range(0, ZONES, 5) for hour in range(HOURS) for band in range(3)]
    assert any(math.isnan(published[cell]) for cell in cells)
    for cell in cells:
        expected = np.array([figures.estimate[cell], figures.low[cell], figures.high[cell]])
        assert np.array(again(*cell)).tobytes() == expected.tobytes(), cell
    for table in (correction.level, correction.weight, correction.relative):
        assert all(float(f"{value:.4g}") == value for value in table.ravel()), "as it is written"


def test_no_table_states_an_hour_that_alone_is_withheld() -> None:
    [(_, released)] = released_towns(0.2, 1)
    noisy = released.noisy.copy()
    noisy[0, DAYPART == 1] = 4 * THRESHOLD
    noisy[0, 9, 0] = THRESHOLD - 1
    other = noisy.copy()
    other[0, 9, 0] = -THRESHOLD
    one, two = (replace(released, noisy=of).correction() for of in (noisy, other))
    assert one.level[0, 1, 0] == two.level[0, 1, 0] == 4 * THRESHOLD
    assert np.array_equal(one.shape, two.shape)
    assert np.array_equal(one.hourly, two.hourly)
    noisy[0, 10, 0] = other[0, 10, 0] = 0
    one, two = (replace(released, noisy=of).correction() for of in (noisy, other))
    assert one.level[0, 1, 0] != two.level[0, 1, 0], "two together are published as one"


def test_a_count_without_noise_is_kept_as_it_is() -> None:
    [(_, released)] = released_towns(0.6, 1)
    correction = replace(released.correction(), noise_variance=0.0)
    people, variance = estimate_with_variance(released.published, correction)
    kept = released.published * correction.weight[:, DAYPART]
    shown = ~np.isnan(kept)
    assert np.allclose(people[shown], kept[shown])
    assert np.all(np.isfinite(variance))


def estimate_hour(released: TownRelease, hours: NDArray[np.bool_], defect: float = 0.0) -> tuple[float, float, float]:
    chosen = np.zeros((ZONES, HOURS), bool)
    chosen[:, hours] = True
    return estimate_sum(
        released.noisy,
        chosen,
        DAYPART,
        mean=released.mean,
        columns=released.columns,
        weights=released.weights,
        parents=PARENTS,
        noise_variance=PEOPLE_SIGMA**2,
        defect=defect,
    )


def test_the_whole_town_at_an_hour_is_known_better_than_its_zones() -> None:
    covered = []
    for town, released in released_towns(0.2, 12):
        for hour in range(HOURS):
            total, low, high = estimate_hour(released, np.arange(HOURS) == hour)
            truth = town.there[:, hour].sum()
            covered.append(low <= truth <= high)
            assert abs(total / truth - 1) < 0.1
            assert (high - low) / 2 < 0.12 * truth
    assert np.mean(covered) > 0.9


def test_hours_share_their_errors_in_a_sum() -> None:
    [(_, released)] = released_towns(0.2, 1)
    halves = [
        (high - low) / 2
        for _, low, high in (estimate_hour(released, np.arange(HOURS) == hour) for hour in range(8, 18))
    ]
    _, low, high = estimate_hour(released, (np.arange(HOURS) >= 8) & (np.arange(HOURS) < 18))
    assert 0.5 * sum(halves) < (high - low) / 2 <= sum(halves), "far from the root of the sum of their squares"


def test_strata_are_one_error_of_all_zones() -> None:
    [(_, released)] = released_towns(0.05, 1, strata_sigma=122.0)
    weights = released.weights
    known = replace(released, weights=replace(weights, relative_variance=0 * weights.relative_variance))
    _, low, high = estimate_hour(released, np.arange(HOURS) == 3)
    _, known_low, known_high = estimate_hour(known, np.arange(HOURS) == 3)
    assert high - low > 1.2 * (known_high - known_low)


def test_a_defect_that_shows_at_night_is_measured() -> None:
    rng = np.random.default_rng(5)
    known = rng.uniform(2_000, 20_000, 400)
    stated = (0.04 * known) ** 2
    exact = known + rng.normal(0, 0.04 * known)
    assert measure_defect(exact, stated, known) < 0.02, "noise alone is no defect"
    off = exact + rng.normal(0, 0.1 * known)
    assert measure_defect(off, stated, known) == pytest.approx(0.1, abs=0.02)
    assert measure_defect(off[:4], stated[:4], known[:4]) == 0, "too few to say"
