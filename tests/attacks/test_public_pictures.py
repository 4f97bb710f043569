"""A stranger rebuilds what is sold from all that is free: the map, the curve and the sample. It must not be worth it.

The cities are drawn here, apart from any the pictures were made with, and in other ways: smooth and rough, even and
steep, with districts that live by day and others by night. The stranger is given more than one has: four fifths of the
city's exact figures, to learn from them how the free ones are best read.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from marketplace import glance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SECRET = b"the operator's own, which strangers have not"
THRESHOLD = 20
MOST = 5_000


class City:
    """Zones on a jittered lattice, their people by time with noise, and what reaches the threshold."""

    def __init__(self, seed: int, *, zones: int = 400, times: int = 56) -> None:
        rng = np.random.default_rng(seed)
        side = round(zones**0.5)
        lattice = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
        self.places = lattice + rng.uniform(-0.3, 0.3, lattice.shape)
        steepness, smoothness = rng.uniform(0.3, 1.6), rng.uniform(0.0, 0.95)
        waves = [np.cos(self.places @ rng.normal(0, 0.25, 2) + rng.uniform(0, 6)) for _ in range(12)]
        smooth = np.sum(waves, axis=0)
        smooth = (smooth - smooth.mean()) / smooth.std()
        field = np.sqrt(smoothness) * smooth + np.sqrt(1 - smoothness) * rng.normal(size=len(lattice))
        level = rng.uniform(60, 600) * np.exp(steepness * field)
        swing = rng.uniform(0.1, 0.95)
        phase = np.where(rng.random(len(lattice)) < rng.uniform(0, 0.5), np.pi, 0.0)
        hours = 2 * np.pi * np.arange(times) / 8
        people = level[:, None] * (1 + swing * np.cos(hours[None, :] + phase[:, None]))
        self.people = np.rint(people + rng.laplace(0, 6, people.shape)).astype(np.int64)
        self.names = [f"z{number:04d}" for number in range(len(lattice))]
        zone, time = np.nonzero(self.people >= THRESHOLD)
        self.zone, self.time, self.sold = zone, time, self.people[zone, time].astype(float)
        starts = [START + dt.timedelta(hours=3 * number) for number in range(times)]
        self.table = pa.table(
            {
                "zone": [self.names[number] for number in zone],
                "starts_at": pa.array([starts[number] for number in time], pa.timestamp("us", tz="UTC")),
                "segment": ["all"] * len(zone),
                "people": self.people[zone, time],
                "events": self.people[zone, time] * 3,
            }
        )
        where = self.places / 100
        self.centres = {name: (float(x), float(y)) for name, (x, y) in zip(self.names, where, strict=True)}
        self.starts = starts

    def drawn(self) -> glance.Glance:
        return glance.draw(self.table, self.names, self.centres, SECRET, MOST)


def rebuilt(city: City, seen: glance.Glance) -> float:
    """Return the R² of the best of several reconstructions of the zone × time totals."""
    classes = np.array([seen.classes.get(name, 1) for name in city.names], float)
    curve = np.array([level for _, level in seen.curve] or [0] * len(city.starts), float)
    apart = np.linalg.norm(city.places[:, None] - city.places[None, :], axis=-1)
    around = []
    for reach in (1.2, 2.0, 3.5, 6.0):
        weight = np.exp(-((apart / reach) ** 2))
        around.append(weight @ classes / weight.sum(axis=1))
    nearest = np.argsort(apart, axis=1)
    around += [classes[nearest[:, :k]].mean(axis=1) for k in (7, 19, 37)]
    own = [classes == number for number in range(3)]
    best = 0.0
    for features in (
        own,
        [*own, *around],
        [*own, *around, *(one**2 for one in around), *(one * classes for one in around)],
    ):
        by_zone = np.stack([np.asarray(one, float) for one in features], axis=1)
        columns = by_zone[city.zone]
        level = curve[city.time][:, None]
        best = max(best, fitted(np.hstack([columns, columns * level]), city), through_logs(by_zone, city, level[:, 0]))
    return best


def fitted(columns: Floats, city: City) -> float:
    """Return R² of a linear combination of these columns, its weights learnt from the exact figures of other zones."""
    guess = np.empty(len(city.sold))
    for fold in range(5):
        hidden = city.zone % 5 == fold
        weights = np.linalg.lstsq(columns[~hidden], city.sold[~hidden], rcond=None)[0]
        guess[hidden] = columns[hidden] @ weights
    return float(1 - ((city.sold - guess) ** 2).sum() / ((city.sold - city.sold.mean()) ** 2).sum())


def through_logs(by_zone: Floats, city: City, level: Floats) -> float:
    """Return R² of a reconstruction that fits the logarithm of each zone's mean, then the curve."""
    figures = np.maximum(np.bincount(city.zone, minlength=len(by_zone)), 1)
    mean = np.bincount(city.zone, city.sold, minlength=len(by_zone)) / figures
    zone_level = np.exp(by_zone @ np.linalg.lstsq(by_zone, np.log(np.maximum(mean, 1)), rcond=None)[0])[city.zone]
    return fitted(np.stack([zone_level, zone_level * level, level, np.ones(len(level))], axis=1), city)


def rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's, equal values sharing their mean rank."""

    def ranks(values: Floats) -> Floats:
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return np.asarray((ends - (counts - 1) / 2)[which], float)

    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


@pytest.mark.parametrize(
    "seed",
    [
        41_000,
        41_001,
        *(pytest.param(n, marks=pytest.mark.deep) for n in (*range(41_002, 41_040), 77_013, 77_024, 77_056)),
    ],
)
def test_a_stranger_rebuilds_too_little_and_still_sees_where_a_city_is_busy(seed: int) -> None:
    city = City(seed)
    seen = city.drawn()
    assert rebuilt(city, seen) <= 0.6
    assert not seen.classes or usefulness(city, seen) >= 0.5


@pytest.mark.deep
def test_nearly_every_city_has_a_map() -> None:
    assert sum(bool(City(seed).drawn().classes) for seed in range(41_000, 41_040)) >= 38


def usefulness(city: City, seen: glance.Glance) -> float:
    """Return the map's rank correlation with the zones' totals, a withheld zone's being none."""
    classes = np.array([seen.classes[name] for name in city.names], float)
    return rank_correlation(classes, np.where(city.people >= THRESHOLD, city.people, 0).sum(axis=1).astype(float))


def test_an_exact_map_and_curve_would_rebuild_it() -> None:
    """The reconstruction bites: with each zone's average and the curve's scale it finds most of what is sold."""
    found = []
    for seed in range(41_000, 41_006):
        city = City(seed)
        figures = np.maximum(np.bincount(city.zone, minlength=len(city.names)), 1)
        mean = (np.bincount(city.zone, city.sold, minlength=len(city.names)) / figures)[city.zone]
        by_time = np.bincount(city.time, city.sold)[city.time]
        found.append(fitted(np.stack([mean, mean * by_time, by_time, np.ones(len(mean))], axis=1), city))
    assert np.median(found) > 0.8, found


def test_withheld_zones_look_like_quiet_ones() -> None:
    city = City(9001)
    seen = city.drawn()
    withheld = [name for number, name in enumerate(city.names) if number not in set(city.zone.tolist())]
    quiet = {name for name, one in seen.classes.items() if one == glance.QUIET}
    assert quiet - set(withheld), "quiet zones with figures are among them"
    assert sorted(seen.classes) == city.names, "every zone has a class, withheld or not"


def test_many_releases_are_worth_no_more_than_one() -> None:
    """The amounts that places are moved by are lasting: a hundred maps are one map, where the city stays the same."""
    city = City(9002)
    assert city.drawn() == city.drawn()
    other = glance.draw(city.table, city.names, city.centres, b"another operator's secret", MOST)
    assert other.classes != city.drawn().classes


def test_the_sample_is_of_few_zones_and_not_of_the_busiest() -> None:
    city = City(9003)
    seen = city.drawn()
    zones = {row["zone"] for row in seen.sample}
    totals = dict(zip(city.names, np.bincount(city.zone, city.sold, minlength=len(city.names)), strict=True))
    assert 1 <= len(zones) <= 2
    assert len(seen.sample) <= 10
    assert all(totals[zone] <= np.median([one for one in totals.values() if one]) for zone in zones)
