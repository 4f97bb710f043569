"""Subscribers are read alike from files and from the event store's table, which was checked when it came."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core.errors import Invalid
from marketplace.datasets.builds import input_files
from marketplace.datasets.population import operator_tables
from marketplace.privacy.specification import Specification
from tests.privacy.specs import specification

LONG_READING = """
import sys
from pathlib import Path
from marketplace.datasets.builds.input_files import scratch_database
with scratch_database(Path(sys.argv[1])) as database:
    shows, = database.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    if shows:
        database.execute("SET progress_bar_time = 1")  # not after two seconds alone
    database.execute("SELECT sum(a.range * b.range % 7) FROM range(30000) a, range(9000) b").fetchone()
"""
"""What a process without a file of its own reads, as those that builds start are: DuckDB takes it for a notebook."""
OUTSIDE = "881fa00b27fffff"


def read_subscribers(s: Specification, folder: Path, file: Path, *, are_checked: bool) -> list[list[int]]:
    """Return references, bands and homes."""
    database = input_files.scratch_database(folder)
    try:
        found = input_files.read_subscribers(database, [file], s, are_checked=are_checked)
    finally:
        database.close()
    return [column.tolist() for column in found]


def write_nine(folder: Path, s: Specification, **odd: str) -> tuple[Path, Path]:
    """Write nine subscribers, the fifth of whom is odd, as CSV and as the store's table in row groups of two."""
    rows = [
        {
            "subscriber_id": 2**40 + n,
            "age_band": s.age_bands[n % len(s.age_bands)],
            "home_zone": (*s.zones, OUTSIDE)[n % 4],
        }
        for n in range(9)
    ]
    rows[4] |= odd
    file, table = folder / "people.csv", folder / "people.parquet"
    lines = [",".join(rows[0])] + [",".join(map(str, row.values())) for row in rows]
    file.write_text("\n".join(lines) + "\n")
    kept = pq.read_table(pa.BufferReader(operator_tables.read_subscribers([file], folder).parquet))
    pq.write_table(kept, table, row_group_size=2)
    return file, table


def test_the_stores_table_reads_as_the_file_it_came_from(tmp_path: Path) -> None:
    s = specification(3, bands=2)
    file, table = write_nine(tmp_path, s)
    references, bands, homes = read_subscribers(s, tmp_path, file, are_checked=False)
    assert read_subscribers(s, tmp_path, table, are_checked=True) == [references, bands, homes]
    assert references == [2**40 + n for n in range(9)]
    assert bands == [n % 2 for n in range(9)]
    assert homes == [(0, 1, 2, -1)[n % 4] for n in range(9)]


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        ({"age_band": "0-17"}, "row 5 has an age band that the dataset does not declare"),
        ({"home_zone": "Lyon"}, "row 5 has a home zone that is not an H3 cell"),
    ],
)
def test_a_row_of_either_that_no_dataset_can_count_is_named(odd: dict[str, str], sentence: str, tmp_path: Path) -> None:
    s = specification(3, bands=2)
    file, table = write_nine(tmp_path, s, **odd)
    for path, are_checked in ((file, False), (table, True)):
        with pytest.raises(Invalid, match=f"{path.name}, {sentence}"):
            read_subscribers(s, tmp_path, path, are_checked=are_checked)


@pytest.mark.long
def test_long_reading_writes_nothing_among_a_commands_answers(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LONG_READING, tmp_path], capture_output=True, check=True)
    assert done.stdout == b""
