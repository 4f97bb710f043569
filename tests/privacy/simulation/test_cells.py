"""A dry run's arithmetic: bounding, tails, what noise lets through, and sightings that fit what was published."""

import dataclasses
import datetime as dt
from typing import Any

import h3
import numpy as np
import pytest

from marketplace.privacy.noise import Law
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.simulation import cells
from marketplace.privacy.simulation.cells import Lines, fit, foresee, simulate, with_epsilons
from marketplace.privacy.simulation.lines import Assumptions, LineCounts, lines_of
from marketplace.privacy.specification import Specification

ZONES = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, 7), 4)))
MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def week_specification(**other: Any) -> Specification:
    stated: dict[str, Any] = {
        "dataset": "lyon",
        "purpose": "presence.statistics",
        "zones": ZONES,
        "age_bands": ("18-39", "40+"),
        "resolution": 7,
        "grain": "day",
        "period_from": MONDAY,
        "period_to": MONDAY + dt.timedelta(days=7),
        "max_cells": 14,
        "max_events": 3,
        "epsilon_micro": 2_000_000,
    }
    return Specification(**stated | other)


def lines_of_zones(each: float = 400, share: float = 0.5) -> Lines:
    population = np.random.default_rng(1).poisson(each, (len(ZONES), 2)).astype(float)
    return Lines(population, population * share)


@pytest.mark.parametrize("law", [Law("laplace", 7.3), Law("gaussian", 9.1)])
def test_tails_of_many_are_the_tail_of_each(law: Law) -> None:
    at = np.array([-500, -3, 0, 1, 2, 40, 500])
    many = law.tails(at)
    for value, tail in zip(at.tolist(), many.tolist(), strict=True):
        expected = law.tail(value) if value > 0 else 1 - law.tail(1 - value)
        assert tail == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("most", [1, 3, 20])
def test_bounding_leaves_what_the_least_of_count_and_bound_is_on_average(most: int) -> None:
    """A hundred thousand Poisson people: five standard errors, so a false alarm has a chance of 6e-7."""
    means = np.array([0.1, 2.0, 9.0, 60.0])
    drawn = np.random.default_rng(2).poisson(means, (100_000, 4))
    kept = np.minimum(drawn, most)
    error = 5 * kept.std(axis=0) / np.sqrt(len(drawn)) / means
    assert np.all(np.abs(cells._kept(means, most) - kept.mean(axis=0) / means) <= error + 1e-9)


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_counts_people_there_are_and_more_with_more_epsilon(product: str) -> None:
    s = week_specification(product=product)
    lines = lines_of_zones()
    simulated = simulate(s, lines)
    everyone = float(lines.consenting.sum())
    assert float(simulated.people @ simulated.weight) <= everyone * s.max_cells * 1.01
    assert float(simulated.weight.sum()) <= s.key_count
    found = [foresee(dataclasses.replace(s, epsilon_micro=e), simulated) for e in (500_000, 2_000_000, 40_000_000)]
    assert sorted(one.cells for one in found) == [one.cells for one in found]
    assert sorted((one.threshold for one in found), reverse=True) == [one.threshold for one in found]
    assert found[-1].cells > 0
    assert found[-1].threshold == dataclasses.replace(s, epsilon_micro=40_000_000).threshold


def test_a_tenth_drawn_stands_for_all() -> None:
    s, lines = week_specification(), lines_of_zones()
    whole = foresee(s, simulate(s, lines))
    tenth = foresee(s, simulate(s, lines, most=len(ZONES) // 10 * 2))
    assert tenth.cells == pytest.approx(whole.cells, rel=0.35)


def test_sightings_are_found_again_and_nothing_published_means_few() -> None:
    s, lines = week_specification(max_cells=100), lines_of_zones()
    published = foresee(s, simulate(s, lines, 1.5)).people
    assert fit(s, lines, published) == pytest.approx(1.5, rel=0.05)
    rarely = fit(s, lines, 0)
    assert rarely < cells.SIGHTINGS_A_DAY
    assert foresee(s, simulate(s, lines, rarely)).is_empty


def test_nobody_publishes_nothing() -> None:
    s = week_specification()
    nobody = np.zeros((len(ZONES), 2))
    found = foresee(s, simulate(s, Lines(nobody, nobody)))
    assert (found.cells, found.people, found.median_people) == (0, 0, 0)


def test_lines_live_where_the_table_says_and_a_coarse_home_is_spread_over_its_zones() -> None:
    parent = h3.cell_to_parent(ZONES[0], 6)
    children = h3.cell_to_children(parent, 7)
    s = week_specification(zones=tuple(sorted({*ZONES, *children})))
    counts = LineCounts((ZONES[0], parent), ("40+", "18-39"), np.array([700, 70]))
    assumed = Assumptions(0.5, "", {"40+": 0.5}, {}, 12.0, is_fitted=False)
    lines = lines_of(s, counts, assumed)
    at = s.zones.index(ZONES[0])
    assert lines.population[at].tolist() == [10, 700]
    assert lines.population.sum() == 770
    assert lines.consenting[at].tolist() == [5, 175]


def test_of_lines_spread_over_zones_no_more_consent_than_there_are() -> None:
    """Parts of lines: a band whose lines all consent has as many whole ones as it has lines."""
    lines = Lines(np.full((len(ZONES), 2), 9.6), np.full((len(ZONES), 2), 9.6))
    s = week_specification()
    [variant] = with_epsilons(s, s, lines, simulate(s, lines), (1.0,))
    assert variant.consenting_by_band == variant.population_by_band == [int(9.6 * len(ZONES))] * 2
