"""Attacks from the literature, run on releases before anyone else can: trajectories, differences, totals less parts.

**Trajectories.** Counts of people by zone and hour, exact and unbounded, give whole paths back: from hour to hour, people
move little and regularly, so matching one hour's people to the next one's at the least total distance recovers most of
them. The yardstick is an attacker who knows the average zone profile and nothing else.

**Differences.** Two releases of one cell whose noise is shared differ by exactly what changed between them.

**Totals less parts.** A published total less its published parts is what was withheld. Where every part and every
total bears its own noise, the difference bears all of it: more than one withheld part's own, so nothing more need be
withheld to hide it (complementary suppression is for exact tables), and `exposed` finds where that is not so.

Source: Xu, Tu, Li, Zhang, Fu and Jin, "Trajectory recovery from ash", WWW 2017, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy.noise import Law

DAY_HOURS: Final = 24
REACH, NEAR, GOES_OUT = 5, 2, 0.3
"""Zones between home, work and evenings; zones moved within an hour; the share of evenings spent out."""
HABIT: Final = 0.5
"""What the place of the same hour a day before weighs against the place of the hour before."""
PERSISTS: Final = 0.5
"""How much of the last hour's movement is expected to go on."""
FALSE_ALARM: Final = 1e-6


@dataclass(frozen=True, slots=True)
class City:
    """A simulated city: nobody's data."""

    places: NDArray[np.float64]
    """Zones × 2: where each is."""
    tracks: NDArray[np.int64]
    """People × hours: the zone each is in."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Return hours × zones: how many are where."""
        zones = len(self.places)
        return np.stack([np.bincount(hour, minlength=zones) for hour in self.tracks.T])


def city(rng: np.random.Generator, *, side: int, people: int, days: int) -> City:
    """Return a square city whose people sleep, commute a few zones, work, and some evenings go out, at hours of their own.

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


def recover(
    counts: NDArray[np.int64], places: NDArray[np.float64], people: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return `people` recovered paths, people × hours, from counts, hours × zones of whole people.

    places: zones × 2, where each zone is, in zones.

    An hour whose counts add up to more than there are people loses some at random; in one with fewer, those who fit
    none of them stay where they were. The first hour is filled from the average profile of all hours.
    """
    from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]  # noqa: PLC0415 (only attacks need it)

    zones = counts.shape[1]
    profile = counts.sum(axis=0) + 1e-9
    tracks = np.empty((people, len(counts)), np.int64)
    for hour, row in enumerate(counts):
        present = rng.permutation(np.repeat(np.arange(zones), np.maximum(row, 0)))[:people]
        if hour == 0:
            tracks[:, 0] = np.concatenate(
                [present, rng.choice(zones, people - len(present), p=profile / profile.sum())]
            )
            continue
        tracks[:, hour] = tracks[:, hour - 1]
        before = places[tracks[:, hour - 1]]
        expected = before + PERSISTS * (before - places[tracks[:, max(hour - 2, 0)]])
        cost = _distance(expected, places[present])
        if hour >= DAY_HOURS:
            cost = cost + HABIT * _distance(places[tracks[:, hour - DAY_HOURS]], places[present])
        who, what = linear_sum_assignment(cost)
        tracks[who, hour] = present[what]
    return tracks


def accuracy(recovered: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Return the share of hours that recovered paths have right, each true one matched to its best; both people × hours."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]  # noqa: PLC0415

    right = np.stack([(recovered == path).mean(axis=1) for path in true])
    who, which = linear_sum_assignment(-right)
    return float(right[who, which].mean())


def profile_counts(counts: NDArray[np.int64], people: int) -> NDArray[np.int64]:
    """Return what the attacker who knows the average zone profile alone would put in every hour: whole people.

    counts: hours × zones of whole people, and so is what is returned.
    """
    share = counts.sum(axis=0) * people / max(1, counts.sum())
    whole = np.floor(share).astype(np.int64)
    whole[np.argsort(whole - share)[: people - int(whole.sum())]] += 1
    return np.tile(whole, (len(counts), 1))


def shares_noise(first: NDArray[np.int64], second: NDArray[np.int64], laws: tuple[Law, Law]) -> bool:
    """Return whether two releases of the same cells agree so often that their noise cannot be independent.

    first, second: published people of the cells both have. Independent noises hit one difference with a probability of
    at most the largest of their sum; twice that allows for both being published. False alarm at most FALSE_ALARM.
    """
    from scipy.stats import binom  # type: ignore[attr-defined]  # noqa: PLC0415

    ties = int((first == second).sum())
    return bool(ties and binom.sf(ties - 1, len(first), min(1.0, 2 * _likeliest_difference(*laws))) <= FALSE_ALARM)


def _likeliest_difference(one: Law, other: Law) -> float:
    """Return the largest probability that the difference of two independent noises has at any value: at zero."""
    reach = int(60 * max(one.scale, other.scale)) + 2
    return float(_masses(one, reach) @ _masses(other, reach))


def _masses(law: Law, reach: int) -> NDArray[np.float64]:
    at = np.abs(np.arange(-reach, reach + 1))
    weights = np.exp(-at / law.scale) if law.kind == "laplace" else np.exp(-(at**2) / (2 * law.scale**2))
    return np.asarray(weights / weights.sum(), float)


def exposed(
    withheld: NDArray[np.int64],
    total_is_published: NDArray[np.bool_],
    total_variance: float,
    part_variance: float,
    parts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the groups in which subtraction reveals a single withheld part better than its own noise would.

    withheld, parts: for each of n groups, how many of its parts are withheld, and how many there are;
    total_is_published: for each, whether its total is. The difference between
    a total and all parts but one has the variance of the total and of those parts; without any, it is exact.
    """
    variance = total_variance + (parts - 1) * part_variance
    return np.flatnonzero((withheld == 1) & total_is_published & ((variance < part_variance) | (variance == 0)))


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(one[:, None] - other[None], axis=2), float)
