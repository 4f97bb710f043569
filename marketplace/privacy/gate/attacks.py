"""Attacks from the literature, run on releases before anyone else can: trajectories, differences, totals less parts.

**Trajectories.** Somebody who knows where everybody else was can follow one person, hour by hour, in exact counts by
zone and hour: the missing person is in the zone with one more than expected. `follow` tries that on a simulated city,
with the noise of a release.

**Differences.** Two releases of one cell whose noise is shared differ by exactly what changed between them.

**Totals less parts.** A published total less its published parts gives the withheld parts. If every part and every
total has its own noise, the difference has all of it, which is more than the noise of one withheld part. Nothing more
need be withheld then (complementary suppression is for exact tables); `exposed` finds where that does not apply.

Source: Xu, Tu, Li, Zhang, Fu and Jin, "Trajectory recovery from ash", WWW 2017; Pyrgelis, Troncoso and De Cristofaro,
"Knock knock, who's there? Membership inference on aggregate location data", NDSS 2018 (the attacker who knows the others).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.gate import audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from marketplace.privacy.noise import Law

DAY_HOURS: Final = 24
REACH, NEAR, GOES_OUT = 5, 2, 0.3
"""Zones between home, work and evenings; zones moved within an hour; the share of evenings spent out."""
SIDE, PEOPLE, DAYS, PLACES = 6, 1_200, 2, 8
"""The city whose people are followed: zones on each side, simulated paths, days; zones in which a person is sought."""
PASSES: Final = 2
"""The median figure of that city is so many times the threshold."""
FALSE_ALARM: Final = 1e-6


@dataclass(frozen=True, slots=True)
class City:
    """A simulated city: nobody's data."""

    places: NDArray[np.float64]
    """Zones × 2: the position of each."""
    tracks: NDArray[np.int64]
    """People × hours: the zone of each."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Return hours × zones: the people in each."""
        zones = len(self.places)
        return np.stack([np.bincount(hour, minlength=zones) for hour in self.tracks.T])


def city(rng: np.random.Generator, *, side: int, people: int, days: int) -> City:
    """Return a square city whose people sleep, commute, work and sometimes go out, each at their own hours.

    Nobody moves more than NEAR zones an hour either way, as in a city whose zones are a kilometre wide.
    """
    home = rng.integers(0, side, (people, 2))
    work = np.clip(home + rng.integers(-REACH, REACH + 1, (people, 2)), 0, side - 1)
    out = np.clip(work + rng.integers(-REACH, REACH + 1, (people, 2)), 0, side - 1)
    leaves, returns = rng.integers(5, 10, people), rng.integers(15, 19, people)
    here = home.copy()
    tracks = np.empty((people, days * DAY_HOURS), np.int64)
    for hour in range(days * DAY_HOURS):
        clock = hour % DAY_HOURS
        if clock == 0:
            goes_out, until = rng.random(people) < GOES_OUT, rng.integers(20, 23, people)
        wants = np.where(((leaves <= clock) & (clock < returns))[:, None], work, home)
        wants = np.where((goes_out & (returns <= clock) & (clock < until))[:, None], out, wants)
        here = here + np.clip(wants - here, -NEAR, NEAR)
        tracks[:, hour] = here @ [side, 1]
    return City(np.stack(np.divmod(np.arange(side * side), side), axis=1).astype(float), tracks)


@dataclass(frozen=True, slots=True)
class TrackingRate:
    """How often people who move together were found in a simulated city with published figures, one hour at a time."""

    hours: int
    right_from_exact: int
    right_from_release: int
    median_cell: int
    people: int
    """Simulated people in the city."""


