"""Whole paths out of counts alone: from hour to hour, people move little and regularly, so the nearest match is often right.

The yardstick is an attacker who knows the average zone profile and nothing else.

Source: Xu, Tu, Li, Zhang, Fu and Jin, "Trajectory recovery from ash", WWW 2017, section 3.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from marketplace.privacy.gate.attacks import DAY_HOURS

HABIT = 0.5
"""What the place of the same hour a day before weighs against the place of the hour before."""
PERSISTS = 0.5
"""How much of the last hour's movement is expected to go on."""


def recover(counts: np.ndarray, places: np.ndarray, people: int, rng: np.random.Generator) -> np.ndarray:
    """Return `people` recovered paths, people × hours, from counts, hours × zones of whole people.

    places: zones × 2, where each zone is, in zones.

    An hour whose counts add up to more than there are people loses some at random; in one with fewer, those who fit
    none of them stay where they were. The first hour is filled from the average profile of all hours.
    """
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


def accuracy(recovered: np.ndarray, true: np.ndarray) -> float:
    """Return the share of hours that recovered paths have right, each true one matched to its best; both people × hours."""
    right = np.stack([(recovered == path).mean(axis=1) for path in true])
    who, which = linear_sum_assignment(-right)
    return float(right[who, which].mean())


def profile_counts(counts: np.ndarray, people: int) -> np.ndarray:
    """Return what the attacker who knows the average zone profile alone would put in every hour: whole people.

    counts: hours × zones of whole people, and so is what is returned.
    """
    share = counts.sum(axis=0) * people / max(1, counts.sum())
    whole = np.floor(share).astype(np.int64)
    whole[np.argsort(whole - share)[: people - int(whole.sum())]] += 1
    return np.tile(whole, (len(counts), 1))


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(one[:, None] - other[None], axis=2), float)
