"""Cities drawn for attacks on what is free, and what a stranger makes of a picture of one."""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from marketplace.privacy import free_preview

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SECRET = b"the operator's own, which strangers have not"
THRESHOLD = 20
MOST = 5_000


class CrowdedCity:
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
        self.names = [f"z{number:04d}" for number in range(len(lattice))]
        where = self.places / 100
        self.centres = {name: (float(x), float(y)) for name, (x, y) in zip(self.names, where, strict=True)}
        self.expected = people
        self.fill(people, rng, START)

    def fill(self, people: Floats, rng: np.random.Generator, start: dt.datetime) -> None:
        """Publish about these people of each zone and time, times three hours apart."""
        self.people = np.rint(people + rng.laplace(0, 6, people.shape)).astype(np.int64)
        zone, time = np.nonzero(self.people >= THRESHOLD)
        self.zone, self.time, self.sold = zone, time, self.people[zone, time].astype(float)
        self.starts = [start + dt.timedelta(hours=3 * number) for number in range(people.shape[1])]
        self.table = pa.table(
            {
                "zone": [self.names[number] for number in zone],
                "starts_at": pa.array([self.starts[number] for number in time], pa.timestamp("us", tz="UTC")),
                "segment": ["all"] * len(zone),
                "people": self.people[zone, time],
                "events": self.people[zone, time] * 3,
            }
        )

    def later(self, weeks: int, variation: float) -> CrowdedCity:
        """Return the same city some weeks later, each zone's people off by about `variation` (of a logarithm) that week."""
        other = copy.copy(self)
        rng = np.random.default_rng([weeks, round(1000 * variation), *self.people[0, :3].tolist()])
        week = self.expected * np.exp(variation * rng.normal(size=(len(self.names), 1)))
        other.fill(week, rng, START + dt.timedelta(weeks=weeks))
        return other

    def drawn(self) -> free_preview.Glance:
        return free_preview.draw(self.table, self.names, self.centres, SECRET, MOST)


def rebuilt(city: CrowdedCity, seen: free_preview.Glance, *others: free_preview.Glance) -> float:
    """Return the R² of the best of several reconstructions of the zone × time totals.

    seen: the picture shown beside them; others: all else that is free of the same zones, such as of other weeks.
    """
    own_classes = np.array([seen.classes.get(name, 1) for name in city.names], float)
    # Where a zone is now in one class and now in the next, how often says what one map hides.
    drawn = [one for one in (seen, *others) if one.classes] or [seen]
    classes = np.mean([[one.classes.get(name, 1) for name in city.names] for one in drawn], axis=0)
    curve = np.array([level for _, level in seen.curve] or [0] * len(city.starts), float)
    curves = [
        curve,
        *(np.array([level for _, level in one.curve], float) for one in others if len(one.curve) == len(curve)),
    ]
    apart = np.linalg.norm(city.places[:, None] - city.places[None, :], axis=-1)
    around = []
    for reach in (1.2, 2.0, 3.5, 6.0):
        weight = np.exp(-((apart / reach) ** 2))
        around.append(weight @ classes / weight.sum(axis=1))
    nearest = np.argsort(apart, axis=1)
    around += [classes[nearest[:, :k]].mean(axis=1) for k in (7, 19, 37)]
    own = [own_classes == number for number in range(3)]
    if others:
        own += [classes, classes**2, classes**3, *(np.rint(4 * classes) == number for number in range(9))]
    known, times = free_rows(city, seen)
    if others:
        free = [free_rows(city, one) for one in others if one.sample]
        times = [*times[:2], np.mean(curves, axis=0), *(one[0] for _, one in free)]
        for figures, _ in free:
            known = np.where(np.isnan(known), figures, known)
    best = 0.0
    everything = [*own, *around, *(one**2 for one in around), *(one * classes for one in around)]
    for features in [own, [*own, *around], everything] if not others else [everything]:
        by_zone = np.stack([np.asarray(one, float) for one in features], axis=1)
        columns = by_zone[city.zone]
        level = curve[city.time][:, None]
        best = max(
            best,
            fitted(np.hstack([columns, columns * level]), city, known),
            through_logs(by_zone, city, level[:, 0], known),
        )
    # What rows say of the times is used with the most that is known of zones.
    return max(
        best,
        *(fitted(np.hstack([columns, columns * one[city.time][:, None]]), city, known) for one in times),
        *(through_logs(by_zone, city, one[city.time], known) for one in times),
    )


