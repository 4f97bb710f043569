"""A stranger rebuilds what is sold from all that is free: the map, the curve and the sample. It must not be worth it.

The cities are drawn here, apart from any the pictures were made with, and in other ways: smooth and rough, even and
steep, with districts that live by day and others by night. The stranger is given more than one has: four fifths of the
city's exact figures, to learn from them how the free ones are best read. The free rows are read for themselves, and for
what their times say of all zones' times. A vetted partner has the same shades by hour and by age band, and rebuilds more
with them, but not what is sold.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from marketplace.privacy import free_preview
from tests.attacks.cities import MOST, THRESHOLD, CrowdedCity, fitted, rank_correlation, rebuilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FORTY = range(41_000, 41_040)


@functools.cache
def city_and_picture(seed: int) -> tuple[CrowdedCity, free_preview.Glance]:
    """Return a city and what is free of it; drawn once, for several attacks."""
    city = CrowdedCity(seed)
    return city, city.drawn()


@pytest.mark.parametrize("seed", [41_000, 41_001])
def test_a_stranger_rebuilds_too_little_and_still_sees_where_a_city_is_busy(seed: int) -> None:
    attack(seed)


@pytest.mark.deep
def test_no_stranger_rebuilds_one_of_forty_cities_and_nearly_every_one_has_a_map() -> None:
    for seed in (*FORTY, 77_013, 77_024, 77_056):
        attack(seed)
    assert sum(bool(city_and_picture(seed)[1].classes) for seed in FORTY) >= 37


def attack(seed: int) -> None:
    """Attack a city as a stranger, and as a vetted partner; refuse a picture that gives too much, or nothing.

    A day of two zones says much of everybody's day: so many rows are free as leave the promise whole, and some are.
    """
    city, seen = city_and_picture(seed)
    assert rebuilt(city, seen) <= 0.6, seed
    assert len(seen.sample) >= 10, seed
    assert not seen.classes or usefulness(city, seen) >= 0.5, seed
    assert not seen.classes or rebuilt_by_shades(city, seen) <= 0.75, seed


def usefulness(city: CrowdedCity, seen: free_preview.Glance) -> float:
    """Return the map's rank correlation with the zones' totals, a withheld zone's being none."""
    classes = np.array([seen.classes[name] for name in city.names], float)
    return rank_correlation(classes, np.where(city.people >= THRESHOLD, city.people, 0).sum(axis=1).astype(float))


def test_an_exact_map_and_curve_would_rebuild_it() -> None:
    """The reconstruction bites: with each zone's average and the curve's scale it finds most of what is sold."""
    found = []
    for seed in range(41_000, 41_006):
        city = CrowdedCity(seed)
        figures = np.maximum(np.bincount(city.zone, minlength=len(city.names)), 1)
        mean = (np.bincount(city.zone, city.sold, minlength=len(city.names)) / figures)[city.zone]
        by_time = np.bincount(city.time, city.sold)[city.time]
        found.append(fitted(np.stack([mean, mean * by_time, by_time, np.ones(len(mean))], axis=1), city))
    assert np.median(found) > 0.8, found


def test_of_a_release_without_a_figure_nothing_is_drawn() -> None:
    city = CrowdedCity(9004)
    seen = free_preview.draw(city.table.slice(0, 0), city.names, city.centres, b"secret", 150)
    assert (seen.classes, seen.curve, seen.sample) == ({}, [], [])


def test_withheld_zones_look_like_quiet_ones() -> None:
    city = CrowdedCity(9001)
    seen = city.drawn()
    withheld = [name for number, name in enumerate(city.names) if number not in set(city.zone.tolist())]
    quiet = {name for name, one in seen.classes.items() if one == free_preview.QUIET}
    assert quiet - set(withheld), "quiet zones with figures are among them"
    assert sorted(seen.classes) == city.names, "every zone has a class, withheld or not"


def test_many_releases_are_worth_no_more_than_one() -> None:
    """The amounts that places are moved by are lasting: a hundred maps are one map, where the city stays the same."""
    city = CrowdedCity(9002)
    assert city.drawn() == city.drawn()
    other = free_preview.draw(city.table, city.names, city.centres, b"another operator's secret", MOST)
    assert other.classes != city.drawn().classes


def test_the_sample_is_of_few_zones_and_not_of_the_busiest() -> None:
    city = CrowdedCity(9003)
    seen = city.drawn()
    zones = {row["zone"] for row in seen.sample}
    totals = dict(zip(city.names, np.bincount(city.zone, city.sold, minlength=len(city.names)), strict=True))
    assert 2 <= len(zones) <= 6
    assert 10 <= len(seen.sample) <= 240
    assert all(totals[zone] <= np.median([one for one in totals.values() if one]) for zone in zones)


def rebuilt_by_shades(city: CrowdedCity, seen: free_preview.Glance) -> float:
    """Return the R² of a reconstruction from the shades of each hour of the day, as vetted partners see them."""
    moved = seen.moved
    shades = np.zeros((8, len(city.names)))
    for hour in range(8):
        of = city.time % 8 == hour
        counts = np.maximum(np.bincount(city.zone[of], minlength=len(city.names)), 1)
        means = np.bincount(city.zone[of], city.sold[of], minlength=len(city.names)) / counts
        classes = free_preview.rough(
            {name: float(mean) for name, mean in zip(city.names, means, strict=True) if mean}, moved
        )
        shades[hour] = [classes.get(name, 0) for name in city.names]
    curve = np.array([level for _, level in seen.curve] or [0] * len(city.starts), float)
    hour_of, level = city.time % 8, curve[city.time][:, None]
    mean = shades.mean(axis=0)
    features = np.stack([mean, mean**2, mean**3, *(mean == n / 8 for n in range(17))], axis=1).astype(float)[city.zone]
    now = np.stack([shades[hour_of, city.zone] == n for n in range(3)], axis=1).astype(float)
    columns = np.hstack([features, now, features * level, now * level, now * mean[city.zone][:, None]])
    return fitted(columns, city)
