"""Settling: one licence of a release of thirty million people held, against reading its manifest's weights once.

`python3 tests bench settle` prints `settle 30M RATIO …`, the whole job (figures, weights, sum of the shares, split and
journal) over that reading, and `settle bytes MB …`, what the database writes for it (its log, pages included), whatever
the people.
"""

import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.core import object_store
from marketplace.datasets.builds.manifest_file import PEOPLE_A_GROUP
from marketplace.datasets.releases.queries import manifest_weights
from marketplace.subscribers.earnings.actions import hold_shares
from tests.benchmarks._bench import Run
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value

SIZE, SMALLEST = 30_000_000, 1_000
"""People."""
ROUNDS = 5
CHUNK = 2**20


def main(run: Run) -> None:
    """Run it; the peer is the reading. `--size 1000000` measures a town."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run))


async def _measure(run: Run) -> None:
    people = run.size
    await sales.write_lines(range(0))
    release = await sales.seal_weights({1: 1}, published=people * 6)
    await _write_manifest(release, people)
    read, settled = [], []
    written = []
    for number in range(ROUNDS):
        await sales.write_sale(release, 9_000_000 + number)
        start = time.perf_counter()
        assert len(await manifest_weights(release)) == people
        read.append(time.perf_counter() - start)
        before = await fetch_value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        start = time.perf_counter()
        assert await hold_shares() == 1
        settled.append(time.perf_counter() - start)
        written.append(await fetch_value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn") - before)
    assert await fetch_value("SELECT count(*) FROM accrual") == 0
    run.figure(
        run.millions,
        f"{min(settled) / min(read):.2f}",
        f"× reading the manifest's weights once "
        f"({min(settled):.3f} s, {people / min(settled) / 1e6:.0f} M people/s; reading {min(read):.3f} s)",
    )
    most = float(max(written)) / 1e6
    run.figure("bytes", f"{most:.3f}", f"MB written to the database for one sale to {run.millions} people")


async def _write_manifest(release: uuid.UUID, people: int) -> None:
    """Give a release a manifest of so many people, in groups as a build writes them."""
    chance = np.random.default_rng(1)
    schema = pa.schema({"reference": pa.int64(), "weight": pa.int64()})
    with tempfile.TemporaryDirectory(prefix="partage-manifest-") as folder:
        path = Path(folder) / "manifest.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd") as file:
            for start in range(0, people, CHUNK):
                references = np.arange(start + 1, min(start + CHUNK, people) + 1)
                weights = chance.integers(1, 13, len(references))
                file.write_table(pa.table([references, weights], schema=schema), row_group_size=PEOPLE_A_GROUP)
        await object_store.put(object_store.private_key(release, "manifest.parquet"), path)
