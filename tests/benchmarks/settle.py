"""Settling: one licence of a release of thirty million people held, against reading its manifest's weights once.

`python3 tests bench settle` prints `settle 30M RATIO …`, the whole job (figures, weights, sum of the shares, split and
journal) over that reading, and `settle bytes MB …`, what the database writes for it (its log, pages included), whatever
the people.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import uuid

PEOPLE = 30_000_000
ROUNDS = 5
CHUNK = 2**20


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is the reading. SETTLE_PEOPLE=1000000 measures a town."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    people = int(os.environ.get("SETTLE_PEOPLE", str(PEOPLE)))
    with tempfile.TemporaryDirectory(prefix="partage-settle-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server.url(), people))


async def _measure(url: str, people: int) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.datasets.queries import manifest_weights  # noqa: PLC0415
    from marketplace.earnings.actions import hold_shares  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415

    await database.open_pool(url)
    await migrate()
    await sales.open_shop(range(0))
    release = await sales.make_release({1: 1}, published=people * 6)
    await _write_manifest(release, people)
    read, settled = [], []
    written = []
    for number in range(ROUNDS):
        await sales.make_sale(release, 9_000_000 + number)
        start = time.perf_counter()
        assert len(await manifest_weights(release)) == people
        read.append(time.perf_counter() - start)
        before = await fetch_value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        start = time.perf_counter()
        assert await hold_shares() == 1
        settled.append(time.perf_counter() - start)
        written.append(await fetch_value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn") - before)
    assert await fetch_value("SELECT count(*) FROM accrual") == 0
    await database.close_pool()
    name = f"{people // 1_000_000}M"
    print(
        f"settle {name} {min(settled) / min(read):.2f} × reading the manifest's weights once "
        f"({min(settled):.3f} s, {people / min(settled) / 1e6:.0f} M people/s; reading {min(read):.3f} s)"
    )
    print(f"settle bytes {float(max(written)) / 1e6:.3f} MB written to the database for one sale to {name} people")


async def _write_manifest(release: uuid.UUID, people: int) -> None:
    """Give a release a manifest of so many people, in groups as a build writes them."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from marketplace import object_store  # noqa: PLC0415
    from marketplace.manifest_file import PEOPLE_A_GROUP  # noqa: PLC0415

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


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench settle")
