"""What a year of sales stores: manifests and index in the object store, and a month's rows in PostgreSQL, by person.

`python3 tests bench storage` prints, for SIZE lines, the bytes a contribution takes in a
manifest and in the index, what the index's directory takes of PostgreSQL, the bytes of a person's row of a month, and
what all this makes in a year of MONTHLY releases sold a month: the figures of the manual's page on storage.
"""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketplace.core import clock, database
from marketplace.datasets.builds import manifest_file
from marketplace.subscribers.earnings.contribution_tables import ContributionSegment
from marketplace.subscribers.earnings.segments import parts_of, read_manifest
from tests.benchmarks._bench import Run
from tests.support.reads import fetch_value

SIZE, SMALLEST = 1_000_000, 2_000
"""Lines."""
MOST_RELEASES, MOST_CONTRIBUTIONS = 40, 40_000_000
MONTHLY = 40
COVERED = 0.8
"""How many of all lines are in a release, as where four in five consent."""
COUNTRY = 30_000_000


def main(run: Run) -> None:
    """Run it; `--size 10000000` measures a third of a country."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run, place.folder))


def manifest_weights(people: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a release's references and weights: most people count in a few cells, some in all twelve."""
    rng = np.random.default_rng(number)
    references = np.flatnonzero(rng.random(people) < COVERED).astype(np.int64) + 1
    return references, np.minimum(rng.geometric(0.25, len(references)), 12).astype(np.int64)


def write_manifest(path: Path, references: NDArray[np.int64], weights: NDArray[np.int64]) -> int:
    """Write a manifest as a build does, and return its bytes."""
    table = pa.table({"reference": references, "weight": weights})
    return manifest_file.write_manifest(table, path).stat().st_size


def index_of(paths: dict[int, Path]) -> Iterator[Any]:
    """Yield the parts of one segment with these manifests."""
    return parts_of([read_manifest(path, number, -1) for number, path in paths.items()])


async def _measure(run: Run, folder: Path) -> None:
    people = run.size
    releases = min(MOST_RELEASES, MOST_CONTRIBUTIONS // people)
    paths, manifests, pairs = {}, 0, 0
    for number in range(releases):
        references, weights = manifest_weights(people, number)
        paths[number] = folder / f"{number}.parquet"
        manifests += write_manifest(paths[number], references, weights)
        pairs += len(references)
    segment = uuid.uuid4()
    await ContributionSegment(id=segment, level=2, begun_at=clock.now()).save()
    start, index = time.perf_counter(), 0
    for number, part in enumerate(index_of(paths)):
        index += len(part.content)
        await database.execute(
            """INSERT INTO contribution_part (segment, number, first_reference, last_reference, pairs, firsts, ends)
               VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            *(segment, number, part.first_reference, part.last_reference, part.pairs, part.firsts, part.ends),
        )
    spent = time.perf_counter() - start
    directory = int(await fetch_value("SELECT pg_total_relation_size('contribution_part')"))
    rows = await _rows_of_a_month(people)
    yearly = MONTHLY * 12 * COVERED * COUNTRY
    scale = {"manifests": manifests / pairs * yearly, "index": index / pairs * yearly}
    scale |= {"directory": directory / pairs * yearly, "rows": rows / people * COUNTRY * 12}
    size = run.millions
    run.figure(f"manifest-{size}", f"{manifests / pairs:.2f}", f"bytes a contribution ({releases} releases)")
    written = f"{pairs / spent / 1e6:.1f} M a second written"
    run.figure(f"index-{size}", f"{index / pairs:.2f}", f"bytes a contribution ({written})")
    a_thousand = f"{directory / pairs * 1e3:.2f}"
    run.figure(f"directory-{size}", a_thousand, "bytes of PostgreSQL a thousand contributions")
    run.figure(f"month-{size}", f"{rows / people:.1f}", "bytes of PostgreSQL a person and month, with its keys")
    for what, bytes_ in scale.items():
        a_year = f"GB a year for 30 M lines, {MONTHLY} releases sold a month"
        run.figure(f"year-{what}", f"{bytes_ / 1e9:.1f}", a_year)


async def _rows_of_a_month(people: int) -> int:
    """Return the bytes that a row a person takes for one month, with the key and checks of the table, as a close writes it."""
    everyone = np.arange(1, people + 1, dtype=np.int64)
    close = await fetch_value(
        "INSERT INTO share_close (month, begun_at) VALUES ('2026-01-01', '2026-02-01') RETURNING id"
    )
    async with database.transaction():
        await database.execute("SELECT begin_closing($1)", close)
        columns = {"close": np.full(people, close), "subscriber": everyone, "payable_micro": everyone}
        await database.copy_columns("closing_share", columns)
        await database.execute("SELECT add_closing_key()")
    return int(await fetch_value("SELECT pg_total_relation_size('closing_share')"))
