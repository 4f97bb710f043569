"""A month's close: 200 sales of 40 releases, one row a person with money, against a bare COPY of the same rows in the same run.

`python3 tests bench close` prints `close month RATIO …`: the rows a second of the whole job (what is due found, every
manifest read by ranges, exact shares, rows with their key and check, state and books) over those of a binary COPY of the
same three columns into a table without any; `close keyed RATIO …`, the same against that COPY and the key that the rows
have, built after it, which is the shortest way to a table like theirs; then `close linear RATIO …`, the time a person of
the whole over that of a quarter of them, and what memory and disk it needed. What came before is flushed by a checkpoint
before either side begins. `--size 30000000` measures a country.
"""

import contextlib
import datetime as dt
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketplace.core import clock, database, object_store
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.datasets.builds.manifest_file import write_manifest
from marketplace.datasets.releases.tables import Release
from marketplace.money.ledger.periods import bounds, month_of
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from tests.benchmarks._bench import Marketplace, Run, peak_gb
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value

SIZE, SMALLEST = 3_000_000, 4_000
"""People."""
MOST_RELEASES, SALES = 40, 5
"""Releases of a month, one for each fifty thousand people, and the sales of each."""
PRESENT = 0.97
"""The share of all people who are in each release."""


class Spent(NamedTuple):
    """The seconds of a close, of the bare COPY of its rows, and of the key that they have; how many rows and sales there are."""

    whole: float
    bare: float
    key: float
    rows: int
    sales: int


def main(run: Run) -> None:
    """Run it; the peer is COPY itself."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run, place))


async def _measure(run: Run, place: Marketplace) -> None:
    people, server = run.size, place.server
    await sales.write_lines(range(0))
    await database.copy_columns("subscriber", {"reference": np.arange(1, people + 1, dtype=np.int64)})
    await database.execute("VACUUM ANALYZE subscriber")
    quarter = await _close(server, people // 4, seed=1)
    with clock.shifted(dt.timedelta(days=70)):
        spent = await _close(server, people, seed=2)
    disk = sum(_size(folder) for folder in {place.folder, server.folder}) / 2**30
    run.figure(
        "month",
        f"{spent.bare / spent.whole:.2f}",
        f"of the rows a second of a bare COPY, {spent.sales} sales of {spent.sales // SALES} releases × {run.millions} "
        f"({spent.whole:.2f} s, {spent.rows / spent.whole / 1e6:.2f} M rows/s; COPY {spent.bare:.2f} s)",
    )
    keyed = (spent.bare + spent.key) / spent.whole
    run.figure("keyed", f"{keyed:.2f}", "of the rows a second of that COPY and their key after it")
    linear = spent.whole / people / (quarter.whole / (people // 4))
    run.figure("linear", f"{linear:.2f}", f"× the time a person of a quarter of {run.millions}")
    run.figure("memory", f"{peak_gb():.2f}", f"GB at most, disk {disk:.1f} GB with manifests, sales and both months")


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the server deletes its files as it likes
            size += file.stat().st_size if file.is_file() else 0
    return size


async def _close(server: EmbeddedPostgres, people: int, *, seed: int) -> Spent:
    """Sell and close a month, and COPY its rows bare."""
    random, releases = np.random.default_rng(seed), min(MOST_RELEASES, max(1, people // 50_000))
    for _ in range(releases):
        release = await _release(random, people)
        for number in range(SALES):
            await sales.write_sale(release, 9_000_000 + number)
    assert await hold_shares() == releases * SALES
    begin, end = bounds(month_of(await fetch_value("SELECT max(hold_until) FROM licence")))
    with clock.started_at(begin):
        await close_months()  # the months without sales before it
    server.run_sql("CHECKPOINT")
    with clock.started_at(end):
        start = time.perf_counter()
        assert await close_months() == releases * SALES
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
    return Spent(whole, bare, key, len(columns[0]), releases * SALES)


async def _release(random: np.random.Generator, people: int) -> uuid.UUID:
    """Seal a release that nearly everybody is in, its manifest written as builds write it."""
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
        sampler="opendp",
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
    await database.execute("UPDATE dataset SET spent_micro = spent_micro + 1000000")
    return release
