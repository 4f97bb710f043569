"""How good a release is on a homogeneous city: 625 zones by hour, epsilon 1 a subscriber-day at delta 1e-6.

Half a million people with zones of their own, evenly over the town, seen ten hours a day on average, more by day than by
night: 333 people a cell on average, where the two million of the benchmark make 476 events.
The figures are printed: they are what the report quotes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

from marketplace.privacy import drawing, finishing
from marketplace.privacy.specification import Specification
from marketplace.privacy.thresholds import PublishedCells
from tests.benchmarks import accuracy
from tests.privacy.specs import SECRET, specification

SIDE, PEOPLE, SEEN = 25, 500_000, 10
MOST_ZONES = 4


@dataclass(frozen=True)
class Town:
    """True cells of every key, what bounding leaves of them, and each hour's total."""

    true: np.ndarray
    bounded: np.ndarray
    totals: np.ndarray


def town(s: Specification, rng: np.random.Generator) -> Town:
    """Count a town a day at a time; the bound of a day keeps `max_cells` of each person's zone-hours, at random."""
    zones, hours = len(s.zones), s.times
    favourite = rng.integers(0, zones, (PEOPLE, 3))
    curve = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 8, 9, 9, 8, 8, 8, 9, 10, 9, 7, 5, 3, 2], float)
    true, bounded = np.zeros((2, zones, hours), np.int64)
    for day in range(hours // 24):
        seen = rng.random((PEOPLE, 24)) < SEEN * curve / curve.sum()
        lot = np.where(seen, rng.random((PEOPLE, 24)), 2.0)
        cut = np.partition(lot, s.max_cells - 1, axis=1)[:, s.max_cells - 1]
        kept = seen & (lot <= cut[:, None])
        for hour in range(24):
            where = favourite[np.arange(PEOPLE), rng.choice(3, PEOPLE, p=[0.6, 0.3, 0.1])]
            at = 24 * day + hour
            true[:, at] = np.bincount(where[seen[:, hour]], minlength=zones)
            bounded[:, at] = np.bincount(where[kept[:, hour]], minlength=zones)
    # Nobody is in two zones of one hour here, so an hour's total is the hour's people.
    return Town(true, bounded, true.sum(axis=0))


def weekly_accuracy(**other: Any) -> Specification:
    return specification(
        SIDE * SIDE,
        hours=24 * 7,
        bands=1,
        unit="day",
        mechanism="gaussian",
        delta_exponent=6,
        max_cells=8,
        max_events=1,
        epsilon_micro=1_000_000,
        max_zones=MOST_ZONES,
        **other,
    )


def handed_over(s: Specification, place: Town) -> drawing.Counts:
    flat = place.bounded.ravel()
    keys = np.flatnonzero(flat)
    homes = np.full(len(s.zones), PEOPLE // len(s.zones))
    return drawing.Counts(keys, flat[keys], flat[keys], homes // 2, homes, place.totals)


@pytest.mark.deep
def test_large_cells_are_right_to_five_percent_and_the_mass_is_published() -> None:
    s = weekly_accuracy()
    place = town(s, np.random.default_rng(11))
    drawn = drawing.draw(s, handed_over(s, place), SECRET)
    true, keys = place.true.ravel(), drawn.published.keys
    large = np.flatnonzero(true >= 100)
    estimate = np.zeros_like(true)
    estimate[keys] = drawn.published.people
    error = np.median(np.abs(estimate[large] - true[large]) / true[large])
    mass = true[keys].sum() / true.sum()
    print(
        f"cells of 100 or more: {len(large)}, median relative error {error:.4f}, mass published {mass:.4f}, threshold {s.threshold}"
    )
    assert error <= 0.05
    assert mass >= 0.95
    # Bounding alone took a fifth of it: the totals gave it back.
    assert place.bounded.sum() < 0.85 * place.true.sum()
    assert abs(estimate[keys].sum() / true[keys].sum() - 1) < 0.03
    # The interval speaks of what was counted; undone truncation adds its own share.
    off = drawn.figures["error_people"] + drawn.published.people * drawn.figures["total_error_micro"] / 1_000_000
    bounded = place.bounded.ravel()[keys]
    time = keys % s.times
    factor = place.totals[time] / place.bounded.sum(axis=0)[time]
    missed = int((np.abs(drawn.published.people - bounded * factor) > off).sum())
    print(f"intervals of {drawn.figures['error_people']} people: {missed} of {len(keys)} miss what was counted")
    assert stats.binom.sf(missed - 1, len(keys), finishing.OUTSIDE) > 1e-6


def test_totals_restore_what_bounding_removed_in_whole_people_that_add_up() -> None:
    s = specification(
        30, hours=48, bands=2, unit="day", mechanism="gaussian", delta_exponent=6, max_zones=3, max_cells=8
    )
    rng = np.random.default_rng(2)
    true = rng.poisson(900, (30, 48, 2))
    bounded = rng.binomial(true, 0.6)
    flat = bounded.ravel()
    homes = np.full(60, 100)
    counted = drawing.Counts(np.flatnonzero(flat), flat, flat, homes, homes, true.sum(axis=(0, 2)))
    drawn = drawing.draw(s, counted, SECRET)
    assert len(drawn.published.keys) == s.key_count
    ratio = drawn.published.people.sum() / true.sum()
    assert abs(ratio - 1) < 0.01
    # Shares are divided by the people before truncation is undone: those that the manifest's weights count.
    assert abs(drawn.figures["published_people"] / bounded.sum() - 1) < 0.01
    without = drawing.draw(s, drawing.Counts(counted.keys, flat, flat, homes, homes), SECRET)
    assert abs(without.published.people.sum() / true.sum() - 0.6) < 0.01
    assert drawn.published.people.dtype == np.int64
    assert (drawn.published.events >= drawn.published.people).all()
    # Each hour's cells add up to the whole number that the hour's factor makes of them.
    noisy = rng.poisson(50, s.key_count)
    published = PublishedCells(np.arange(s.key_count), noisy, noisy)
    sums = noisy.reshape(30, 48, 2).sum(axis=(0, 2))
    scaled, factor, off = finishing.undo_truncation(s, published, noisy, 2 * sums + 1)
    assert (scaled.people.reshape(30, 48, 2).sum(axis=(0, 2)) == 2 * sums + 1).all()
    assert 2 < factor < 2.1
    assert 0 < off < 1
    # Totals below what was counted are noise: nothing is removed.
    assert (finishing.undo_truncation(s, published, noisy, sums - 5)[0].people == noisy).all()


@pytest.mark.parametrize("product", ["presence", "arrivals"])
def test_a_week_by_region_is_as_exact_as_public_figures_let_one_expect(product: str) -> None:
    """A tenth of the benchmark's smallest city, whose error is ten times as large; the bound fails once in a million."""
    most = accuracy.best_max_cells(40, 20_000, product)
    error, known = accuracy.measured(accuracy.city(7, 20_000, 40), product, most)
    assert error <= known <= 0.03
