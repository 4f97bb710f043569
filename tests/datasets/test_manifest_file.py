"""A manifest says who is in a release; rows of weight 0, which make it quick to read, are nobody's to any reader."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from marketplace.datasets.builds.manifest_file import PEOPLE_A_GROUP, people_in, write_manifest
from marketplace.subscribers.earnings.segments import read_manifest


def write_weights(folder: Path, weights: dict[int, int]) -> Path:
    columns = {"reference": np.array(list(weights), np.int64), "weight": np.array(list(weights.values()), np.int64)}
    return write_manifest(pa.table(columns), folder / "manifest.parquet")


def read_weights(path: Path) -> dict[int, int]:
    references, weights = people_in(pq.read_table(path))
    return dict(zip(references.tolist(), weights.tolist(), strict=True))


@given(people=some.dictionaries(some.integers(0, 60), some.integers(1, 40), max_size=50))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_is_in_it_is_read_as_it_was_written(tmp_path: Path, people: dict[int, int]) -> None:
    people = dict(sorted(people.items()))
    path = write_weights(tmp_path, people)
    assert read_weights(path) == people
    parts = list(read_manifest(path, 7, -1))
    assert [who for part in parts for who in part.references.tolist()] == list(people)
    assert [weight for part in parts for weight in part.weights.tolist()] == list(people.values())


def test_most_lines_make_a_row_each_and_few_do_not(tmp_path: Path) -> None:
    for missing, rows in ((0, 12), (4, 12), (5, 7)):
        people = [1, *range(2 + missing, 13)]
        assert pq.read_metadata(write_weights(tmp_path, dict.fromkeys(people, 3))).num_rows == rows, missing


def test_a_group_has_as_many_people_whatever_its_rows(tmp_path: Path) -> None:
    """Finding one contribution reads a group: at most half as many rows again as people, and less than their references."""
    chance = np.random.default_rng(1)
    size = 3 * PEOPLE_A_GROUP
    people = np.flatnonzero(chance.random(size) < np.where(np.arange(size) < size // 2, 0.97, 0.3)) + 1
    weights = chance.integers(1, 13, len(people))
    footer = pq.read_metadata(
        path := write_weights(tmp_path, dict(zip(people.tolist(), weights.tolist(), strict=True)))
    )
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert max(rows) <= PEOPLE_A_GROUP * 3 // 2
    assert rows[0] > PEOPLE_A_GROUP, "half of the lines are close together"
    groups = [people[start : start + PEOPLE_A_GROUP] for start in range(0, len(people), PEOPLE_A_GROUP)]
    statistics = [footer.row_group(number).column(0).statistics for number in range(footer.num_row_groups)]
    assert [(of.min, of.max) for of in statistics] == [(group[0], group[-1]) for group in groups]
    assert all(before.max < after.min for before, after in pairwise(statistics))
    assert path.stat().st_size < len(people)