def rebuilt_of_larger(city: CrowdedCity, seen: free_preview.Glance, side: int) -> float:
    """Return the R² of the best of several reconstructions of the totals of larger zones, each of side × side of the city's.

    Who rebuilds them knows how people come and go, where the picture's own curve or rows say so.
    """
    across = round(len(city.names) ** 0.5)
    row, column = np.divmod(np.arange(len(city.names)), across)
    block = row // side * (across // side) + column // side
    people = np.zeros((block.max() + 1, city.people.shape[1]))
    np.add.at(people, block, city.people)
    classes = np.array([seen.classes.get(name, 1) for name in city.names], float)
    size = np.bincount(block)
    mean, busy = np.bincount(block, classes) / size, np.bincount(block, classes == free_preview.BUSY) / size
    middle = np.stack([np.bincount(block, city.places[:, axis]) / size for axis in (0, 1)], axis=1) / side
    apart = np.linalg.norm(middle[:, None] - middle[None], axis=-1)
    near, wide = ((weight := np.exp(-((apart / reach) ** 2))) @ mean / weight.sum(axis=1) for reach in (1.2, 2.5))
    one, level = np.ones(len(mean)), people.mean(axis=1)
    swing = people.sum(axis=0) / people.sum(axis=0).mean() - 1
    times = [np.ones((1, len(swing)))]
    if seen.may_show_times:
        times.append(np.stack([np.ones(len(swing)), swing]))
    best = 0.0
    for columns in ([one, mean], [one, mean, near], [one, mean, busy], [one, mean, near, wide, mean**2]):
        features = np.stack(columns, axis=1)
        for basis in times:
            weights = np.linalg.lstsq(basis.T, people.T, rcond=None)[0].T  # each zone's level, and its swing
            guess = predicted(features, weights) @ basis
            through_log = np.exp(predicted(features, np.log(level)[:, None]))
            guesses = (guess, predicted(np.hstack([one[:, None], through_log]), weights) @ basis)
            best = max(
                best, *(1 - ((people - of) ** 2).sum() / ((people - people.mean()) ** 2).sum() for of in guesses)
            )
    return float(best)


def predicted(features: Floats, wanted: Floats) -> Floats:
    """Return what a linear fit of the other zones' features predicts of each zone."""
    guess = np.zeros_like(wanted)
    for fold in range(5):
        hidden = np.arange(len(features)) % 5 == fold
        guess[hidden] = features[hidden] @ np.linalg.lstsq(features[~hidden], wanted[~hidden], rcond=None)[0]
    return guess


def free_rows(city: CrowdedCity, seen: free_preview.Glance) -> tuple[Floats, list[Floats]]:
    """Return the free figures at their place among those sold, else NaN; and how they say that people come and go by time.

    Each sampled zone on its own, all together, and as a day that is the same every day.
    """
    at = {name: number for number, name in enumerate(city.names)}
    when = {start: number for number, start in enumerate(city.starts)}
    own = {
        (at[row["zone"]], when[row["starts_at"]]): float(row["people"])
        for row in seen.sample
        if row["starts_at"] in when
    }
    known = np.array([own.get(pair, np.nan) for pair in zip(city.zone.tolist(), city.time.tolist(), strict=True)])
    # Of another week they say how a week goes.
    hours = [round((row["starts_at"] - START) / dt.timedelta(hours=3)) % len(when) for row in seen.sample]
    free = {(at[row["zone"]], hour): float(row["people"]) for row, hour in zip(seen.sample, hours, strict=True)}
    times = []
    for zones in ({zone for zone, _ in free}, *({zone} for zone in sorted({zone for zone, _ in free})[:2])):
        sums = np.array([sum(free.get((zone, time), 0.0) for zone in zones) for time in range(len(city.starts))])
        day = np.array(
            [sums[time::8][sums[time::8] > 0].mean() if (sums[time::8] > 0).any() else np.nan for time in range(8)]
        )
        every = np.tile(day, len(city.starts) // 8)
        both = (np.where(sums > 0, sums, every), every)
        times += [np.where(np.isnan(one), np.nanmean(one), one) / np.nanmean(one) for one in both]
    return known, times


def fitted(columns: Floats, city: CrowdedCity, known: Floats | None = None) -> float:
    """Return R² of a linear combination of these columns, its weights learnt from the exact figures of other zones.

    known: figures that need no guess.
    """
    guess = np.empty(len(city.sold))
    parts = [(hidden, columns[hidden]) for hidden in (city.zone % 5 == fold for fold in range(5))]
    squares = np.stack([part.T @ part for _, part in parts])
    products = np.stack([part.T @ city.sold[hidden] for hidden, part in parts])
    for fold, (hidden, part) in enumerate(parts):
        others = np.arange(5) != fold
        weights = np.linalg.lstsq(squares[others].sum(axis=0), products[others].sum(axis=0), rcond=1e-13)[0]
        guess[hidden] = part @ weights
    if known is not None:
        guess = np.where(np.isnan(known), guess, known)
    return float(1 - ((city.sold - guess) ** 2).sum() / ((city.sold - city.sold.mean()) ** 2).sum())


def through_logs(by_zone: Floats, city: CrowdedCity, level: Floats, known: Floats | None = None) -> float:
    """Return R² of a reconstruction that fits the logarithm of each zone's mean, then the curve."""
    figures = np.maximum(np.bincount(city.zone, minlength=len(by_zone)), 1)
    mean = np.bincount(city.zone, city.sold, minlength=len(by_zone)) / figures
    zone_level = np.exp(by_zone @ np.linalg.lstsq(by_zone, np.log(np.maximum(mean, 1)), rcond=None)[0])[city.zone]
    return fitted(np.stack([zone_level, zone_level * level, level, np.ones(len(level))], axis=1), city, known)


def rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's, equal values sharing their mean rank."""

    def ranks(values: Floats) -> Floats:
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return np.asarray((ends - (counts - 1) / 2)[which], float)

    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])
