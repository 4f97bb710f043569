"""A month's close: 200 sales of 40 releases, one row a person with money, against a bare COPY of the same rows in the same run.

`python3 tests bench close` prints `close month RATIO …`: the rows a second of the whole job (what is due found, every
manifest read by ranges, exact shares, rows with their key and check, state and books) over those of a binary COPY of the
same three columns into a table without any; `close keyed RATIO …`, the same against that COPY and the key that the rows
have, built after it, which is the shortest way to a table like theirs; then `close linear RATIO …`, the time a person of
the whole over that of a quarter of them, and what memory and disk it needed. What came before is flushed by a checkpoint
before either side begins. CLOSE_PEOPLE=30000000 measures a country.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.embedded.postgres import EmbeddedPostgres

PEOPLE = 3_000_000
RELEASES, SALES = 40, 200
PRESENT = 0.97
"""The share of all people who are in each release."""


class Spent(NamedTuple):
    """The seconds of a close, of the bare COPY of its rows, and of the key that they have; and how many rows there are."""

    whole: float
    bare: float
    key: float
    rows: int


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is COPY itself."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    people = int(os.environ.get("CLOSE_PEOPLE", str(PEOPLE)))
    with tempfile.TemporaryDirectory(prefix="partage-close-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server, people, Path(folder)))


async def _measure(server: EmbeddedPostgres, people: int, folder: Path) -> None:
    from marketplace import clock, database  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415

    await database.open_pool(server.url())
    await migrate()
    await sales.open_shop(range(0))
    await database.copy_columns("subscriber", {"reference": np.arange(1, people + 1, dtype=np.int64)})
    await database.execute("VACUUM ANALYZE subscriber")
    quarter = await _close(server, people // 4, seed=1)
    with clock.shifted(dt.timedelta(days=70)):
        spent = await _close(server, people, seed=2)
    await database.close_pool()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    disk = _size(folder) / 2**30
    name = f"{people / 1e6:g}M"
    print(
        f"close month {spent.bare / spent.whole:.2f} of the rows a second of a bare COPY, {SALES} sales of {RELEASES} releases "
        f"× {name} ({spent.whole:.2f} s, {spent.rows / spent.whole / 1e6:.2f} M rows/s; COPY {spent.bare:.2f} s)"
    )
    print(
        f"close keyed {(spent.bare + spent.key) / spent.whole:.2f} of the rows a second of that COPY and their key after it"
    )
    linear = spent.whole / people / (quarter.whole / (people // 4))
    print(f"close linear {linear:.2f} × the time a person of a quarter of {name}")
    print(f"close memory {memory:.2f} GB at most, disk {disk:.1f} GB with manifests, sales and both months")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def _close(server: EmbeddedPostgres, people: int, *, seed: int) -> Spent:
    """Sell and close a month, and COPY its rows bare."""
    from marketplace import clock, database  # noqa: PLC0415
    from marketplace.earnings.actions import hold_shares  # noqa: PLC0415
    from marketplace.earnings.month_close import close_months  # noqa: PLC0415
    from marketplace.ledger.periods import bounds, month_of  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415
    from tests.support.reads import fetch_value  # noqa: PLC0415

    random = np.random.default_rng(seed)
    for _ in range(RELEASES):
        release = await _release(random, people)
        for number in range(SALES // RELEASES):
            await sales.make_sale(release, 9_000_000 + number)
    assert await hold_shares() == SALES
    begin, end = bounds(month_of(await fetch_value("SELECT max(hold_until) FROM licence")))
    with clock.started_at(begin):
        await close_months()  # the months without sales before it
    server.run_sql("CHECKPOINT")
    with clock.started_at(end):
        start = time.perf_counter()
        assert await close_months() == SALES
        whole = time.perf_counter() - start
    close = await fetch_value("SELECT max(id) FROM share_close WHERE shares_micro > 0")
    columns = await database.fetch_columns("SELECT * FROM closed_share WHERE close = $1", close)
    await database.execute("CREATE TABLE bare (close bigint, subscriber bigint, payable_micro bigint)")
    server.run_sql("CHECKPOINT")
    start = time.perf_counter()
    async with database.transaction():
        await database.copy_columns("bare", dict(zip(("close", "subscriber", "payable_micro"), columns, strict=True)))
    bare = time.perf_counter() - start
    await database.execute_long("ALTER TABLE bare ADD PRIMARY KEY (subscriber)")
    key = time.perf_counter() - start - bare
    await database.execute("DROP TABLE bare")
    return Spent(whole, bare, key, len(columns[0]))


async def _release(random: np.random.Generator, people: int) -> uuid.UUID:
    """Seal a release that nearly everybody is in, its manifest written as builds write it."""
    import pyarrow as pa  # noqa: PLC0415

    from marketplace import clock, object_store  # noqa: PLC0415
    from marketplace.database import execute  # noqa: PLC0415
    from marketplace.datasets.tables import Release  # noqa: PLC0415
    from marketplace.manifest_file import write_manifest  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415

    everyone: NDArray[np.int64] = np.arange(1, people + 1, dtype=np.int64)
    references = everyone[random.random(people, dtype=np.float32) < PRESENT]
    weights = random.integers(1, 13, len(references))
    release, now = uuid.uuid4(), clock.now() - 2 * sales.MONTH
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        write_manifest(pa.table({"reference": references, "weight": weights}), Path(file.name))
        await object_store.put(object_store.private_key(release, "manifest.parquet"), Path(file.name))
    total = int(weights.sum())
    await Release(
        id=release,
        dataset="lyon",
        period_from=now - sales.MONTH,
        period_to=now,
        specification=str(release),
        state="sealed",
        started_at=now,
        sealed_at=now + dt.timedelta(hours=1),
        epsilon_micro=1_000_000,
        contributors=len(references),
        total_weight=total,
        row_count=1,
        published_people=total + 1_000,
        cells_sha256="00",
        manifest_sha256="00",
    ).save()
    await execute("UPDATE dataset SET spent_micro = spent_micro + 1000000")
    return release


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench close")