def follow(
    draw_noise: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    rng: np.random.Generator,
    *,
    threshold: int,
    hours_counted: tuple[int, int],
    together: int,
    hours: int,
) -> TrackingRate:
    """Seek people in a city's published figures, for `hours` hours in all, knowing where everybody else was.

    draw_noise: returns n counts with noise, drawn like the release's; hours_counted: a person counts in at most the
    first number of hours out of every second number; together: how many people move as one.

    Each simulated path represents as many people as it takes for the median figure to reach PASSES times the threshold.
    People are sought where and when figures are that large, among PLACES such zones, only in the hours they count in.
    The guess is the zone with the largest excess over everybody else; ties are broken by lot.
    """
    town = city(rng, side=SIDE, people=PEOPLE, days=DAYS)
    cells, span = hours_counted
    counted = np.zeros(town.tracks.shape, np.bool_)
    for start in range(0, len(town.tracks.T), span):
        part = counted[:, start : start + span]
        np.put_along_axis(part, np.argsort(rng.random(part.shape), axis=1)[:, :cells], values=True, axis=1)
    zones = len(town.places)
    paths = np.stack(
        [np.bincount(track[is_in], minlength=zones) for track, is_in in zip(town.tracks.T, counted.T, strict=True)]
    )
    each = math.ceil(PASSES * threshold / np.median(paths[paths > 0]))
    others = paths * each
    passes = others >= PASSES * threshold
    passes &= (passes.sum(axis=1) >= PLACES)[:, None]
    who, hour = np.nonzero(counted & passes[np.arange(len(passes)), town.tracks])
    chosen = rng.integers(0, len(who), hours)
    at, zone = hour[chosen], town.tracks[who[chosen], hour[chosen]]
    order = np.where(passes[at], rng.random((hours, zones)), -1.0)
    order[np.arange(hours), zone] = 2.0
    sought = np.argsort(-order, axis=1)[:, :PLACES]  # the person's own zone comes first; nothing below uses that
    known = others[at[:, None], sought]
    true = known.copy()
    true[:, 0] += together
    seen = draw_noise(true.ravel()).reshape(true.shape)
    lots = rng.random(true.shape) / 2
    published = np.where(seen >= threshold, seen - known, -(1 << 40))
    return TrackingRate(
        hours=hours,
        right_from_exact=int((np.argmax(true - known + lots, axis=1) == 0).sum()),
        right_from_release=int((np.argmax(published + lots, axis=1) == 0).sum()),
        median_cell=int(np.median(others[others > 0])),
        people=each * PEOPLE,
    )


def shares_noise(first: NDArray[np.int64], second: NDArray[np.int64], laws: tuple[Law, Law]) -> bool:
    """Return whether two releases of the same cells agree so often that their noise cannot be independent.

    first, second: published people of the cells both have. Independent noises agree on a difference with a probability
    of at most the largest of their sum; twice that allows for both being published. False alarm at most FALSE_ALARM.
    """
    from scipy.stats import binom  # type: ignore[attr-defined]  # noqa: PLC0415

    ties = int((first == second).sum())
    return bool(ties and binom.sf(ties - 1, len(first), min(1.0, 2 * _likeliest_difference(*laws))) <= FALSE_ALARM)


def _likeliest_difference(one: Law, other: Law) -> float:
    """Return the largest probability of any value of the difference of two independent noises: the one at zero."""
    reach = int(60 * max(one.scale, other.scale)) + 2
    return float(audit.masses(one, reach) @ audit.masses(other, reach))


def exposed(
    withheld: NDArray[np.int64],
    total_is_published: NDArray[np.bool_],
    total_variance: float,
    part_variance: float,
    parts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the groups in which subtraction reveals a single withheld part better than its own noise would.

    withheld, parts: for each of n groups, how many of its parts are withheld, and how many there are.
    total_is_published: for each group, whether its total is. The difference between a total and all parts but one has
    the variance of the total and of those parts; without noise it is exact.
    """
    variance = total_variance + (parts - 1) * part_variance
    return np.flatnonzero((withheld == 1) & total_is_published & ((variance < part_variance) | (variance == 0)))
