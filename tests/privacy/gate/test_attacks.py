"""The attacks bite: paths come back from exact counts and not from releases; shared noise and lone parts are found."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from marketplace.core.settings import settings
from marketplace.privacy import noise, sampler
from marketplace.privacy.gate import attacks
from marketplace.privacy.thresholds import EXPECTED_FALSE_CELLS
from tests.privacy.gate import path_recovery
from tests.privacy.specs import gaussian, specification

SEEDS = range(3)


def release_of(city: attacks.City, law: noise.Law, max_cells: int, rng: np.random.Generator) -> np.ndarray:
    """Return hours × zones as released: at most `max_cells` hours a person and day, noise on every cell, a threshold."""
    people, hours = city.tracks.shape
    kept = np.zeros((people, hours), bool)
    for start in range(0, hours, attacks.DAY_HOURS):
        chosen = np.argsort(rng.random((people, attacks.DAY_HOURS)), axis=1)[:, :max_cells]
        np.put_along_axis(kept[:, start : start + attacks.DAY_HOURS], chosen, values=True, axis=1)
    zones = len(city.places)
    counts = np.stack([np.bincount(city.tracks[kept[:, hour], hour], minlength=zones) for hour in range(hours)])
    noisy = counts + sampler.table(law.kind, law.scale).draw(rng.bytes(32), "paths", counts.size).reshape(counts.shape)
    return np.where(noisy >= law.threshold(counts.size, EXPECTED_FALSE_CELLS), noisy, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_paths_are_recovered_from_exact_counts_and_not_from_a_release(seed: int) -> None:
    """Everyone is seen every hour. The yardstick knows the average zone profile and nothing else."""
    rng = np.random.default_rng(seed)
    city = attacks.city(rng, side=40, people=100, days=2)
    exact = path_recovery.accuracy(path_recovery.recover(city.counts, city.places, 100, rng), city.tracks)
    profile = path_recovery.profile_counts(city.counts, 100)
    known = path_recovery.accuracy(path_recovery.recover(profile, city.places, 100, rng), city.tracks)
    assert exact > known + 0.25
    for s, max_cells in (
        (specification(max_cells=6), 6),
        (gaussian(max_cells=8, unit="day", epsilon_micro=1_000_000), 8),
    ):
        released = release_of(city, s.law("people"), max_cells, rng)
        released_right = path_recovery.accuracy(path_recovery.recover(released, city.places, 100, rng), city.tracks)
        assert released_right <= known


def test_a_release_that_publishes_most_cells_still_gives_no_paths_back() -> None:
    """A crowd in few zones, with noise that leaves two cells in five: there is something to attack."""
    rng = np.random.default_rng(4)
    city = attacks.city(rng, side=4, people=500, days=2)
    known = path_recovery.accuracy(
        path_recovery.recover(path_recovery.profile_counts(city.counts, 500), city.places, 500, rng), city.tracks
    )
    released = release_of(city, noise.Law("gaussian", 3.0), 8, rng)
    assert (released > 0).mean() > 0.3
    assert path_recovery.accuracy(path_recovery.recover(released, city.places, 500, rng), city.tracks) <= known


def test_the_profile_is_the_average_in_whole_people() -> None:
    counts = np.array([[3, 0, 1], [1, 1, 2]])
    assert path_recovery.profile_counts(counts, 4).tolist() == [[2, 1, 1], [2, 1, 1]]
    assert path_recovery.accuracy(np.array([[0, 1], [2, 2]]), np.array([[2, 2], [0, 0]])) == 0.75


@pytest.mark.parametrize("law", [noise.Law("laplace", 3.75), noise.Law("gaussian", 12.0)])
def test_noise_drawn_once_for_two_releases_is_found(law: noise.Law) -> None:
    """Independent draws pass; the same draws on input that differs by a person in a tenth of the cells do not."""
    table = sampler.table(law.kind, law.scale)
    rng = np.random.default_rng(2)
    true = rng.poisson(200, 2_000)
    first = true + table.draw(b"1" * 32, "people", 2_000)
    assert not attacks.shares_noise(first, true + table.draw(b"2" * 32, "people", 2_000), (law, law))
    changed = true - (rng.random(2_000) < 0.1)
    assert attacks.shares_noise(first, changed + table.draw(b"1" * 32, "people", 2_000), (law, law))
    assert not attacks.shares_noise(first[:0], first[:0], (law, law))
    # Few cells published of many, all near the threshold: agreeing there is no sign of shared noise.
    least = law.threshold(2_000, 0.1)
    crowd = np.full(400_000, int(least - 2 * math.sqrt(law.variance)))
    pair = [crowd + table.draw(bytes([number]) * 32, "people", len(crowd)) for number in (3, 4)]
    both = (pair[0] >= least) & (pair[1] >= least)
    assert both.sum() > 100
    assert not attacks.shares_noise(pair[0][both], pair[1][both], (law, law))


def test_a_total_without_noise_exposes_its_lone_withheld_part() -> None:
    withheld = np.array([0, 1, 2, 1])
    parts = np.array([3, 3, 3, 3])
    shown = np.array([True, True, True, False])
    assert attacks.exposed(withheld, shown, 28.0, 28.0, parts).tolist() == []
    assert attacks.exposed(withheld, shown, 0.0, 0.0, parts).tolist() == [1]
    assert attacks.exposed(withheld, shown, 0.0, 28.0, np.array([3, 1, 3, 3])).tolist() == [1]


@pytest.mark.deep
def test_on_real_movement_a_release_gives_no_more_than_the_profile() -> None:
    """Check-ins of New York stand in for events: the figures are printed, for the report."""
    path = settings().shared / "data" / "gowalla-nyc" / "events.parquet"
    if not path.exists():
        pytest.skip("the real check-ins are not on this machine")
    exact, known, released_right = gowalla(path)
    print(
        f"paths right on Gowalla: exact counts {exact:.3f}, average profile {known:.3f}, release {released_right:.3f}"
    )
    assert released_right <= known


def gowalla(path: object) -> tuple[float, float, float]:
    """Return the share of hours right from exact counts, the average profile and a release, of the 150 busiest people.

    Zones of a kilometre or so; a week of each person's check-ins laid on one week, and between two of them they are
    where they were last seen: real places, as densely observed as the attack needs.
    """
    table = pq.read_table(path)
    who = table["subscriber_id"].to_numpy()
    at = table["at"].to_numpy().astype("datetime64[s]").astype(np.int64)
    row = (table["latitude"].to_numpy() - 40.5) / 0.01
    column = (table["longitude"].to_numpy() + 74.3) / 0.013
    hour = at // 3600 % (3 * attacks.DAY_HOURS)
    people, counts = np.unique(who, return_counts=True)
    chosen = people[np.argsort(-counts)[:150]]
    cells = np.stack([row.astype(int), column.astype(int)], axis=1)
    places, zone = np.unique(cells, axis=0, return_inverse=True)
    tracks = np.zeros((len(chosen), 3 * attacks.DAY_HOURS), np.int64)
    for at_person, person in enumerate(chosen):
        mine = np.flatnonzero(who == person)
        order = mine[np.argsort(at[mine] % (3 * attacks.DAY_HOURS * 3600), kind="stable")]
        seen = dict(zip(hour[order].tolist(), zone[order].tolist(), strict=True))
        last = seen[max(seen)]
        for step in range(tracks.shape[1]):
            last = seen.get(step, last)
            tracks[at_person, step] = last
    used, tracks = np.unique(tracks, return_inverse=True)
    city = attacks.City(places[used].astype(float), tracks.reshape(len(chosen), -1))
    rng = np.random.default_rng(9)
    released = release_of(city, gaussian(max_cells=8, unit="day", epsilon_micro=1_000_000).law("people"), 8, rng)
    exact, known, released_right = (
        path_recovery.accuracy(path_recovery.recover(counts_, city.places, len(chosen), rng), city.tracks)
        for counts_ in (city.counts, path_recovery.profile_counts(city.counts, len(chosen)), released)
    )
    return exact, known, released_right
